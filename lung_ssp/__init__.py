"""Early diagnosis of lung cancer by soft parameter sharing between image and pathology diagnosis."""

from lung_ssp import runtime

__version__ = "0.1.0"

runtime.prepare_process()
