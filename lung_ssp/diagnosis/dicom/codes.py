"""The codes of a diagnosis in DICOM objects: SNOMED CT, DICOM, UCUM and LOINC, and our own where those have none."""

import hashlib

from pydicom.sr.coding import Code

ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")
LUNG = Code("39607008", "SCT", "Lung")
NODULE = Code("27925004", "SCT", "Nodule")
SIDES = {"right": Code("24028007", "SCT", "Right"), "left": Code("7771000", "SCT", "Left")}
LUNG_OF_SIDE = {"right": Code("3341006", "SCT", "Right lung"), "left": Code("44029006", "SCT", "Left lung")}

ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
MORPHOLOGICAL_OPERATIONS = Code("123104", "DCM", "Morphological Operations")
CT_CHEST = Code("24627-2", "LN", "CT Chest")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
COMMENT = Code("121106", "DCM", "Comment")

LONG_AXIS = Code("103339001", "SCT", "Long axis")
VOLUME = Code("118565006", "SCT", "Volume")
ATTENUATION = Code("112031", "DCM", "Attenuation Coefficient")
MEAN = Code("373098007", "SCT", "Mean")
MILLIMETRE = Code("mm", "UCUM", "mm")
CUBIC_MILLIMETRE = Code("mm3", "UCUM", "cubic millimeter")
MILLILITRE = Code("mL", "UCUM", "milliliter")
HOUNSFIELD_UNIT = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
NO_UNITS = Code("1", "UCUM", "no units")

SCHEME = "99LUNGSSP"  # a private coding scheme (PS3.16 section 8.2)
SCHEME_NAME = "Codes of lung_ssp"
SCORE = Code("SCORE", SCHEME, "Score of the segmentation network")
NODULE_PROBABILITY = Code("NODULE", SCHEME, "Probability of a nodule")
PROBABILITY_PREFIXES = {"image": "IMAGE", "pathology": "PATH"}  # short: a code has at most 16 characters (SH)
DIGITS = 8  # of a class's fingerprint


def class_probability(task: str, name: str) -> Code:
    """The probability that a task ("image", "pathology") gives the class of this name."""
    value = f"{PROBABILITY_PREFIXES[task]}-{_fingerprint(name)}"
    return Code(value, SCHEME, f"Probability by {task} diagnosis: {name}"[:64])


def diagnosis_of(task: str) -> Code:
    """The most probable class of a task."""
    return Code(f"{task.upper()}", SCHEME, f"Most probable {task} diagnosis")


def class_code(name: str) -> Code:
    """The class of this name."""
    return Code(f"CLASS-{_fingerprint(name)}", SCHEME, name[:64])


def _fingerprint(name: str) -> str:
    """Of a class's name, not of its number, which is another class where a cohort has classes of its own."""
    return hashlib.sha256(name.encode()).hexdigest()[:DIGITS].upper()
