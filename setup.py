"""Installation of lung_ssp: needs neither the package nor Paddle to run."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
# The version has one place, and is read there as text: importing the package would need what is not installed yet.
(VERSION,) = re.findall(
    r'^__version__ = "(.+)"$', (HERE / "lung_ssp" / "__init__.py").read_text(encoding="utf-8"), re.M
)

PYARROW = "pyarrow>=17,<26"  # 26 wants numpy 2, and fails at import only
DASK = ["dask>=2025.1", "distributed>=2025.1"]
# Studies: many trainings side by side, their tables and statistics.
STUDIES = [*DASK, PYARROW, "statsmodels>=0.14.4"]
# NLST: its public index (exactly this one: the documented figures are its), DICOM-SEG, slides, many machines.
NLST = [
    "idc-index==0.13.4",
    "idc-index-data==25.0.5",
    PYARROW,
    "wsidicom>=0.35",
    *DASK,
]
# Networks run by ONNX Runtime where there is no GPU; exporting is tied to Paddle 2.6.
ONNX = ["paddle2onnx==1.3.1", "onnxruntime>=1.17"]
# Patches of the Medical Segmentation Decathlon (eval --real-nodules).
HDF5 = ["h5py>=3.10"]
# The documentation as a site; ruff sets its signatures.
DOCS = ["mkdocs-material>=9.7,<9.8", "mkdocstrings[python]>=1,<2", "ruff"]
TEST_TOOLS = [
    *DOCS,
    *HDF5,
    *STUDIES,
    "pytest",
    "scikit-image>=0.26; python_version>='3.11'",  # benchmarks/lungs.py; from 0.26 on it fills holes up to a size
    "pytest-xdist",
    "psutil",
    "hypothesis",
    "mypy",
    "types-PyYAML",
    "pylibjpeg",
    "pylibjpeg-openjpeg",  # writes the JPEG 2000 files of the tests
    "pyjpegls",  # and the JPEG-LS ones
    "openslide-python",  # a second opinion on the slides that the tests write
    "openslide-bin",
    "playwright>=1.50",  # drives the system's Chromium; without one those tests are skipped
]

setup(
    name="lung-ssp",
    version=VERSION,
    description="Early diagnosis of lung cancer by soft parameter sharing, on PaddlePaddle",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=[*find_packages(include=["lung_ssp", "lung_ssp.*"]), "lung_ssp.configs"],
    package_dir={"lung_ssp.configs": "configs"},
    package_data={
        "lung_ssp": ["py.typed", "**/*.csv", "**/*.yml", "**/*.jinja", "**/*.css", "**/*.js"],
        "lung_ssp.configs": ["**/*.csv", "**/*.yml"],
        "lung_ssp.weights": ["**/*.json", "**/*.npz", "**/*.yml"],
    },
    python_requires=">=3.10,<3.13",
    install_requires=[
        "paddleseg==2.8.0",
        "numpy>=1.26,<2",
        "opencv-python<=4.6.0",
        "SimpleITK>=2.3",
        "pandas>=2.0,<3",
        "visualdl>=2.5.3",
        "pyyaml>=6.0",
        "pydantic>=2.6,<3",
        "pydicom>=3.0,<4",
        "highdicom>=0.28,<0.29",  # a diagnosis as DICOM-SEG and DICOM-SR
        "nibabel>=5.2",
        "scipy>=1.11",
        "scikit-learn>=1.3",
        "connected-components-3d>=4.1",
        "matplotlib>=3.7",
        "jinja2>=3.1",
        "contourpy>=1.0",
        "threadpoolctl>=3.1",
        "tqdm>=4.60",
        "filelock>=3.13",
        "setuptools",  # Paddle 2.6 imports it, and Python 3.12 no longer brings it along
    ],
    extras_require={
        "cpu": ["paddlepaddle==2.6.2", *ONNX],
        "gpu": ["paddlepaddle-gpu==2.6.2"],
        "nlst": NLST,
        "studies": STUDIES,
        "onnx": ONNX,
        "hdf5": HDF5,
        "docs": DOCS,
        "test": TEST_TOOLS,
    },
    entry_points={"console_scripts": ["lung-ssp = lung_ssp.cli:main"]},
)
