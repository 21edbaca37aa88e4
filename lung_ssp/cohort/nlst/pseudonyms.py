"""Salted hashes that stand for participants and series wherever something is written for people to read.

The salt is a secret of whoever prepares the cohort: it lies in a file of its own, and with it the hashes of different
preparations can be compared or, by keeping it apart, cannot.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from lung_ssp.errors import CohortError

LETTERS = 12  # of the hash in hexadecimal: 48 bits, with 26,254 participants a collision has odds of 1 in 800,000
SALT_BYTES = 32


@dataclass(frozen=True)
class Pseudonyms:
    """The names that stand for participants and series."""

    salt: bytes

    def participant(self, pid: object) -> str:
        """The name of a participant; a number and its text give the same one (100002, "100002", 100002.0)."""
        return f"P-{self._hash('participant', plain_number(pid))}"

    def series(self, uid: str) -> str:
        """The name of a series."""
        return f"S-{self._hash('series', uid)}"

    def _hash(self, kind: str, value: str) -> str:
        return hmac.new(self.salt, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()[:LETTERS]


def plain_number(pid: object) -> str:
    """An identifier as text, without the ".0" that a table with gaps puts behind a whole number."""
    text = str(pid).strip()
    return text[:-2] if text.endswith(".0") and text[:-2].isdigit() else text


def open_pseudonyms(path: Path, make: bool = False) -> Pseudonyms:
    """The pseudonyms of the salt in a file.

    Args:
        make: whether the file is made, readable by its owner alone, where it is missing.

    Raises:
        CohortError: the file is missing, or holds no salt.
    """
    path = Path(path)
    if not path.exists():
        if not make:
            raise CohortError(f"{path} is missing: put back the salt that the plan was made with (folders.salt).")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(SALT_BYTES) + "\n")
    try:
        salt = bytes.fromhex(path.read_text().strip())
    except ValueError as error:
        raise CohortError(f"{path} holds no salt (hexadecimal digits): restore it, or name another file.") from error
    if len(salt) < SALT_BYTES:
        raise CohortError(f"{path} holds a salt of {len(salt)} bytes, at least {SALT_BYTES} are needed.")
    return Pseudonyms(salt)
