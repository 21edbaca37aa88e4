"""What is odd between NLST's tables, but possible: counted, not refused."""

import pandas as pd

from lung_ssp.cohort.nlst.codes import NO_CANCER, STUDY_YEARS


def count_oddities(
    persons: pd.DataFrame,
    cancers: pd.DataFrame,
    abnormalities: pd.DataFrame,
    comparisons: pd.DataFrame,
    screens: pd.DataFrame,
) -> dict[str, int]:
    """How often each oddity occurs, zeros included; the tables as `Tables` describes them."""
    known = set(persons.participant)
    days = persons.set_index("participant")[[f"scr_days{year}" for year in STUDY_YEARS]]
    without_cancer = set(persons.participant[persons.can_scr == NO_CANCER])
    with_cancer = known - without_cancer
    in_canc = set(cancers.participant)
    first_screen = cancers.participant.map(days.min(axis=1))
    first = cancers.sort_values("lc_order").drop_duplicates("participant").set_index("participant").candx_days
    diagnosed = persons.set_index("participant").candx_days
    key = ["participant", "study_yr", "sct_ab_num"]
    compared = comparisons.merge(abnormalities[[*key, "sct_ab_desc"]], on=key, how="left")
    screened = {
        (participant, year) for year in STUDY_YEARS for participant in days.index[days[f"scr_days{year}"].notna()]
    }
    years = {
        name: set(zip(table.participant, table.study_yr, strict=True)) - screened
        for name, table in (("abnormalities", abnormalities), ("screens", screens))
    }
    counted = {
        "participants without the day of any screening exam": days.isna().all(axis=1).sum(),
        "participants with abnormalities but no row in prsn": len(set(abnormalities.participant) - known),
        "participants with a cancer in canc but no row in prsn": len(in_canc - known),
        "participants with can_scr above 0 but no cancer in canc": len(with_cancer - in_canc),
        "participants with can_scr = 0 but a cancer in canc": len(without_cancer & in_canc),
        "participants whose candx_days differ between prsn and canc": (
            diagnosed.reindex(first.index).sub(first).fillna(0) != 0
        ).sum(),
        "cancers without a day of diagnosis": cancers.candx_days.isna().sum(),
        "cancers diagnosed before the first screening exam": (cancers.candx_days < first_screen).fillna(False).sum(),
        "exams with abnormalities but no day of the exam": len(years["abnormalities"]),
        "exams in screen but no day of the exam": len(years["screens"]),
        "comparisons without an abnormality in ctab": compared.sct_ab_desc.isna().sum(),
        "comparisons whose code differs from ctab's": (compared.sct_ab_code != compared.sct_ab_desc)
        .fillna(False)
        .sum(),
    }
    return {oddity: int(count) for oddity, count in counted.items()}
