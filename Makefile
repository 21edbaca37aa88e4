# `make help` lists the targets. Each does its own set-up in .venv.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
NLST := $(VENV)/installed-nlst
TEST_TOOLS := $(VENV)/installed-test
REPRODUCE := output/reproduce
SMOKE := output/smoke
TRIAL := output/trial
# Real nodules (lidc_nodules_3d.npz), never trained on: measured where the folder is there.
REAL_NODULES ?= $(wildcard ../shared/data/lidc-nodules)

.DEFAULT_GOAL := help
.PHONY: help install nlst reproduce smoke trial test lint clean-smoke

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(INSTALLED) ## make .venv with the tested versions

$(INSTALLED): setup.py constraints.txt tools/install.sh
	tools/install.sh cpu
	@touch $@

nlst: $(NLST) ## the same with what the real trial needs

$(NLST): setup.py constraints.txt tools/install.sh
	tools/install.sh cpu,nlst
	@touch $@ $(INSTALLED)

$(TEST_TOOLS): setup.py constraints.txt tools/install.sh
	tools/install.sh cpu,nlst,test
	@touch $@ $(INSTALLED) $(NLST)

reproduce: $(INSTALLED) ## the embedded cohort, both trainings, both evaluations: output/reproduce (at most 45 minutes)
	$(PYTHON) tools/prepare.py --config configs/cohort/phantom.yml
	$(PYTHON) tools/train.py --config configs/segmentation/improved_unet.yml --output $(REPRODUCE)/segmentation --resume
	$(PYTHON) tools/train.py --config configs/classification/table2.yml --output $(REPRODUCE)/classification --resume
	$(PYTHON) tools/eval.py $(REPRODUCE)/segmentation $(if $(REAL_NODULES),--real-nodules $(REAL_NODULES))
	$(PYTHON) tools/eval.py $(REPRODUCE)/classification --table2

smoke: $(INSTALLED) clean-smoke ## the same on a tiny cohort with a few steps, and one diagnosis: output/smoke (5 minutes)
	$(PYTHON) tools/prepare.py --config configs/cohort/phantom_smoke.yml
	$(PYTHON) tools/train.py --config configs/segmentation/smoke.yml --output $(SMOKE)/segmentation
	$(PYTHON) tools/train.py --config configs/classification/smoke.yml --output $(SMOKE)/classification
	$(PYTHON) tools/eval.py $(SMOKE)/segmentation
	$(PYTHON) tools/eval.py $(SMOKE)/classification --table2
	$(PYTHON) tools/diagnose.py $(SMOKE)/cohort/scans/PHANTOM-00001 --segmentation $(SMOKE)/segmentation \
		--classification $(SMOKE)/classification --out $(SMOKE)/diagnosis

trial: $(NLST) ## every step for the real trial (docs/nlst.md), on phantoms dressed as it: output/trial (4 minutes)
	$(PYTHON) tools/prepare.py --config configs/cohort/phantom_trial.yml
	$(PYTHON) tools/train.py --config configs/segmentation/smoke.yml --output $(TRIAL)/segmentation --resume \
		-o train_dataset.dataset_root=$(TRIAL)/phantoms -o val_dataset.dataset_root=$(TRIAL)/phantoms
	$(PYTHON) tools/prepare.py plan --cohort trial
	$(PYTHON) tools/prepare.py download --cohort trial
	$(PYTHON) tools/prepare.py run --cohort trial -o candidates=$(TRIAL)/segmentation
	$(PYTHON) tools/prepare.py verify $(TRIAL)/cohort
	$(PYTHON) tools/train.py --config configs/classification/trial.yml --output $(TRIAL)/classification --resume
	$(PYTHON) tools/eval.py $(TRIAL)/classification

clean-smoke:
	@rm -rf $(SMOKE)

test: $(TEST_TOOLS) lint ## the whole test suite (at most 12 minutes)
	$(PYTHON) -m pytest -n 2 --dist loadfile

lint: $(TEST_TOOLS) ## style and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy lung_ssp benchmarks
