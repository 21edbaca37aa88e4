"""Scans with given lung masks and without marked lesions: background to learn from beside a cohort with lesions."""
