"""A series in, findings out."""
