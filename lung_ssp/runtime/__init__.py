"""The process, the libraries and the machine that everything runs on. Loads no Paddle by itself."""

from lung_ssp.runtime.libraries import choose_device, package_version, require_libraries, use_deterministic_algorithms
from lung_ssp.runtime.machine import commit, environment, matrix_product_rate, rate_without_settings
from lung_ssp.runtime.process import c_function, cores, prepare_process, return_free_memory

__all__ = [
    "c_function",
    "choose_device",
    "commit",
    "cores",
    "environment",
    "matrix_product_rate",
    "package_version",
    "prepare_process",
    "rate_without_settings",
    "require_libraries",
    "return_free_memory",
    "use_deterministic_algorithms",
]
