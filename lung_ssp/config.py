"""One YAML configuration system: PaddleSeg's dialect, resolved into typed settings.

`_base_` names one or more files to build upon (relative to the file), mappings are merged key by key unless
`_inherited_: false`, and `-o key.sub=value` overrides from the command line. Unknown keys, wrong types and impossible
values stop here, before anything runs.
"""

import difflib
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lung_ssp.benchmark.settings import DeviceSettings
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cohort.nlst.settings import NlstSettings
from lung_ssp.cohort.preparation_settings import PreparationSettings
from lung_ssp.errors import ConfigError
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.settings import Settings

KINDS: dict[str, type[Settings]] = {
    "classification": ClassificationSettings,
    "segmentation": SegmentationSettings,
    "preparation": PreparationSettings,
    "nlst": NlstSettings,
    "device": DeviceSettings,
}
COMMAND_LINE = "the command line (-o)"

KeyPath = tuple[str, ...]


class StrictLoader(yaml.SafeLoader):
    """Plain values only, and no key twice: YAML itself would take the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value} stands twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Config:
    """A resolved configuration.

    settings: typed; its class follows from the key `task`.
    tree: the same as plain YAML, which PaddleSeg's own Config reads.
    """

    settings: Any
    tree: dict[str, Any]

    def text(self) -> str:
        """The resolved configuration as YAML."""
        return yaml.safe_dump(self.tree, sort_keys=False, allow_unicode=True)


def load_config(path: Path, overrides: Sequence[str] = (), task: str | None = None) -> Config:
    """Read, merge, override and check a configuration file.

    Args:
        path: the YAML file.
        overrides: "key.sub=value" each.
        task: the kind of file wanted ("classification", "segmentation", "preparation"), None for any.

    Raises:
        ConfigError: with the file, the key, what was expected and the nearest valid name.
    """
    tree, origins = read_tree(Path(path), ())
    for override in overrides:
        apply_override(tree, origins, override)
    kind = tree.get("task")
    allowed = [task] if task else list(KINDS)
    if kind not in allowed:
        raise ConfigError(f"{path}: task is {kind!r}, expected {' or '.join(allowed)}{nearest(str(kind), allowed)}.")
    return Config(check(tree, KINDS[kind], origins, Path(path)), tree)


def load_training(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The same of a file that trains a network, of either task.

    Raises:
        ConfigError: it is of another kind.
    """
    config = load_config(path, overrides)
    if config.settings.task not in ("classification", "segmentation"):
        raise ConfigError(
            f"{path} is of the kind {config.settings.task}: it has no network and trains nothing; name a configuration "
            "that trains one."
        )
    return config


def read_tree(path: Path, below: tuple[Path, ...]) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """One file with its bases merged, and which file each key came from.

    Args:
        below: the files that led here, to find a circle.
    """
    if not path.is_file():
        raise ConfigError(f"{path} does not exist{f' (named as _base_ in {below[-1]})' if below else ''}.")
    if path.resolve() in below:
        raise ConfigError(f"{path} is its own _base_: take it out of the circle.")
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), StrictLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds {type(tree).__name__}, expected a mapping of settings.")
    bases = tree.pop("_base_", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise ConfigError(f"{path}: _base_ is {bases!r}, expected the name of a file or a list of them.")
    origins = {key_path: str(path) for key_path in key_paths(tree)}
    for base in bases:
        base_tree, base_origins = read_tree(path.parent / base, (*below, path.resolve()))
        tree = merge(tree, base_tree)
        origins = {**base_origins, **origins}
    return tree, origins


def merge(tree: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """`tree` over `base`, mapping by mapping; `_inherited_: false` in a mapping drops the base's."""
    merged = dict(base) if tree.get("_inherited_", True) else {}
    for key, value in tree.items():
        below = merged.get(key)
        if isinstance(value, dict):
            merged[key] = merge(value, below if isinstance(below, dict) else {})
        elif key != "_inherited_":
            merged[key] = value
    return merged


def key_paths(tree: Any, prefix: KeyPath = ()) -> list[KeyPath]:
    """Every key of nested mappings as a path."""
    if not isinstance(tree, dict):
        return []
    paths = []
    for key, value in tree.items():
        paths += [(*prefix, str(key)), *key_paths(value, (*prefix, str(key)))]
    return paths


def apply_override(tree: dict[str, Any], origins: dict[KeyPath, str], override: str) -> None:
    """Set one "key.sub=value"; the value is a Python or YAML literal, else text."""
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise ConfigError(f"-o {override}: expected key.sub=value, e.g. -o model.sharing=single_task.")
    keys = tuple(name.split("."))
    for key in keys[:-1]:
        if tree.get(key) is None:
            tree[key] = {}
        tree = tree[key]
        if not isinstance(tree, dict):
            raise ConfigError(f"-o {override}: {key} is a single value and has nothing below it.")
    tree[keys[-1]] = literal(text)
    origins[keys] = COMMAND_LINE


def literal(text: str) -> Any:
    """The value that a text on the command line stands for."""
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def check(tree: dict[str, Any], kind: type[Settings], origins: dict[KeyPath, str], path: Path) -> Settings:
    """The typed settings of a tree, or one error that names the first fault."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        # An unknown key is often the cause of a missing one, so it is told first.
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        raise ConfigError(describe(faults[0], tree, kind, origins, path)) from None


def describe(fault: Any, tree: dict[str, Any], kind: type[Settings], origins: dict[KeyPath, str], path: Path) -> str:
    """One sentence: the file, the key, what is wrong, what was expected, the nearest valid name."""
    location = keys_in_tree(fault["loc"], tree)
    where = next((origins[location[:i]] for i in range(len(location), 0, -1) if location[:i] in origins), str(path))
    key = ".".join(location)
    if fault["type"] == "extra_forbidden":
        valid = fields_at(kind, location[:-1], tree)
        return f"{where}: {key} is not a setting{nearest(location[-1], valid)}; valid here: {', '.join(valid)}."
    if fault["type"] == "missing":
        return f"{where}: {key} is missing."
    value = fault["input"]
    message = fault["msg"].removeprefix("Value error, ")
    sentence = f"{where}: {key} is {value!r}: {message[:1].lower()}{message[1:]}"
    if isinstance(value, str) and fault["type"] == "literal_error":
        options = [option.strip("' ") for option in fault["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{sentence}{nearest(value, options)}."
    if isinstance(value, str) and is_number(value):
        return f"{sentence} (YAML 1.1 reads {value} as text: write it with a point, e.g. 1.0e-3)."
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


def nearest(name: str, valid: Sequence[str]) -> str:
    """ " (did you mean x?)" for the valid name most like `name`, else nothing."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def is_number(text: str) -> bool:
    """Whether Python would read the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, float | str]:
    """A tree as one level of dotted keys, with texts and numbers as values, for the dashboard."""
    values: dict[str, float | str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            values.update(flat(value, f"{prefix}{key}."))
        else:
            values[f"{prefix}{key}"] = (
                value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
            )
    return values
