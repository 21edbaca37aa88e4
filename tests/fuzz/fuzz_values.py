"""Values that break readers: numbers at the edges of what can be held, texts that mean something to somebody, bytes."""

import random

NUMBERS = (
    *(0, -1, 1, 2, 255, 256, -32768, 32767, 65535, 2**31 - 1, 2**31, -(2**31), 2**32, 2**53 + 1, 2**63, 10**18),
    *(10**400, 0.5, -0.0, 1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
)
TEXTS = (
    *("", " ", "\0", "\n", "\r\n", "\t", ",", ";", '"', "'", "\\", "%s%n", "\x1b[31m"),
    *("/", ".", "..", "../../x", "/etc/passwd", "~", "$(id)", "`id`", "=1+1"),
    *("nan", "inf", "-inf", "null", "None", "true", "no", "1e999", "0x10", "1_000", "2020-01-01", "1.5", "-1"),
    *("é", "肺", "\ufeff", "\ud800", "\u202e", "a" * 300, "a" * 100_000, "9" * 5000),
    *("!!python/object:os.system x", "!!int x", "&a [*a]", "*a", "<<: *a", "<!ENTITY x 'y'>"),
    *("{", "}", "[", "]", "[" * 3000, "{a: " * 500, ": ", "- ", "#"),
)
TEXTS_IN_UTF8 = tuple(text for text in TEXTS if text != "\ud800")
JSON_VALUES = (None, True, False, [], {}, [[]], {"": {}}, [1, "a", None], *NUMBERS, *TEXTS_IN_UTF8)
BYTES = (
    *(b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80", b"\r\n", b"%s", b"\x1b[31m"),
    b"\xe0\x7f\x10\x00",  # DICOM's element with the pixels
)


def nasty_text(rng: random.Random) -> str:
    """A text of TEXTS, or a number of NUMBERS as text."""
    return rng.choice(TEXTS) if rng.random() < 0.7 else str(rng.choice(NUMBERS))


def garbled(content: bytes, rng: random.Random) -> bytes:
    """Bytes with one to four changes: flipped, cut, repeated, inserted, overwritten, or a number changed."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        change = rng.randrange(8)
        at = rng.randrange(len(data) + 1)
        # headers are at the beginning, and matter most
        at = min(at, rng.randrange(1, 2000)) if rng.random() < 0.7 else at
        size = rng.choice((1, 1, 2, 4, 8, 64, 1000))
        if change == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif change == 1:
            del data[at:]
        elif change == 2:
            del data[at : at + size]
        elif change == 3:
            data[at:at] = rng.choice(BYTES)
        elif change == 4:
            data[at : at + size] = bytes(rng.randrange(256) for _ in range(size))
        elif change == 5:
            data[at:at] = data[at : at + size]
        elif change == 6:
            value = rng.choice(BYTES)
            data[at : at + len(value)] = value
        else:
            data[at : at + size] = b"\0" * size
    return bytes(data)
