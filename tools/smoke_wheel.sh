#!/usr/bin/env bash
# Build the wheel, install it alone into an empty environment, and go the smoke's way from an empty folder: what works
# in a checkout by chance, such as a configuration found beside the package, fails here.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=$root/.venv/bin/python
place=$root/output/wheel

rm -rf build "$place" # build/ may hold modules that have gone since
mkdir -p "$place/empty"
"$python" -m pip wheel --disable-pip-version-check --quiet --no-deps --wheel-dir "$place" .
"$python" -m venv "$place/venv"
wheel=$(echo "$place"/lung_ssp-*.whl)
"$place/venv/bin/python" -m pip install --disable-pip-version-check --quiet --constraint constraints.txt "$wheel[cpu]"

cd "$place/empty"
export PATH="$place/venv/bin:$PATH"
unset PYTHONPATH
python -c "import lung_ssp; assert lung_ssp.__file__.startswith('$place'), lung_ssp.__file__"
lung-ssp prepare --config cohort/phantom_smoke.yml
lung-ssp diagnose output/smoke/cohort/scans/PHANTOM-00001 --out output/smoke/diagnosis-by-the-package # no run yet
lung-ssp train --config segmentation/smoke.yml --output output/smoke/segmentation
lung-ssp train --config classification/smoke.yml --output output/smoke/classification
lung-ssp eval output/smoke/segmentation
lung-ssp eval output/smoke/classification --table2
lung-ssp diagnose output/smoke/cohort/scans/PHANTOM-00001 --segmentation output/smoke/segmentation \
    --classification output/smoke/classification --out output/smoke/diagnosis
echo "The wheel works without a checkout: $(basename "$wheel")"
