# `make help` lists the targets. Each does its own set-up in .venv.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
NLST := $(VENV)/installed-nlst
DOCS := $(VENV)/installed-docs
TEST_TOOLS := $(VENV)/installed-test
REPRODUCE := output/reproduce
SMOKE := output/smoke
SIMULATED := output/simulated_nlst
# Real nodules (lidc_nodules_3d.npz), never trained on: measured where the folder is there.
REAL_NODULES ?= $(wildcard ../shared/data/lidc-nodules)

.DEFAULT_GOAL := help
.PHONY: help install nlst reproduce smoke simulated-nlst wheel test test-fast fuzz processors lint docs clean-smoke

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

install: $(INSTALLED) ## make .venv with the tested versions

$(INSTALLED): setup.py constraints.txt tools/install.sh
	tools/install.sh cpu
	@touch $@

nlst: $(NLST) ## the same with what NLST needs

$(NLST): setup.py constraints.txt tools/install.sh
	tools/install.sh cpu,nlst
	@touch $@ $(INSTALLED)

$(TEST_TOOLS): setup.py constraints.txt tools/install.sh
	tools/install.sh cpu,nlst,test
	@touch $@ $(INSTALLED) $(NLST) $(DOCS)

$(DOCS): setup.py constraints.txt tools/install.sh
	tools/install.sh docs
	@touch $@

reproduce: $(INSTALLED) ## the embedded cohort, both trainings, both evaluations: output/reproduce (8 minutes on two free cores)
	$(PYTHON) tools/prepare.py --config configs/cohort/phantom.yml
	$(PYTHON) tools/reproduce.py $(REPRODUCE) $(if $(REAL_NODULES),--real-nodules $(REAL_NODULES))

smoke: $(INSTALLED) clean-smoke ## the same on a tiny cohort with a few steps, and one diagnosis: output/smoke (5 minutes)
	$(PYTHON) tools/prepare.py --config configs/cohort/phantom_smoke.yml
	$(PYTHON) tools/train.py --config configs/segmentation/smoke.yml --output $(SMOKE)/segmentation
	$(PYTHON) tools/train.py --config configs/classification/smoke.yml --output $(SMOKE)/classification
	$(PYTHON) tools/eval.py $(SMOKE)/segmentation
	$(PYTHON) tools/eval.py $(SMOKE)/classification --table2
	$(PYTHON) tools/diagnose.py $(SMOKE)/cohort/scans/PHANTOM-00001 --segmentation $(SMOKE)/segmentation \
		--classification $(SMOKE)/classification --out $(SMOKE)/diagnosis

simulated-nlst: $(NLST) ## every step for NLST (docs/nlst.md), on phantoms that simulate it: output/simulated_nlst (4 minutes)
	$(PYTHON) tools/prepare.py --config configs/cohort/simulated_nlst_phantoms.yml
	$(PYTHON) tools/train.py --config configs/segmentation/smoke.yml --output $(SIMULATED)/segmentation --resume \
		-o train_dataset.dataset_root=$(SIMULATED)/phantoms -o val_dataset.dataset_root=$(SIMULATED)/phantoms
	$(PYTHON) tools/prepare.py plan --cohort simulated_nlst
	$(PYTHON) tools/prepare.py download --cohort simulated_nlst
	$(PYTHON) tools/prepare.py run --cohort simulated_nlst -o candidates=$(SIMULATED)/segmentation
	$(PYTHON) tools/prepare.py verify $(SIMULATED)/cohort
	$(PYTHON) tools/train.py --config configs/classification/simulated_nlst.yml --output $(SIMULATED)/classification --resume
	$(PYTHON) tools/eval.py $(SIMULATED)/classification

wheel: $(INSTALLED) ## build the wheel and go the smoke's way with it alone, without the checkout: output/wheel (4 minutes)
	tools/smoke_wheel.sh

clean-smoke:
	@rm -rf $(SMOKE)

test: $(TEST_TOOLS) lint ## the whole test suite (at most 15 minutes)
	$(PYTHON) -m pytest -n 2 --dist loadfile

test-fast: $(TEST_TOOLS) ## the tests that take no longer than about a second each
	$(PYTHON) -m pytest -n 2 --dist loadfile -m "not slow"

fuzz: $(TEST_TOOLS) ## changed inputs for every reader, many more than the tests try: SECONDS=600 SEED=0
	$(PYTHON) tests/fuzz/run.py --seconds $(or $(SECONDS),600) --seed $(or $(SEED),0)

processors: $(TEST_TOOLS) ## the embedded cohort as processors with fewer instructions make it, every byte compared (20 minutes): CONFIG=
	$(PYTHON) tests/processors/run.py --config $(or $(CONFIG),cohort/phantom.yml)

lint: $(TEST_TOOLS) ## style and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy lung_ssp benchmarks

docs: $(DOCS) ## the documentation as a site, its links checked: output/site/index.html
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict
