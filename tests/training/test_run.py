"""Run folders: opened, resumed or refused, never overwritten."""

from pathlib import Path

import paddle
import pytest

from lung_ssp.cohort.description import CohortDescription, write_cohort
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import CheckpointError
from lung_ssp.files import read_json, write_json
from lung_ssp.training.checkpoint import network_arrays, save_checkpoint
from lung_ssp.training.run import (
    BestCheckpoint,
    check_cohort,
    first_difference,
    open_run,
    restore_best,
    run_cohort,
    run_config,
)


def described(fingerprint: str) -> CohortDescription:
    return CohortDescription(
        name="a", synthetic=True, origin="b", fingerprint=fingerprint, key="", section=SectionSettings()
    )


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """A cohort's folder with the files a run keeps a copy of."""
    folder = tmp_path / "cohort"
    write_cohort(folder, described("abc"))
    (folder / "splits.csv").write_text("patient,split\n")
    return folder


def begin(folder: Path, config: str, cohort: Path) -> None:
    """Open a run and leave a checkpoint in it."""
    open_run(folder, config, {"cores": 1}, cohort, resume=False)
    write_json(folder / "checkpoints" / "latest.json", {})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_run_holds_its_configuration_environment_cohort_and_splits(tmp_path: Path, cohort: Path) -> None:
    open_run(tmp_path / "run", "seed: 1\n", {"cores": 2}, cohort, resume=False)
    assert run_config(tmp_path / "run").read_text() == "seed: 1\n"
    assert read_json(tmp_path / "run" / "environment.json") == [{"cores": 2}]
    assert (tmp_path / "run" / "splits.csv").is_file()
    assert run_cohort(tmp_path / "run") == described("abc")


def test_an_existing_run_is_refused_without_resume_and_untouched(tmp_path: Path, cohort: Path) -> None:
    begin(tmp_path / "run", "seed: 1\n", cohort)
    before = contents(tmp_path / "run")
    with pytest.raises(CheckpointError, match="--resume"):
        open_run(tmp_path / "run", "seed: 1\n", {}, cohort, resume=False)
    assert contents(tmp_path / "run") == before


def test_resuming_adds_the_environment_of_this_start(tmp_path: Path, cohort: Path) -> None:
    begin(tmp_path / "run", "seed: 1\n", cohort)
    open_run(tmp_path / "run", "seed: 1\n", {"cores": 4}, cohort, resume=True)
    assert [start["cores"] for start in read_json(tmp_path / "run" / "environment.json")] == [1, 4]


def test_another_configuration_is_refused_with_the_key_named(tmp_path: Path, cohort: Path) -> None:
    begin(tmp_path / "run", "model: {width: 8}\n", cohort)
    before = contents(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"model\.width was 8 and is 16"):
        open_run(tmp_path / "run", "model: {width: 16}\n", {}, cohort, resume=True)
    assert contents(tmp_path / "run") == before


def test_a_cohort_that_has_changed_is_refused(tmp_path: Path, cohort: Path) -> None:
    begin(tmp_path / "run", "seed: 1\n", cohort)
    write_cohort(cohort, described("xyz"))
    with pytest.raises(CheckpointError, match=r"abc.*xyz"):
        check_cohort(tmp_path / "run", cohort)
    with pytest.raises(CheckpointError, match=r"abc.*xyz"):
        open_run(tmp_path / "run", "seed: 1\n", {}, cohort, resume=True)


def test_a_folder_with_something_else_is_refused(tmp_path: Path, cohort: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="not a run"):
        open_run(tmp_path / "run", "seed: 1\n", {}, cohort, resume=True)
    assert list(contents(tmp_path / "run")) == ["thesis.txt"]


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run"):
        run_config(tmp_path)


def test_a_cohort_that_is_gone_is_told(tmp_path: Path, cohort: Path) -> None:
    open_run(tmp_path / "run", "seed: 1\n", {}, cohort, resume=False)
    with pytest.raises(CheckpointError, match="prepare it again"):
        check_cohort(tmp_path / "run", tmp_path / "nowhere")


def test_a_run_without_cohort_json_is_told(tmp_path: Path, cohort: Path) -> None:
    open_run(tmp_path / "run", "seed: 1\n", {}, cohort, resume=False)
    (tmp_path / "run" / "cohort.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no cohort\.json"):
        check_cohort(tmp_path / "run", cohort)


def test_a_training_refused_before_its_first_step_may_be_started_anew(tmp_path: Path, cohort: Path) -> None:
    open_run(tmp_path / "run", "batch_size: 16\n", {}, cohort, resume=False)
    open_run(tmp_path / "run", "batch_size: 2\n", {}, cohort, resume=False)
    assert run_config(tmp_path / "run").read_text() == "batch_size: 2\n"


def test_the_best_checkpoint_tells_its_score_and_its_weights(tmp_path: Path) -> None:
    network = paddle.nn.Linear(2, 1)
    arrays = network_arrays(network)
    save_checkpoint(tmp_path / "checkpoints", "best", 7, arrays, {"score_name": "dice", "score": 0.5})
    fingerprint = read_json(tmp_path / "checkpoints" / "best.json")["sha256"][:16]
    assert restore_best(tmp_path, network) == BestCheckpoint(7, "dice", 0.5, fingerprint)
    assert not network.training


def test_a_best_checkpoint_without_its_score_is_refused(tmp_path: Path) -> None:
    network = paddle.nn.Linear(2, 1)
    save_checkpoint(tmp_path / "checkpoints", "best", 7, network_arrays(network), {"score": 0.5})
    with pytest.raises(CheckpointError, match=r"best\.json does not tell the score"):
        restore_best(tmp_path, network)


def test_settings_that_differ_are_shown_in_short() -> None:
    old, new = {"a": {"b": "x" * 10_000}, "c": 1}, {"a": {"b": list(range(10_000))}, "c": 1}
    difference = first_difference(old, new)
    assert difference.startswith("a.b was 'xxx") and " and is [0, 1, " in difference
    assert len(difference) < 300
    assert len(first_difference({"k" * 10_000: 1}, {})) < 400
