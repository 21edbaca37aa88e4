"""The nine classes of the paper (section 5), in its order and with its names."""

from collections.abc import Sequence

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


def class_name(label: int, names: Sequence[str] = CLASS_NAMES) -> str:
    """The name of a class, "no label" for a missing one, and the bare number beyond the names there are."""
    if label == MISSING:
        return "no label"
    return names[label] if label < len(names) else f"class {label}"
