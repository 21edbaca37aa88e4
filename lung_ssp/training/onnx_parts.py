"""An exported network without the weights that the checkpoint beside it holds, and the whole of it again, bit for bit.

An ONNX file holds each array of weights as one piece of bytes, the same as the checkpoint. Without them a few kilobytes
are left: the weights lie on the disk once, not twice.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lung_ssp.errors import CheckpointError, DamagedFile
from lung_ssp.files import read_npz, write_atomically
from lung_ssp.formats import ArrayForm

PARTS_FILE = "network-parts.npz"
LEAST_BYTES = 256  # of an array that is left out

# rest: the bytes that are left. names: of the arrays that were left out, in the order of the file. places: where
# in `rest` each of them belongs.
FORMS = {"rest": ArrayForm("u", 1), "names": ArrayForm("U", 1), "places": ArrayForm("i", 1)}


def write_parts(folder: Path, model: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the bytes of an ONNX file into <folder>/network-parts.npz, without the arrays of its checkpoint."""
    found = []
    for name, array in arrays.items():
        content = array.tobytes()
        if len(content) >= LEAST_BYTES and (place := model.find(content)) >= 0:
            found.append((place, len(content), name))
    rest, names, places, end = b"", [], [], 0
    for place, length, name in sorted(found):
        if place < end:  # the same bytes as those of another array, which were found there
            continue
        rest += model[end:place]
        names.append(name)
        places.append(len(rest))
        end = place + length
    parts = {
        "rest": np.frombuffer(rest + model[end:], np.uint8),
        "names": np.array(names, str),
        "places": np.array(places, np.int64),
    }
    write_atomically(folder / PARTS_FILE, lambda file: np.savez(file, **parts))


def read_parts(folder: Path, arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an ONNX file whose parts and whose checkpoint's arrays are at hand.

    Raises:
        CheckpointError: the parts are damaged, or of another checkpoint.
    """
    path = folder / PARTS_FILE
    try:
        parts = read_npz(path, FORMS)
    except DamagedFile as error:
        raise CheckpointError(str(error)) from error
    rest, names, places = parts["rest"].tobytes(), parts["names"].tolist(), parts["places"].tolist()
    if len(names) != len(places) or set(names) - set(arrays):
        raise CheckpointError(f"{path} belongs to other weights than the checkpoint: restore both from a copy.")
    pieces, begin = [], 0
    for name, place in zip(names, places, strict=True):
        pieces += [rest[begin:place], arrays[name].tobytes()]
        begin = place
    return b"".join([*pieces, rest[begin:]])
