"""Making a plan smaller: fewer participants, annotated exams only, or a size limit."""

from pathlib import Path

import numpy as np
import pandas as pd

from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.sizes import MB_OF_GB
from lung_ssp.errors import CohortError

NARROWED = (
    NOT_ASKED_FOR := "the participant was not asked for",
    NOT_ANNOTATED := "neither a lesion mask nor boxes",
    BEYOND_SIZE := "beyond the size asked for",
)


def read_participants(path: Path, known: set[str], pseudonyms: Pseudonyms) -> set[str]:
    """The pseudonyms of the participants that a text file lists, one pid or pseudonym a line; # begins a comment.

    Raises:
        CohortError: the file cannot be read, lists no participant, or a line names none of the index (the message gives
            the line's number, since it must not hold a pid).
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise CohortError(
            f"{path} cannot be read ({error.strerror}): name a file with one participant a line."
        ) from error
    except UnicodeDecodeError as error:
        raise CohortError(f"{path} is no text: name a file with one participant a line.") from error
    wanted = set()
    for number, line in enumerate(lines, start=1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        participant = name if name in known else pseudonyms.participant(name)
        if participant not in known:
            raise CohortError(f"{path}, line {number}: no such participant in the index; correct or remove the line.")
        wanted.add(participant)
    if not wanted:
        raise CohortError(f"{path} lists no participant: write one a line.")
    return wanted


def narrow(
    exams: pd.DataFrame, slides_mb: pd.Series, wanted: set[str] | None, only_annotated: bool, max_gb: float | None
) -> pd.Series:
    """Why each exam is not in the narrowed plan, one of NARROWED; "" where it is.

    For `max_gb`, whole exams are taken in the order of their participants' pseudonyms, which is a shuffled one, then of
    their years, up to the first that would pass the limit: a larger limit only adds exams.

    Args:
        exams: participant, study_year, annotated (bool), mb (of the CT series and its masks).
        slides_mb: by participant; downloaded with the participant's first exam in the plan.
        wanted: pseudonyms, None for all.
    """
    reasons = pd.Series("", index=exams.index)
    if wanted is not None:
        reasons[~exams["participant"].isin(wanted)] = NOT_ASKED_FOR
    if only_annotated:
        reasons[reasons.eq("") & ~exams["annotated"]] = NOT_ANNOTATED
    if max_gb is not None:
        left = exams[reasons.eq("")].sort_values(["participant", "study_year"])
        slides = left["participant"].map(slides_mb).fillna(0.0).where(~left["participant"].duplicated(), 0.0)
        total = (left["mb"] + slides).to_numpy(dtype=float).cumsum()
        reasons[left.index[np.flatnonzero(total > max_gb * MB_OF_GB)]] = BEYOND_SIZE
    return reasons
