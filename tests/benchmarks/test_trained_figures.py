"""The spread of figures over seeds and instruction sets, by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

import trained_figures
from lung_ssp.errors import LungSspError
from trained_figures import INSTRUCTIONS, run_folder, spread, table, train_and_evaluate


def test_the_spread_of_two_seeds_and_three_instruction_sets():
    found = spread(np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]))
    assert (found.runs, found.mean, found.lowest, found.highest) == (6, 3.5, 1.0, 5.0)
    assert found.between_instructions == pytest.approx(np.sqrt(0.5))  # variances 1 and 0
    assert found.between_seeds == pytest.approx(np.sqrt(4.5))  # of 2 and 5


def test_the_table_reads_each_run(tmp_path: Path):
    for seed in (3, 7):
        for place, name in enumerate(INSTRUCTIONS):
            run = run_folder(tmp_path, "classification", name, seed)
            run.mkdir(parents=True)
            accuracy = {"accuracy": 0.5 + place / 10}
            names = ("image_against_reader", "image_against_pathology", "pathology_against_pathology")
            (run / "metrics.json").write_text(json.dumps({"comparisons": dict.fromkeys(names, accuracy)}))
    rows = table("classification", tmp_path, [3, 7]).splitlines()
    assert rows[2] == "| image against reader | 6 | 0.600 | 0.500 to 0.700 | 0.100 | 0.000 |"
    assert len(rows) == 5


def test_a_failed_command_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(trained_figures.CONFIGS, "classification", "no-such-file.yml")
    run = run_folder(tmp_path, "classification", "AVX2", 0)
    with pytest.raises(LungSspError, match=r"train of .* ended with exit code 2: see .*AVX2-0\.log"):
        train_and_evaluate("classification", run, {}, 0, [])
    assert "no-such-file.yml" in run.with_name("AVX2-0.log").read_text()
