"""A diagnosis as DICOM objects: segmentations and a structured report."""
