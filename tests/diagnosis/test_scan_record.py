"""With what the diagnoses of a folder may be gone on with, and how many processes make them."""

from dataclasses import replace
from pathlib import Path

import pytest

from lung_ssp.diagnosis import processes
from lung_ssp.diagnosis.formats import choose_outputs
from lung_ssp.diagnosis.processes import available_memory, default_processes
from lung_ssp.diagnosis.saved import read_diagnosis
from lung_ssp.diagnosis.scan_record import check_record, record_of
from lung_ssp.diagnosis.scan_work import Made, Networks, how, prepare_output
from lung_ssp.errors import DamagedFile, LungSspError, SeriesError
from lung_ssp.files import write_json

MADE = Made(
    "Not for diagnosis.",
    "Trained on nothing.",
    {"segmentation": {"step": 1, "weights_fingerprint": "aa"}},
    {"segmentation": "onnx"},
    {"nodules": {"threshold": 0.5}},
    {"image": ("normal",)},
    {"image": "a SYNTHETIC cohort"},
)
NETWORKS = Networks(Path("s"), Path("c"), None, "cpu", (), ("gaps",))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_json(tmp_path / "diagnosis.json", record_of(MADE, NETWORKS))
    return tmp_path


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            replace(MADE, weights={"segmentation": {"step": 1, "weights_fingerprint": "bb"}}),
            r"weights \(segmentation.weights_fingerprint: aa, now bb\)",
        ),
        (replace(MADE, engines={"segmentation": "paddle"}), r"engines \(segmentation: onnx, now paddle\)"),
        (replace(MADE, settings={"nodules": {"threshold": 0.4}}), r"settings \(nodules.threshold: 0.5, now 0.4\)"),
    ],
)
def test_other_weights_engines_or_settings_are_refused(out: Path, made: Made, told: str) -> None:
    with pytest.raises(LungSspError, match=f"holds diagnoses made with other {told}: go on with the same, or name"):
        check_record(out, record_of(made, NETWORKS))


def test_other_formats_are_refused(out: Path) -> None:
    """A folder of the time before there were formats holds pictures."""
    told = r"holds diagnoses made with other formats \(\['png', 'html', 'seg', 'sr'\], now \['nrrd'\]\): go on with the"
    with pytest.raises(LungSspError, match=told):
        check_record(out, record_of(MADE, replace(NETWORKS, outputs=choose_outputs(["nrrd"]))))
    with pytest.raises(LungSspError, match=r"other use of --keep-patient \(False, now True\): go on"):
        check_record(out, record_of(MADE, replace(NETWORKS, outputs=choose_outputs(None, keep_patient=True))))
    record = record_of(MADE, NETWORKS)
    del record["formats"], record["keep_patient"]
    write_json(out / "diagnosis.json", record)
    check_record(out, record_of(MADE, replace(NETWORKS, outputs=choose_outputs(["png"]))))
    with pytest.raises(LungSspError, match=r"other formats \(\['png'\], now"):
        check_record(out, record_of(MADE, NETWORKS))


def test_more_may_be_accepted_and_not_less(out: Path) -> None:
    check_record(out, record_of(MADE, NETWORKS))
    check_record(out, record_of(MADE, replace(NETWORKS, accept=("tilt", "gaps"))))
    with pytest.raises(LungSspError, match="for which --accept gaps was given, now without gaps: go on with the same"):
        check_record(out, record_of(MADE, replace(NETWORKS, accept=("tilt",))))


def test_a_damaged_record_is_told(out: Path) -> None:
    (out / "diagnosis.json").write_text("{}")
    with pytest.raises(DamagedFile, match=r"diagnosis\.json is damaged .* name another --out"):
        check_record(out, record_of(MADE, NETWORKS))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SeriesError("A gap.", reason="gap"), ("refused", "gap", "A gap.")),
        (LungSspError("Wrong."), ("refused", "invalid", "Wrong.")),
        (OSError(5, "Input/output error", "a.dcm"), ("failed", "system", "Input/output error (a.dcm): see to it")),
        (MemoryError(), ("failed", "memory", "The memory is used up: the same command with --processes 1")),
        (ZeroDivisionError("secret"), ("failed", "unexpected", "Unexpected error: ZeroDivisionError ()")),
    ],
)
def test_an_error_is_recorded_as_one_sentence(error: Exception, expected: tuple[str, str, str]) -> None:
    status, reason, message = how(error)
    assert (status, reason) == expected[:2] and message.startswith(expected[2]) and "secret" not in message


def test_only_files_of_a_diagnosis_are_made_again(tmp_path: Path) -> None:
    prepare_output(tmp_path / "new")
    (tmp_path / "findings.json").write_text("{")
    assert read_diagnosis(tmp_path) is None
    prepare_output(tmp_path)
    assert (tmp_path / "unfinished.txt").is_file()
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(LungSspError, match=r"holds 'mine\.txt', which is no part of a diagnosis"):
        prepare_output(tmp_path)
    (tmp_path / "unfinished.txt").unlink()
    with pytest.raises(LungSspError, match="not an empty folder"):
        prepare_output(tmp_path)


def test_processes_follow_the_cores_and_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 8)
    need = processes.MEMORY_OF_A_WORKER
    for memory, expected in ((100 * need, 8), (3 * need + 1, 3), (0, 1), (None, 8)):
        monkeypatch.setattr(processes, "available_memory", lambda memory=memory: memory)
        assert default_processes("cpu") == expected
    assert default_processes("gpu") == 1


def test_memory_is_that_of_the_container_where_it_has_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "_of_machine", lambda: 5_000)
    group = (tmp_path, "memory.max", "memory.current", "inactive_file")
    monkeypatch.setattr(processes, "CGROUPS", (group,))
    assert available_memory() == 5_000
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("700\n")
    assert available_memory() == 5_000
    (tmp_path / "memory.max").write_text("1000\n")
    assert available_memory() == 300
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 200\n")
    assert available_memory() == 500
