"""Numbers of series and their sizes: what a download found, fetched or would fetch, and its text."""

from collections.abc import Mapping
from dataclasses import dataclass

BYTES_OF_MB = 1e6
MB_OF_GB = 1000.0


@dataclass(frozen=True)
class Amount:
    """A number of series and their size in MB (1e6 bytes)."""

    series: int
    megabytes: float


@dataclass(frozen=True)
class DownloadResult:
    """What a download did, or in a dry run would do.

    present, missing: what was complete on the disk before, and what was not, by the plan's roles.
    free_mb: free space on the disk before. kept_gb: how much of it the settings keep free.
    fetched: how many series were fetched; None in a dry run.
    """

    present: Mapping[str, Amount]
    missing: Mapping[str, Amount]
    free_mb: float
    kept_gb: float
    fits: bool
    fetched: int | None = None


def download_text(result: DownloadResult) -> str:
    """What a download found and fetched, or what a dry run would fetch."""
    lines = []
    for role in result.present:
        lines.append(f"{role:<12} there and checked {_amount(result.present[role])}")
        lines.append(f"{'':<12} to fetch          {_amount(result.missing[role])}")
    if result.fetched is None:
        lines.append(space_text(result))
        lines += [] if result.fits else ["The disk is too small."]
        lines.append("Dry run: nothing was fetched.")
    elif result.fetched:
        lines.append(f"{result.fetched:,} series were fetched and checked.")
    else:
        lines.append("Nothing is missing.")
    return "\n".join(lines) + "\n"


def space_text(result: DownloadResult) -> str:
    """How much is to be fetched, and how much space there is."""
    missing = size_text(sum(amount.megabytes for amount in result.missing.values()))
    return f"{missing} to fetch, {size_text(result.free_mb)} free, of which {result.kept_gb:g} GB are kept"


def size_text(megabytes: float) -> str:
    """A size in MB as text, from 1 GB on in GB."""
    return f"{megabytes:,.1f} MB" if megabytes < MB_OF_GB else f"{megabytes / MB_OF_GB:,.1f} GB"


def _amount(amount: Amount) -> str:
    return f"{amount.series:>8,} series {size_text(amount.megabytes):>13}"
