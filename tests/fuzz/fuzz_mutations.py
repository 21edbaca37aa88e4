"""Changes of one file by its kind, as a fault of a program, a disk or a hand makes them."""

import copy
import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import yaml
from fuzz_values import BYTES, JSON_VALUES, garbled, nasty_text
from pydicom.dataelem import RawDataElement

DTYPES = ("U5", "S5", "complex64", "bool", "float16", "int8", "uint64", "datetime64[s]")
PATHS = ("../../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil", "a" * 300, "a//b", "./c")
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
WHOLE = (0, 1, -1, 3, 12, 65535, 10**9, 10**30)
VRS = ("US", "SS", "UL", "FD", "DS", "IS", "UI", "CS", "LO", "PN", "SQ", "UN", "OB", "OW", "UV", "AT", "ZZ", "\0\0")


def mutate(path: Path, rng: random.Random) -> str:
    """Change a file, and tell how."""
    change: Callable[[Path, random.Random], None]
    if rng.random() < 0.1:
        change = rng.choice((_emptied, _removed, _folder_instead, _link_to_itself, _doubled))
    elif rng.random() < 0.5:
        change = _bytes
    else:
        change = BY_SUFFIX.get(path.suffix.lower(), _dicom if _is_dicom(path) else _bytes)
    try:
        change(path, rng)
    except Exception:  # a file that was changed before may not be readable any more
        change = _bytes
        path.write_bytes(garbled(path.read_bytes(), rng) if path.is_file() else b"")
    return f"{path.name}: {change.__name__.strip('_')}"


def _bytes(path: Path, rng: random.Random) -> None:
    path.write_bytes(garbled(path.read_bytes(), rng))


def _emptied(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def _removed(path: Path, rng: random.Random) -> None:
    path.unlink()


def _folder_instead(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _link_to_itself(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _doubled(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() * 2)


def _text(path: Path, rng: random.Random) -> None:
    """A word replaced, or a line inserted, repeated or removed."""
    lines = path.read_text(encoding="utf-8").split("\n")
    at = rng.randrange(len(lines))
    change = rng.randrange(4)
    if change == 0:
        words = lines[at].split(" ")
        words[rng.randrange(len(words))] = nasty_text(rng)
        lines[at] = " ".join(words)
    elif change == 1:
        lines.insert(at, nasty_text(rng))
    elif change == 2:
        lines.insert(at, lines[at])
    else:
        del lines[at]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))


def _header(path: Path, rng: random.Random) -> None:
    """A line of the text before the voxels changed, removed, or doubled; the voxels stay as they are."""
    content = path.read_bytes()
    line = b"ElementDataFile = LOCAL\n" if path.suffix == ".mha" else b"\n\n"
    end = content.index(line)
    lines = content[:end].split(b"\n")
    at = rng.randrange(len(lines))
    mark = b" = " if path.suffix == ".mha" else b": "
    value = nasty_text(rng) if rng.random() < 0.3 else " ".join(str(rng.choice(WHOLE)) for _ in range(rng.randrange(5)))
    changed = lines[at].partition(mark)[0] + mark + value.encode("utf-8", "replace")
    lines[at : at + 1] = rng.choice(([changed], [], [lines[at], changed]))
    path.write_bytes(b"\n".join(lines) + content[end:])


def _json(path: Path, rng: random.Random) -> None:
    content = _changed_tree(json.loads(path.read_text()), rng)
    path.write_text(json.dumps(content))


def _yaml(path: Path, rng: random.Random) -> None:
    if rng.random() < 0.5:
        _text(path, rng)
        return
    content = _changed_tree(yaml.safe_load(path.read_text()), rng)
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8", errors="surrogatepass")


def _changed_tree(tree: Any, rng: random.Random) -> Any:
    """A nested value with one node replaced, removed, renamed or added."""
    tree = copy.deepcopy(tree)
    nodes = [(tree, key) for key in _keys(tree)] if isinstance(tree, dict | list) else []
    for parent, key in list(nodes):
        nodes += _below(parent[key])
    if not nodes or rng.random() < 0.03:
        return rng.choice(JSON_VALUES)
    parent, key = rng.choice(nodes)
    change = rng.randrange(5)
    if change <= 2:
        parent[key] = rng.choice(JSON_VALUES)
    elif change == 3:
        del parent[key]
    elif isinstance(parent, dict):
        parent[rng.choice((f"{key}x", "", "_base_", "../x"))] = parent[key]
    else:
        parent.insert(key, parent[key])
    return tree


def _keys(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node)))


def _below(node: Any) -> list[tuple[Any, Any]]:
    if not isinstance(node, dict | list):
        return []
    found = [(node, key) for key in _keys(node)]
    for key in _keys(node):
        found += _below(node[key])
    return found


def _csv(path: Path, rng: random.Random) -> None:
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    at = rng.randrange(len(rows))
    change = rng.randrange(6)
    if change <= 2 and rows[at]:
        rows[at][rng.randrange(len(rows[at]))] = nasty_text(rng)
    elif change == 3:
        rows.insert(at, list(rows[at]))
    elif change == 4:
        rows[at] = rows[at][: rng.randrange(len(rows[at]) + 1)]
    else:
        rows[at] = [*rows[at], nasty_text(rng)]
    text = io.StringIO()
    csv.writer(text, delimiter=rng.choice(",,,,;\t")).writerows(rows)
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))


def _npz(path: Path, rng: random.Random) -> None:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = rng.choice(sorted(arrays))
    array = arrays[name]
    change = rng.randrange(7)
    if change == 0:
        del arrays[name]
    elif change == 1:
        arrays[name] = array[..., :-1] if array.ndim else np.array([array, array])
    elif change == 2:
        arrays[name] = np.full(array.shape, rng.choice((np.nan, np.inf, -1, 1e30, 300)))
    elif change == 3:
        arrays[name] = array.astype(rng.choice(DTYPES))
    elif change == 4:
        arrays[name] = np.array(rng.choice((0, "text", -1.5)))
    elif change == 5:
        arrays[name] = np.zeros((0, *array.shape[1:]), array.dtype)
    else:
        _pickled_or_huge(path, arrays, name, rng)
        return
    np.savez(path, **arrays)


def _pickled_or_huge(path: Path, arrays: dict[str, np.ndarray], name: str, rng: random.Random) -> None:
    """An array of pickled objects, or one that declares many terabytes."""
    np.savez(path, **{key: value for key, value in arrays.items() if key != name})
    with zipfile.ZipFile(path, "a") as file, file.open(f"{name}.npy", "w") as member:
        if rng.random() < 0.5:
            np.save(member, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        else:
            member.write(b"\x93NUMPY\x01\x00\x76\x00")
            member.write(b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999, 99999, 999)}".ljust(117) + b"\n")


def _gz(path: Path, rng: random.Random) -> None:
    """What is compressed, not the compression."""
    path.write_bytes(gzip.compress(garbled(gzip.decompress(path.read_bytes()), rng)))


def _parquet(path: Path, rng: random.Random) -> None:
    table = pd.read_parquet(path)
    column = rng.choice(list(table.columns))
    change = rng.randrange(4)
    if change == 0:
        table = table.drop(columns=column)
    elif change == 1:
        table[column] = nasty_text(rng).encode("utf-8", "replace").decode()
    elif change == 2:
        table[column] = rng.choice((None, -1, 1e300, True))
    else:
        table = table.iloc[:0] if rng.random() < 0.5 else pd.concat([table, table])
    table.to_parquet(path)


def _zip(path: Path, rng: random.Random) -> None:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = rng.choice(sorted(members))
    change = rng.randrange(4)
    content = members.pop(name)
    if change == 0:
        members[rng.choice(PATHS)] = content
    elif change == 1:
        members[name] = garbled(content, rng)
    elif change == 2:
        members[f"{name}/{name}"] = content
    with zipfile.ZipFile(path, "w", rng.choice(PACKINGS)) as file:
        for key, value in members.items():
            file.writestr(key, value)
    if rng.random() < 0.3:
        _bytes(path, rng)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132).endswith(b"DICM")


def _dicom(path: Path, rng: random.Random) -> None:
    """One element removed, or with another VR, length or value; written as raw bytes, whatever they are."""
    dataset = pydicom.dcmread(path)
    groups = [dataset]
    for _ in range(rng.randrange(4)):  # some steps into the sequences
        below = [item for group in groups for element in group if element.VR == "SQ" for item in element.value]
        groups = below or groups
    target = rng.choice(groups)
    tags = [element.tag for element in target if element.VR != "SQ"]
    if not tags:
        _bytes(path, rng)
        return
    tag = rng.choice(tags)
    if rng.random() < 0.15:
        del target[tag]
    else:
        vr = target[tag].VR if rng.random() < 0.5 else rng.choice(VRS)
        value = _value(rng)
        target._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True, True)
    try:
        dataset.save_as(path)
    except Exception:  # pydicom does not write some of these; the bytes are then changed instead
        _bytes(path, rng)


def _value(rng: random.Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        value = rng.choice(BYTES) * rng.choice((1, 1, 2, 3, 5000))
    elif kind == 1:
        value = b"\\".join(nasty_text(rng).encode("utf-8", "replace")[:3000] for _ in range(rng.choice((1, 2, 3, 6))))
    elif kind == 2:
        value = b"\\".join(b"%d" % rng.choice(WHOLE) for _ in range(rng.choice((1, 2, 3, 6))))
    else:
        value = bytes(rng.randrange(256) for _ in range(rng.choice((0, 1, 2, 3, 4, 8, 100))))
    return value + b" " * (len(value) % 2)


BY_SUFFIX: dict[str, Callable[[Path, random.Random], None]] = {
    ".json": _json,
    ".yml": _yaml,
    ".csv": _csv,
    ".npz": _npz,
    ".parquet": _parquet,
    ".gz": _gz,
    ".zip": _zip,
    ".mha": _header,
    ".nrrd": _header,
    ".xml": _text,
    ".mhd": _text,
    ".txt": _text,
}
