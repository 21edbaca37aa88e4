"""Sizes of files as the index counts them, in MB of 1e6 bytes, exact to the byte."""

BYTES_OF_MB = 1e6
MB_OF_GB = 1000.0


def size_text(megabytes: float) -> str:
    """A size in MB as text, from 1 GB on in GB."""
    if megabytes < MB_OF_GB:
        return f"{megabytes:,.1f} MB"
    return f"{megabytes / MB_OF_GB:,.1f} GB"
