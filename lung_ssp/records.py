"""JSON files, journals and CSV tables read back by their schema: a model of the file, or of one line or row."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from lung_ssp.errors import DamagedFile, cut, shown
from lung_ssp.files import append, read_bytes
from lung_ssp.formats import json_of
from lung_ssp.settings import first_problem

MOST_COLUMNS = 1000
LARGEST_JOURNAL = 1_000_000_000  # bytes

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


class TableRow(BaseModel):
    """A row of a table of our own: columns beside those of the model are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


def read_record(path: Path, kind: type[M], remedy: str = "restore it from a copy or make it anew") -> M:
    """Read a JSON file that a model describes.

    Args:
        remedy: what the message tells the user to do.

    Raises:
        DamagedFile: it is no JSON, or its first wrong key is named.
        OSError: it is missing or cannot be opened.
    """
    try:
        content = json_of(read_bytes(path))
        return kind.model_validate_json(json.dumps(content))  # of JSON a strict model takes a list for a tuple
    except (ValueError, RecursionError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else f"no JSON: {cut(error)}"
        raise DamagedFile(f"{path} is damaged or of another version of the program ({problem}): {remedy}.") from None


def add_to_journal(path: Path, entry: Mapping[str, Any]) -> None:
    """Add an entry to a file of one JSON object a line, which survives an interruption.

    Raises:
        OSError: the system refuses, or the journal is a symbolic link; it names the journal.
    """
    append(path, ("\n" + json.dumps(entry)).encode())  # begins a line: a kill may have cut the last


def read_journal(path: Path, kind: TypeAdapter[T]) -> list[T]:
    """The entries of a journal, none where there is no such file; a line that a kill has cut is left out."""
    entries = []
    for line in read_bytes(path, LARGEST_JOURNAL).splitlines() if path.is_file() else []:
        try:
            entries.append(kind.validate_json(line))
        except ValidationError:
            continue
    return entries


def read_table(path: Path, kind: type[M], remedy: str) -> list[M]:
    """Read a CSV table of our own, each row by a model whose fields are the columns.

    Args:
        remedy: what the message tells the user to do.

    Raises:
        DamagedFile: it is no CSV file, lacks a column, or its first wrong row is named by its line.
        OSError: it is missing or cannot be opened.
    """
    try:
        table = parse_table(read_bytes(path))
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged ({cut(error)}): {remedy}.") from None
    required = [name for name, field in kind.model_fields.items() if field.is_required()]
    if missing := [name for name in required if name not in table.columns]:
        raise DamagedFile(f"{path} lacks the columns {', '.join(missing)}: {remedy}.")
    rows = []
    for line in table.lines:
        try:
            rows.append(kind.model_validate_strings(dict(zip(table.columns, line.fields, strict=True))))
        except ValidationError as error:
            problem = error.errors()[0]
            column = ".".join(map(str, problem["loc"]))
            raise DamagedFile(
                f"{path}, line {line.number}: {column} is {shown(problem['input'])}: {cut(problem['msg'])}: {remedy}."
            ) from None
    return rows


@dataclass(frozen=True)
class Line:
    """One row of a CSV file: the line of the file that it begins in (the first is 1), and its fields."""

    number: int
    fields: list[str]


@dataclass(frozen=True)
class CsvTable:
    """A CSV file: the names of its columns, and its rows, each with as many fields."""

    columns: list[str]
    lines: list[Line]


def parse_table(content: bytes, delimiter: str = ",", pad: bool = False) -> CsvTable:
    """The rows of a CSV file in UTF-8, with or without a byte order mark.

    Blank lines and rows of empty fields are left out, as are empty fields behind the last column.

    Args:
        pad: whether a row may end early; the fields that it lacks are empty.

    Raises:
        ValueError: it is no such file, a column is named twice, or a row has more or fewer fields than columns.
    """
    rows = _rows(text_of(content), delimiter)
    header = next(rows, None)
    if header is None:
        raise ValueError("it is empty")
    columns = [name.strip() for name in header.fields]
    while columns and not columns[-1]:
        columns.pop()
    if not columns or len(columns) > MOST_COLUMNS or "" in columns:
        raise ValueError("its first line does not name the columns")
    if twice := {name for name in columns if columns.count(name) > 1}:
        raise ValueError(f"it has the column {shown(min(twice))} twice")
    return CsvTable(columns, [Line(row.number, _fitted(row, len(columns), pad)) for row in rows])


def delimiter_of(content: bytes) -> str:
    """What separates the fields of a CSV file: a semicolon or a tab where its first line has it and no comma."""
    first = next((line for line in content.splitlines() if line.strip()), b"")
    return next((mark for mark in ",;\t" if mark.encode() in first), ",")


def text_of(content: bytes) -> str:
    """The text of a CSV file.

    Raises:
        ValueError: it is not in UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start:,} is not in UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


def _fitted(row: Line, columns: int, pad: bool) -> list[str]:
    """The fields of a row, as many as there are columns."""
    extra = [field for field in row.fields[columns:] if field.strip()]
    lacking = columns - len(row.fields)
    if pad and lacking > 0:
        return row.fields + [""] * lacking
    if extra or lacking > 0:
        raise ValueError(f"line {row.number} has {len(row.fields)} fields, but there are {columns} columns")
    return row.fields[:columns]


def _rows(text: str, delimiter: str) -> Iterator[Line]:
    """The rows that are not empty, with the lines of the file in which they begin."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    begin = 1
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"line {begin}: {error}") from None
        if any(field.strip() for field in fields):
            yield Line(begin, fields)
        begin = reader.line_num + 1
