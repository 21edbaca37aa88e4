"""The nine classes of the paper (section 5), in its order and with its names."""

CLASS_NAMES = (
    "normal",
    "adenocarcinoma",
    "squamous cell carcinoma",
    "bronchio-alveolar carcinoma",
    "large cell",
    "small cell",
    "carcinoid tumor",
    "pleomorphic sarcomatoid",
    "unclassified carcinoma",
)
NORMAL = 0
MISSING = -1  # a label that nobody gave: left out of losses and metrics

TASK_NAMES = ("image", "pathology")


def class_name(label: int) -> str:
    """The name of a class, "no label" for a missing one, and the bare number beyond the paper's nine."""
    if label == MISSING:
        return "no label"
    return CLASS_NAMES[label] if label < len(CLASS_NAMES) else f"class {label}"
