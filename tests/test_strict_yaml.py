"""YAML that costs more than it looks, and values that settings never have."""

import time

import pytest

from lung_ssp.strict_yaml import MOST_VALUES, LimitError, check_value, yaml_of


def bomb(value: str) -> str:
    lines = ["a0: &a0 [1]" if "[" in value else "a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {value.replace('@', ', '.join([f'*a{i - 1}'] * 10))}" for i in range(1, 12)]
    return "\n".join(lines)


BEYOND = {
    "aliases": (bomb("[@]"), "more than 10,000 values"),
    "merged aliases": (bomb("{<<: [@]}"), "more than 10,000 values"),
    "an alias of itself": ("a: &a [*a]", "refers to itself"),
    "a merged alias of itself": ("a: &a {<<: *a}", "refers to itself"),
    "a long list": ("[" + "1," * MOST_VALUES + "]", "more than 10,000 values"),
    "a long text": ("a: " + "x" * 1_000_000, "or as much text"),
    "a long text many times": ("a: &a " + "x" * 10_000 + "\nb: [" + "*a," * 200 + "]", "or as much text"),
    "deep lists": ("[" * 10_000, "nested more than 50"),
    "deep mappings": ("a: " + "{a: " * 10_000, "nested more than 50"),
    "a long number": ("a: " + "9" * 5_000, "more than 100 digits"),
    "a long hexadecimal number": ("a: 0x" + "f" * 5_000, "more than 100 digits"),
    "a control character": (r'a: "\x1b[2J"', "control character"),
    "a key that is a list": ("? [a]\n: 1", "must be a word or a whole number"),
    "a key that is a mapping": ("{{a: 1}: 2}", "must be a word or a whole number"),
    "a key that is nothing": ("~: 1", "must be a word or a whole number"),
    "a key twice": ("a: 1\na: 2", "given twice"),
    **{
        tag: (f"a: {tag} x", "tags")
        for tag in ("!!int", "!!float", "!!timestamp", "!!binary", "!!python/name:os", "!", "!x")
    },
}


@pytest.mark.parametrize("what", BEYOND)
def test_what_is_beyond_the_limits_is_told_at_once(what: str) -> None:
    text, message = BEYOND[what]
    begin = time.perf_counter()
    with pytest.raises(LimitError, match=message) as caught:
        yaml_of(text)
    assert time.perf_counter() - begin < 5
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "a: *b", "a: 0x_", "a: 1\n---\nb: 2", "a: \0", "a: ="])
def test_what_is_no_yaml_is_told(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        yaml_of(text)
    assert not isinstance(caught.value, LimitError)


def test_plain_values_and_anchors_are_read() -> None:
    assert yaml_of("a: &a {x: 1, y: [no, 1.5, ~, 'b']}\nb: {<<: *a, x: 2}") == {
        "a": {"x": 1, "y": [False, 1.5, None, "b"]},
        "b": {"x": 2, "y": [False, 1.5, None, "b"]},
    }
    assert yaml_of("day: 2024-01-01\ntime: 2001-12-14 21:59:43.10") == {
        "day": "2024-01-01",
        "time": "2001-12-14 21:59:43.10",
    }


def test_other_values_keep_to_the_same_limits() -> None:
    check_value({"a": [1, "b\n", (10**99, None)]})
    for value in (10**101, {"a": ["\0"]}, {"\0": 1}, [[{"a": (-(10**200),)}]]):
        with pytest.raises(LimitError):
            check_value(value)
