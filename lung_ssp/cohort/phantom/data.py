"""The data files beside this module: how lesions and tumours look, and DICOM attributes that never change."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def shipped(name: str) -> dict[str, Any]:
    """The content of <name>.yml, from this folder."""
    return yaml.safe_load((Path(__file__).parent / f"{name}.yml").read_text(encoding="utf-8"))
