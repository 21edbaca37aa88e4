"""Damage in a run's folder: one sentence that names the file, and the folder is unchanged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lung_ssp import runs
from lung_ssp.cohort.store import read_sections, write_sections
from lung_ssp.cohort.verify import record_files
from lung_ssp.errors import CheckpointError, CohortError, LungSspError
from lung_ssp.files import sha256_of, write_json
from lung_ssp.runs import evaluate, export, train

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def trained(noise_configs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classification run of six steps."""
    return train(noise_configs["classification"], tmp_path_factory.mktemp("trained") / "run").run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be damaged."""
    return shutil.copytree(trained, tmp_path / "run")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(path: Path, how: Change) -> None:
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def put(*keys: str, value: object) -> Change:
    def how(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return how


STATES: dict[str, Change] = {
    "step huge": put("step", value=10**18),
    "step negative": put("step", value=-1),
    "step a text": put("step", value="6"),
    "step true": put("step", value=True),
    "arrays of another step": put("arrays", value="latest-000001.npz"),
    "arrays a number": put("arrays", value=3),
    "sha short": put("sha256", value="ab"),
    "state a list": put("state", value=[]),
    "state empty": put("state", value={}),
    "order none": put("state", "order", value=None),
    "permutation of text": put("state", "order", "permutation", value=["a"]),
    "permutation short": put("state", "order", "permutation", value=[0, 1]),
    "permutation twice the same": put("state", "order", "permutation", value=[0, 0, 1, 2, 3, 4]),
    "permutation beyond": put("state", "order", "permutation", value=[0, 1, 2, 3, 4, 99]),
    "position negative": put("state", "order", "position", value=-1),
    "position huge": put("state", "order", "position", value=10**30),
    "epoch a text": put("state", "order", "epoch", value="one"),
    "generator empty": put("state", "order", "generator", value={}),
    "generator another": put("state", "order", "generator", value={"bit_generator": "MT19937", "state": {}}),
    "generator huge": put("state", "order", "generator", "state", value={"state": -1, "inc": 10**60}),
    "scheduler empty": put("state", "scheduler", value={}),
    "scheduler a text": put("state", "scheduler", "last_lr", value="high"),
    "scheduler of another step": put("state", "scheduler", "last_epoch", value=2),
    "precision a list": put("state", "precision", value=[1]),
    "best beyond": put("state", "best_step", value=7),
    "best without step": put("state", "best_step", value=None),
    "best a text": put("state", "best_score", value="good"),
    "positions none": put("state", "log_positions", value={}),
    "positions negative": put("state", "log_positions", "table2.csv", value=-3),
    "positions a list": put("state", "log_positions", value=[1, 2]),
}


@pytest.mark.parametrize("name", STATES)
def test_a_latest_checkpoint_of_nonsense_is_refused(run: Path, name: str) -> None:
    latest = run / "checkpoints" / "latest.json"
    change(latest, STATES[name])
    before = contents(run)
    del before["environment.json"]
    config = run / "config.yml"
    with pytest.raises(CheckpointError, match=r"restore it from a copy") as caught:
        train(config, run, resume=True)
    assert "\n" not in str(caught.value)
    assert str(run) in str(caught.value)
    after = contents(run)
    del after["environment.json"]
    assert after == before


DAMAGED = (b"", b"{", b"{}", b"[]", b"3", b'"text"', b"\xff\xfe\x00", b'[{"a": NaN', b"[1, 2]")


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["latest.json", "best.json"])
def test_a_pointer_that_is_none_is_refused_by_all_that_read_it(run: Path, name: str, content: bytes) -> None:
    (run / "checkpoints" / name).write_bytes(content)
    uses: list[Callable[[], object]] = [lambda: train(run / "config.yml", run, resume=True)]
    if name == "best.json":
        uses = [lambda: evaluate(run), lambda: export(run)]
    for use in uses:
        with pytest.raises(LungSspError, match=rf"checkpoints/{name} (is|does)"):
            use()


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"3", b"\xff\xfe\x00", b"[1, 2]"])
def test_an_environment_json_that_is_none_is_told_and_left_alone(run: Path, content: bytes) -> None:
    (run / "environment.json").write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"environment\.json is damaged .*: restore it from a copy, or write \[\]"
    ):
        train(run / "config.yml", run, resume=True)
    assert (run / "environment.json").read_bytes() == content


@pytest.mark.parametrize("content", [None, b"", b"task: [", b"\xff\xfe\x00", b"task: classification\n", b"- 1\n"])
def test_a_config_yml_that_is_none_is_told(noise_configs: dict[str, Path], run: Path, content: bytes | None) -> None:
    path = run / "config.yml"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    uses: list[Callable[[], object]] = [
        lambda: train(noise_configs["classification"], run, resume=True),
        lambda: evaluate(run),
        lambda: export(run),
    ]
    for use in uses:
        with pytest.raises(LungSspError, match=r"config\.yml|another configuration") as caught:
            use()
        assert "\n" not in str(caught.value)


@pytest.fixture
def own_cohort(noise_configs: dict[str, Path], tmp_path: Path) -> tuple[Path, list[str]]:
    """A copy of the cohort with its record of files, and the overrides that train on it."""
    root = shutil.copytree(noise_configs["classification"].with_suffix(""), tmp_path / "cohort")
    record_files(root)
    return root, [f"{name}_dataset.dataset_root={root}" for name in ("train", "val", "test")]


def relabel(root: Path, split: str) -> None:
    sections = read_sections(root, split)
    labels = {task: (values + 1) % 9 for task, values in sections.labels.items()}
    write_sections(root, split, type(sections)(sections.images, labels, sections.patients))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_labels_that_changed_under_a_fingerprint_are_noticed(
    noise_configs: dict[str, Path], own_cohort: tuple[Path, list[str]], tmp_path: Path, split: str
) -> None:
    root, overrides = own_cohort
    run = train(noise_configs["classification"], tmp_path / "run", overrides).run
    evaluate(run)
    relabel(root, split)
    told = rf"sections/{split}\.npz has changed since the cohort was prepared"
    with pytest.raises(CohortError, match=told):
        evaluate(run)
    with pytest.raises(CohortError, match=told):
        train(noise_configs["classification"], tmp_path / "another", overrides)
    assert not (tmp_path / "another").exists()


def test_a_cohort_that_lost_a_file_or_its_record_is_told(
    noise_configs: dict[str, Path], own_cohort: tuple[Path, list[str]], tmp_path: Path
) -> None:
    root, overrides = own_cohort
    (root / "sections" / "test.npz").rename(tmp_path / "test.npz")
    with pytest.raises(CohortError, match=r"test\.npz (is missing|does not exist)"):
        train(noise_configs["classification"], tmp_path / "run", overrides)
    (root / "files.json").write_text("[1]")
    with pytest.raises(CohortError, match=r"files\.json is damaged"):
        train(noise_configs["classification"], tmp_path / "run", overrides)


def test_a_checkpoint_without_the_optimizers_accumulators_is_refused(run: Path) -> None:
    folder = run / "checkpoints"
    pointer = json.loads((folder / "latest.json").read_text())
    path = folder / pointer["arrays"]
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name.startswith("network/")}
    np.savez(path, **arrays)
    write_json(folder / "latest.json", {**pointer, "sha256": sha256_of(path)})
    with pytest.raises(CheckpointError, match="latest lacks the optimizer's accumulators"):
        train(run / "config.yml", run, resume=True)


@pytest.mark.parametrize("main", [True, False])
def test_of_several_processes_the_main_one_alone_hashes_the_cohort(
    noise_configs: dict[str, Path],
    own_cohort: tuple[Path, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    main: bool,
) -> None:
    class Begun(Exception):
        pass

    def begin(*_: object) -> None:
        raise Begun

    root, overrides = own_cohort
    checked: list[Path] = []
    monkeypatch.setattr(runs, "check_unchanged", checked.append)
    monkeypatch.setattr(runs, "train_task", begin)
    monkeypatch.setattr(runs.distributed, "is_main_process", lambda: main)
    with pytest.raises(Begun):
        train(noise_configs["classification"], tmp_path / "run", overrides)
    assert checked == [root] * main
