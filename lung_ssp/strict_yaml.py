"""YAML of a limited size, with plain values only: texts, numbers, truth values, null, lists and mappings."""

from typing import Any

import yaml

from lung_ssp.errors import cut
from lung_ssp.formats import MOST_DIGITS
from lung_ssp.paths import is_one_line

MOST_VALUES = 10_000  # aliases count with all that they stand for, a long text as one value for each
TEXT_AS_VALUE = 100  # characters
DEEPEST = 50
BITS_OF_DIGIT = 3.33
TIMESTAMP = "tag:yaml.org,2002:timestamp"
KEYS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "merge"))


class StrictLoader(yaml.SafeLoader):
    """No tags, no key twice (YAML itself takes the last one without a word), no dates (they are texts), all limited."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (as PyYAML declares it)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.values = 0
        self.sizes: dict[int, int] = {}  # values in each finished node, by its id

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        before = self.values
        self.values += 1
        self.depth += 1
        if isinstance(event, yaml.AliasEvent):
            anchored = self.anchors.get(event.anchor)
            if anchored is not None and id(anchored) not in self.sizes:
                raise _refusal(f"the alias *{event.anchor} refers to itself", event)
            self.values += self.sizes.get(id(anchored), 0)
        elif getattr(event, "tag", None) is not None:
            raise _refusal("tags (!!int, !!python) are not used here, write the plain value", event)
        elif isinstance(event, yaml.ScalarEvent):
            self.values += len(event.value) // TEXT_AS_VALUE
            if not _is_plain(event.value):
                raise _refusal("a text holds a control character", event)
        if self.values > MOST_VALUES:
            raise _refusal(f"it holds more than {MOST_VALUES:,} values, or as much text", event)
        if self.depth > DEEPEST:
            raise _refusal(f"it is nested more than {DEEPEST} levels deep", event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if not isinstance(event, yaml.AliasEvent):
            self.sizes[id(node)] = self.values - before
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag not in KEYS:
                raise _refusal("a key must be a word or a whole number", key_node)
            if key_node.value in seen:
                raise _refusal(f"the key {cut(key_node.value)} is given twice", key_node)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > MOST_DIGITS:
            raise _refusal(f"a number has more than {MOST_DIGITS} digits", node)
        return super().construct_yaml_int(node)


StrictLoader.add_constructor("tag:yaml.org,2002:int", StrictLoader.construct_yaml_int)


class LimitError(ValueError):
    """A value is beyond the limits."""


class _Refusal(yaml.MarkedYAMLError):
    """A value beyond the limits, and where it stands."""


def yaml_of(text: str) -> Any:
    """What a YAML text holds.

    Raises:
        LimitError: it is beyond the limits.
        ValueError: it is no YAML. Both messages are on one line.
    """
    try:
        return yaml.load(text, StrictLoader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        kind = LimitError if isinstance(error, _Refusal) else ValueError
        raise kind(cut(str(error).replace('"<unicode string>", ', ""))) from error


def check_value(value: Any) -> None:
    """Make sure that a value that was not read from YAML keeps to the same limits.

    Raises:
        LimitError: it does not.
    """
    if isinstance(value, int) and value.bit_length() > MOST_DIGITS * BITS_OF_DIGIT:
        raise LimitError(f"a number has more than {MOST_DIGITS} digits")
    if isinstance(value, str) and not _is_plain(value):
        raise LimitError("a text holds a control character")
    if isinstance(value, dict):
        value = [*value, *value.values()]
    for part in value if isinstance(value, list | tuple | set) else ():
        check_value(part)


def _is_plain(text: str) -> bool:
    return is_one_line(text.replace("\n", "").replace("\t", ""))


def _refusal(problem: str, where: Any) -> _Refusal:
    return _Refusal(None, None, problem, where.start_mark)
