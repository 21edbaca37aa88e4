"""Many patients: their scans, lesions, labels and splits. Needs no Paddle."""
