"""Pathology slides (DICOM whole-slide images): their tissue, cut into tiles."""
