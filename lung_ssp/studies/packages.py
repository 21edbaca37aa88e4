"""The packages that studies need beside the others: the extra `studies`."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from lung_ssp.errors import EnvironmentProblem

PACKAGES = ("dask", "distributed", "pyarrow", "statsmodels")


@contextmanager
def study_packages() -> Iterator[None]:
    """Tell what to install where one of them is missing, before anything is trained.

    Raises:
        EnvironmentProblem: naming the package.
    """
    try:
        for name in PACKAGES:
            importlib.import_module(name)
        yield
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"The package {error.name} is missing: install the extra studies with the tested versions (pip install -c "
            "constraints.txt -e .[cpu,studies])."
        ) from error
