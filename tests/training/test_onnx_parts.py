"""An export without the weights that its checkpoint holds, and the whole of it again."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lung_ssp.errors import CheckpointError
from lung_ssp.training.onnx_parts import LEAST_BYTES, PARTS_FILE, read_parts, write_parts

ARRAYS = {
    "network/a": np.arange(100, dtype=np.float32),
    "network/b": np.arange(100, dtype=np.float32).reshape(10, 10),  # the same bytes as a
    "network/c": np.full(200, 7, np.float64),
    "network/small": np.zeros(3, np.float32),
    "network/elsewhere": np.full(100, 5, np.float32),
}
A, C = ARRAYS["network/a"].tobytes(), ARRAYS["network/c"].tobytes()


def there_and_back(model: bytes, folder: Path) -> bytes:
    write_parts(folder, model, ARRAYS)
    return read_parts(folder, ARRAYS)


@pytest.mark.parametrize(
    "model",
    [b"", b"no weights", A, A + C, b"head" + C + b"between" + A + b"tail", A + A, b"x" + C[:-1], C + b"\x00" * 12],
)
def test_the_file_comes_back_byte_for_byte(model: bytes, tmp_path: Path) -> None:
    assert there_and_back(model, tmp_path) == model


@given(st.lists(st.sampled_from([A, C, b"", b"\x00", A[4:], b"between"]), max_size=8))
def test_it_comes_back_whatever_the_order(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    model = b"".join(pieces)
    assert there_and_back(model, tmp_path_factory.mktemp("parts")) == model


def test_weights_are_not_in_it_twice(tmp_path: Path) -> None:
    write_parts(tmp_path, b"head" + A + b"between" + C + b"tail", ARRAYS)
    with np.load(tmp_path / PARTS_FILE) as parts:
        assert parts["rest"].tobytes() == b"headbetweentail"
        assert parts["names"].tolist() == ["network/a", "network/c"] and parts["places"].tolist() == [4, 11]
    assert len(A) > LEAST_BYTES > ARRAYS["network/small"].nbytes


def test_the_same_network_gives_the_same_file(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        write_parts(tmp_path / name, b"head" + A, ARRAYS)
        files.append((tmp_path / name / PARTS_FILE).read_bytes())
    assert files[0] == files[1]


def test_parts_of_another_checkpoint_are_refused(tmp_path: Path) -> None:
    write_parts(tmp_path, b"head" + A, ARRAYS)
    with pytest.raises(CheckpointError, match=rf"{PARTS_FILE} belongs to other weights than the checkpoint: restore"):
        read_parts(tmp_path, {"network/c": ARRAYS["network/c"]})


def test_damaged_parts_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / PARTS_FILE).write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match=rf"{PARTS_FILE} cannot be read"):
        read_parts(tmp_path, ARRAYS)
