"""Early diagnosis of lung cancer by soft parameter sharing between image and pathology diagnosis.

The names below are all that a notebook needs. Each is loaded when it is first used, and Paddle only with a network:

    import lung_ssp

    scan = lung_ssp.read_series("scan")
    lungs = lung_ssp.segment_lungs(scan)
    diagnose = lung_ssp.load_diagnoser("output/reproduce/segmentation", "output/reproduce/classification")
    print(diagnose(scan).table())
"""

from lung_ssp.interruption import end_at_once

end_at_once()  # before what takes time

from importlib import import_module  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from lung_ssp.runtime import prepare_process  # noqa: E402

if TYPE_CHECKING:
    from lung_ssp.ct.parenchyma import segment_lungs
    from lung_ssp.ct.series import read_series
    from lung_ssp.diagnosis.diagnoser import load_diagnoser
    from lung_ssp.diagnosis.folder import diagnose_folder
    from lung_ssp.preparation import prepare
    from lung_ssp.runs import evaluate, export, train

__version__ = "0.1.0"

__all__ = [
    "diagnose_folder",
    "evaluate",
    "export",
    "load_diagnoser",
    "prepare",
    "read_series",
    "segment_lungs",
    "train",
]

_MODULES = {
    "read_series": "lung_ssp.ct.series",
    "segment_lungs": "lung_ssp.ct.parenchyma",
    "load_diagnoser": "lung_ssp.diagnosis.diagnoser",
    "diagnose_folder": "lung_ssp.diagnosis.folder",
    "prepare": "lung_ssp.preparation",
    "train": "lung_ssp.runs",
    "evaluate": "lung_ssp.runs",
    "export": "lung_ssp.runs",
}

prepare_process()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
