"""One loop that trains whatever task it is handed, exactly resumable."""
