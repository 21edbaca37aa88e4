"""What others have marked in scans: masks and boxes of many formats, brought onto a series' voxels."""
