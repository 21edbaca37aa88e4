"""The Imaging Data Commons (IDC): its public index of series, and downloading from it."""
