"""One scan: from DICOM files to lungs, nodules and sections. Needs no Paddle."""
