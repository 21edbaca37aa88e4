"""Checking a configuration against its settings, and telling what is wrong with it in one sentence."""

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from lung_ssp.errors import LONGEST_SHOWN, ConfigError, cut, shown
from lung_ssp.settings import Settings

KeyPath = tuple[str, ...]
S = TypeVar("S", bound=Settings)


def check(tree: dict[str, Any], kind: type[S], origins: Mapping[KeyPath, str], path: Path) -> S:
    """The typed settings of a tree, or one error that names the first problem."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        # An unknown key is often the cause of a missing one, so it is told first.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise ConfigError(describe(problems[0], tree, kind, origins, path)) from None


def describe(
    problem: Any, tree: dict[str, Any], kind: type[Settings], origins: Mapping[KeyPath, str], path: Path
) -> str:
    """One sentence: the file, the key, what is wrong, what was expected, the nearest valid name."""
    location = keys_in_tree(problem["loc"], tree)
    if problem["type"].startswith("union_tag"):  # told of the group; it is about the key that chooses its settings
        location = (*location, problem["ctx"]["discriminator"].strip("'"))
    where = next((origins[location[:i]] for i in range(len(location), 0, -1) if location[:i] in origins), str(path))
    key = cut(".".join(location)) if location else ""  # of the file as a whole
    if problem["type"] == "extra_forbidden":
        valid = fields_at(kind, location[:-1], tree)
        return f"{where}: {key} is not a setting{nearest(location[-1], valid)}; valid here: {', '.join(valid)}."
    if problem["type"] in ("missing", "union_tag_not_found"):
        return f"{where}: {key} is missing."
    if problem["type"] == "union_tag_invalid":
        tag, expected = problem["ctx"]["tag"], problem["ctx"]["expected_tags"]
        options = [option.strip("' ") for option in expected.split(",")]
        return f"{where}: {key} is {shown(tag)}: input should be {' or '.join(options)}{nearest(tag, options)}."
    value = problem["input"]
    message = cut(problem["msg"]).removeprefix("Value error, ")
    sentence = f"{where}: {key} is {shown(value)}: {message[:1].lower()}{message[1:]}"
    if isinstance(value, str) and problem["type"] == "literal_error":
        options = [option.strip("' ") for option in problem["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{sentence}{nearest(value, options)}."
    if isinstance(value, str):
        with suppress(ValueError):
            float(value)
            return f"{sentence} (YAML 1.1 reads {cut(value)} as text: write it with a point, e.g. 1.0e-3)."
    if isinstance(value, dict):
        return f"{where}: {key}: {message}." if key else f"{where}: {message}."
    return f"{sentence}."


def keys_in_tree(location: tuple[int | str, ...], tree: Any) -> KeyPath:
    """A validation error's location without the names of alternatives, which are no keys of the file."""
    keys: list[str] = []
    for i, part in enumerate(location):
        inside = isinstance(tree, dict) and part in tree
        if inside or isinstance(part, int):
            tree = tree[part] if inside or (isinstance(tree, list) and isinstance(part, int)) else None
            keys.append(str(part))
        elif i == len(location) - 1:
            keys.append(str(part))
    return tuple(keys)


def fields_at(kind: type[BaseModel], location: KeyPath, tree: Any) -> list[str]:
    """The valid keys of the group of settings at `location`."""
    candidates: list[type[BaseModel]] = [kind]
    for key in location:
        tree = tree.get(key) if isinstance(tree, dict) else None
        fields = [candidate.model_fields[key] for candidate in candidates if key in candidate.model_fields]
        if fields:  # an index of a list is no field: its alternatives are already the candidates
            candidates = [group for field in fields for group in groups_in(field.annotation)]
    chosen = tree.get("type") if isinstance(tree, dict) else None
    named = [
        c for c in candidates if "type" in c.model_fields and chosen in get_args(c.model_fields["type"].annotation)
    ]
    return sorted({name for candidate in named or candidates for name in candidate.model_fields})


def groups_in(annotation: Any) -> list[type[BaseModel]]:
    """The groups of settings that an annotation such as `A | B` or `list[A]` allows."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [group for part in get_args(annotation) for group in groups_in(part)]


def nearest(name: object, valid: Sequence[str]) -> str:
    """ " (did you mean x?)" for the valid name most like `name`, else nothing."""
    if not isinstance(name, str) or len(name) > LONGEST_SHOWN:
        return ""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
