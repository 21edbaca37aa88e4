"""NLST's codes and what they mean, from its data dictionaries (IDC's delivery of May 2021, CDAS's of 2011).

Codes stay numbers in the tables; labels and rules speak in the words given here.
"""

from types import MappingProxyType
from typing import Literal

Side = Literal["right", "left"]

# prsn: result of the screen that is associated with the first confirmed lung cancer
CAN_SCR = MappingProxyType(
    {0: "no cancer", 1: "positive screen", 2: "negative screen", 3: "missed screen", 4: "post screening"}
)
NO_CANCER = 0

# prsn, scr_res0-2: 1-3 negative, 4-6 positive, 10 inadequate image, the others say why there was no screen
NEGATIVE_RESULTS = frozenset({1, 2, 3})
SCREEN_RESULTS = NEGATIVE_RESULTS | {4, 5, 6, 10, 11, 13, 14, 15, 17, 23, 24, 95, 97}

# ctab sct_ab_desc and ctabc sct_ab_code
NODULE = 51
DESCRIPTIONS = MappingProxyType(
    {
        51: "non-calcified nodule or mass >= 4 mm",
        52: "non-calcified micronodule < 4 mm",
        53: "benign calcified nodule",
        54: "atelectasis, segmental or greater",
        55: "pleural thickening or effusion",
        56: "non-calcified hilar or mediastinal adenopathy or mass >= 10 mm",
        57: "chest wall abnormality",
        58: "consolidation",
        59: "emphysema",
        60: "significant cardiovascular abnormality",
        61: "reticular opacities, honeycombing, fibrosis or scar",
        62: "six or more nodules, not suspicious",
        63: "other significant abnormality above the diaphragm",
        64: "other significant abnormality below the diaphragm",
        65: "other minor abnormality",
    }
)

# ctab sct_epi_loc; 8 (other) is no lobe
LOBE_CODES = MappingProxyType({1: "RUL", 2: "RML", 3: "RLL", 4: "LUL", 5: "lingula", 6: "LLL"})
OTHER_PLACE = 8
NO_SLICE = 999  # sct_slice_num where the slice is missing

UNABLE = "unable to determine"
MARGINS = MappingProxyType({1: "spiculated", 2: "smooth", 3: "poorly defined", 9: UNABLE})  # ctab sct_margins
ATTENUATIONS = MappingProxyType(  # ctab sct_pre_att
    {1: "soft tissue", 2: "ground glass", 3: "mixed", 4: "fluid", 6: "fat", 7: "other", 9: UNABLE}
)
ANSWERS = MappingProxyType({1: "no", 2: "yes", 9: UNABLE})  # ctabc: growth, change in attenuation, preexisting

# The five lobes; NLST records the lingula apart from the rest of the left upper lobe.
RIGHT = frozenset({"RUL", "RML", "RLL"})
LEFT = frozenset({"LUL", "LLL"})
LOBES = RIGHT | LEFT

# prsn: whether the first primary tumour lies there; a tumour may lie in several places
LOBE_COLUMNS = MappingProxyType(
    {"locrup": "RUL", "locrmid": "RML", "locrlow": "RLL", "loclup": "LUL", "loclin": "lingula", "locllow": "LLL"}
)
SIDE_COLUMNS = MappingProxyType({"locrhil": "right", "locrmsb": "right", "loclhil": "left", "loclmsb": "left"})
OTHER_COLUMNS = ("loccar", "locmed", "locoth", "locunk")  # carina, mediastinum, other, unknown: neither lobe nor side
LOCATION_COLUMNS = (*LOBE_COLUMNS, *SIDE_COLUMNS, *OTHER_COLUMNS)

# de_stag (AJCC 6) in IDC's coding and in an older dictionary's, and de_stag_7thed (AJCC 7) in IDC's
STAGES = MappingProxyType(
    {
        110: "IA",
        120: "IB",
        210: "IIA",
        220: "IIB",
        310: "IIIA",
        320: "IIIB",
        400: "IV",
        888: "unknown",  # TNM not available
        900: "occult",
        994: "unknown",  # carcinoid, cannot be assessed
        999: "unknown",  # cannot be assessed
        3: "IA",
        4: "IB",
        6: "IIA",
        7: "IIB",
        8: "IIIA",
        9: "IIIB",
        10: "IV",
    }
)
STUDY_YEARS = (0, 1, 2)  # T0, T1, T2
CANCER_YEARS = range(8)  # T0 to T7, the years of the follow-up


def known_abnormalities(codes: list[int]) -> list[int]:
    """Codes of sct_ab_desc, for settings and rules.

    Raises:
        ValueError: one is none.
    """
    for code in codes:
        if code not in DESCRIPTIONS:
            raise ValueError(f"{code} is no code of sct_ab_desc: these are 51 to 65")
    return codes


def whole_lobe(lobe: str) -> str:
    """The lobe that a recorded place belongs to: the lingula is a part of the left upper lobe."""
    return "LUL" if lobe == "lingula" else lobe


def lobes_of_side(side: str) -> frozenset[str]:
    """The lobes of one lung."""
    return {"right": RIGHT, "left": LEFT}[side]


def possible_lobes(lobe: str | None, side: str | None) -> frozenset[str]:
    """The lobes in which something may lie, by its lobe or else by its side; empty where neither is known."""
    if lobe is not None:
        return frozenset({whole_lobe(lobe)})
    return lobes_of_side(side) if side is not None else frozenset()
