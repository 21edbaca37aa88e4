"""Data files that a user can replace (YAML), read strictly: typed, without unknown keys, no key twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from lung_ssp.errors import CohortError
from lung_ssp.settings import Settings

Contents = TypeVar("Contents", bound=Settings)


def read_rule_file(path: Path, kind: type[Contents]) -> Contents:
    """The contents of a YAML file as settings of a kind.

    Raises:
        CohortError: the file is missing, no YAML, or not of that kind; with the place in the file.
    """
    if not path.is_file():
        raise CohortError(f"{path} does not exist: give the path of a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
        for key in _repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader)):
            raise CohortError(f"{path}: the key {key} stands twice in one place: remove one.")
        contents = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CohortError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    try:
        return kind.model_validate(contents)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the file"
        if fault["type"] == "extra_forbidden":
            raise CohortError(f"{path}: {place} is no known key: remove or correct it.") from None
        message = fault["msg"].removeprefix("Value error, ")
        raise CohortError(f"{path}: {place}: {message[:1].lower()}{message[1:]}.") from None


def _repeated_keys(root: yaml.Node | None) -> Iterator[str]:
    """The keys that stand twice in one mapping, anywhere below a node: YAML itself takes the last one silently."""
    waiting = [root]
    done = set()  # nodes that aliases name again are looked at once
    while waiting:
        node = waiting.pop()
        if id(node) in done:
            continue
        done.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        if isinstance(node, yaml.MappingNode):
            keys = [str(key.value) for key, _ in node.value]
            yield from (key for index, key in enumerate(keys) if key in keys[:index])
            waiting.extend(value for _, value in node.value)
