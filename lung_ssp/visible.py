"""Text from outside (a UID, a key, a file's name) on the terminal: it can neither move what is there nor colour it."""

import unicodedata

KEPT = "\n\t"
DIRECTIONS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}  # would change the order of what is read


def visible(text: str) -> str:
    """A text with its control characters, and what no terminal can show, written out as escapes such as \\x1b."""
    return "".join(c if c in KEPT or is_shown(c) else c.encode("unicode_escape").decode() for c in text)


def is_shown(character: str) -> bool:
    """Whether a terminal shows a character and does nothing else with it."""
    return character.isprintable() or (
        unicodedata.category(character) not in ("Cc", "Cs") and unicodedata.bidirectional(character) not in DIRECTIONS
    )
