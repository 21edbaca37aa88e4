"""One YAML configuration system: PaddleSeg's dialect, resolved into typed settings.

`_base_` names one or more files to build upon (relative to the file), mappings are merged key by key unless
`_inherited_: false`, and `-o key.sub=value` overrides from the command line. Unknown keys, wrong types and impossible
values stop here, before anything runs. Which settings a file must hold is the caller's to say.
"""

import warnings
from ast import literal_eval
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import yaml

from lung_ssp.config_errors import KeyPath, check, nearest
from lung_ssp.errors import ConfigError, DamagedFile, cut, shown
from lung_ssp.files import read_bytes
from lung_ssp.paths import is_one_line
from lung_ssp.settings import Settings
from lung_ssp.strict_yaml import DEEPEST, LimitError, check_value, yaml_of

COMMAND_LINE = "the command line (-o)"
LARGEST_CONFIG = 1_000_000  # bytes of a configuration file
MOST_FILES = 100  # that a configuration builds upon
LONGEST_VALUE = 10_000  # characters of a value on the command line
PACKAGE = Path(__file__).resolve().parent
# The shipped configurations: within the installed package, or beside it in a checkout.
SHIPPED_CONFIGS = PACKAGE / "configs" if (PACKAGE / "configs").is_dir() else PACKAGE.parent / "configs"

S = TypeVar("S", bound=Settings)
Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Config(Generic[S]):
    """A resolved and checked configuration.

    settings: typed.
    tree: the same as plain YAML holds it.
    """

    settings: S
    tree: dict[str, Any]

    def text(self) -> str:
        """The resolved configuration as YAML."""
        return yaml.safe_dump(self.tree, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class ResolvedFile:
    """A configuration file with its bases merged and its overrides applied, not yet checked.

    origins: which file, or the command line, each key came from.
    """

    path: Path
    tree: dict[str, Any]
    origins: dict[KeyPath, str]

    def choose(self, choices: Mapping[str, Choice]) -> Choice:
        """What the file's key `task` stands for among `choices`.

        Raises:
            ConfigError: it is none of them.
        """
        task = self.tree.get("task")
        if not isinstance(task, str) or task not in choices:
            raise ConfigError(
                f"{self.path}: task is {shown(task)}, expected {' or '.join(choices)}{nearest(task, list(choices))}."
            )
        return choices[task]

    def check(self, kind: type[S]) -> Config[S]:
        """The file as settings of a kind.

        Raises:
            ConfigError: with the file, the key, what was expected and the nearest valid name.
        """
        if "task" in kind.model_fields:
            self.choose(dict.fromkeys(get_args(kind.model_fields["task"].annotation), kind))
        return Config(check(self.tree, kind, self.origins, self.path), self.tree)


def load_config(path: str | Path, kind: type[S], overrides: Sequence[str] = ()) -> Config[S]:
    """Read, merge, override and check a configuration file.

    Args:
        path: of the YAML file; or its path among the shipped ones, such as "classification/table2.yml".
        kind: the settings that the file must hold.
        overrides: "key.sub=value" each.

    Raises:
        ConfigError: with the file, the key, what was expected and the nearest valid name.
    """
    return resolve(path, overrides).check(kind)


def resolve(path: str | Path, overrides: Sequence[str] = ()) -> ResolvedFile:
    """Read, merge and override a configuration file whose kind is not known yet.

    Raises:
        ConfigError: it is missing or no YAML, or an override has no place in it.
    """
    found = find_config(Path(path))
    tree, origins = _Reading().tree(found, ())
    for override in overrides:
        apply_override(tree, origins, override)
    return ResolvedFile(found, tree, origins)


def find_config(path: Path) -> Path:
    """A configuration file by its path: from the working folder, else among the shipped ones.

    Raises:
        ConfigError: it is in neither place; the message names the nearest shipped one.
    """
    for place in (path, SHIPPED_CONFIGS / path):
        if _is_file(place):
            return place
    if path.exists():
        raise ConfigError(f"{path} is no ordinary file: name a configuration file.")
    shipped = [file.relative_to(SHIPPED_CONFIGS).as_posix() for file in sorted(SHIPPED_CONFIGS.rglob("*.yml"))]
    raise ConfigError(
        f"{path} does not exist, neither from here nor among the shipped configurations"
        f"{nearest(path.as_posix(), shipped)}."
    )


def _is_file(path: Path) -> bool:
    """Whether a path is an ordinary file.

    Raises:
        ConfigError: the system cannot say, since the path is too long or a folder on the way is closed.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise ConfigError(f"{cut(path)} cannot be opened ({error.strerror}): name another file.") from error


class _Reading:
    """Reads a file with all that it builds upon, and counts the files."""

    def __init__(self) -> None:
        self.files = 0

    def tree(self, path: Path, below: tuple[Path, ...]) -> tuple[dict[str, Any], dict[KeyPath, str]]:
        """One file with its bases merged, and which file each key came from.

        Args:
            below: the files that led here.
        """
        if not _is_file(path):
            problem = "is no ordinary file" if path.exists() else "does not exist"
            raise ConfigError(f"{path} {problem}{f' (named as _base_ in {below[-1]})' if below else ''}.")
        if path.resolve() in below:
            raise ConfigError(f"{path} has a circular _base_: a file cannot build upon itself.")
        self.files += 1
        if self.files > MOST_FILES:
            raise ConfigError(f"{below[0]} builds upon more than {MOST_FILES} files: name fewer as _base_.")
        tree = read_yaml(path)
        bases = tree.pop("_base_", [])
        bases = [bases] if isinstance(bases, str) else bases
        if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
            raise ConfigError(f"{path}: _base_ is {shown(bases)}, expected the name of a file or a list of them.")
        origins = {key_path: str(path) for key_path in key_paths(tree)}
        for base in bases:
            base_tree, base_origins = self.tree(path.parent / base, (*below, path.resolve()))
            tree = merge(tree, base_tree)
            origins = {**base_origins, **origins}
        return tree, origins


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file of at most LARGEST_CONFIG bytes holds.

    Raises:
        ConfigError: it is no such file.
    """
    try:
        tree = yaml_of(read_bytes(path, LARGEST_CONFIG).decode("utf-8"))
    except DamagedFile as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be opened ({error.strerror}): name another file.") from error
    except ValueError as error:  # of UTF-8 as well as of YAML
        raise ConfigError(f"{path} is not valid YAML: {cut(error)}.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds {type(tree).__name__}, expected a mapping of settings.")
    return tree


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
    keys = tuple(name.split("."))
    if not equals or not all(keys) or not is_one_line(name) or len(keys) > DEEPEST:
        raise ConfigError(f"-o {cut(override)}: expected key.sub=value, e.g. -o model.sharing=single_task.")
    try:
        value = parse_value(text)
    except ValueError as error:
        raise ConfigError(f"-o {cut(override)}: the value cannot be read ({cut(error)}).") from error
    for key in keys[:-1]:
        group = {} if tree.get(key) is None else tree[key]
        if not isinstance(group, dict):
            raise ConfigError(f"-o {cut(override)}: {key} is a value, not a group.")
        tree[key] = dict(group)  # a group of its own: an alias may stand for the same one elsewhere
        tree = tree[key]
    tree[keys[-1]] = value
    origins[keys] = COMMAND_LINE


def parse_value(text: str) -> Any:
    """The value that a text on the command line stands for.

    Raises:
        ValueError: it is too long, nested too deeply, or holds too large a number.
    """
    if len(text) > LONGEST_VALUE:
        raise ValueError(f"it has more than {LONGEST_VALUE:,} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of text that looks like code
            value = literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        try:
            value = yaml_of(text)
        except LimitError:
            raise
        except ValueError:
            value = text
    check_value(value)
    return value


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, float | str]:
    """A tree as one level of dotted keys, with texts and numbers as values, for the dashboard."""
    values: dict[str, float | str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            values.update(flatten(value, f"{prefix}{key}."))
        else:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            values[f"{prefix}{key}"] = value if is_number else str(value)
    return values
