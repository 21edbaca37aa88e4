"""Pseudonyms of participants and series, as salted hashes, in every output that people read.

The salt is a secret of whoever prepares the cohort, in a file of its own: preparations with the same salt give the same
pseudonyms, others cannot be compared.
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.files import naming, read_bytes
from lung_ssp.paths import temporary_beside

LETTERS = 12  # of the hash in hexadecimal: 48 bits, with 26,254 participants a collision has odds of 1 in 800,000
SALT_BYTES = 32
LARGEST_SALT = 10_000  # bytes of the file


@dataclass(frozen=True)
class Pseudonyms:
    """The pseudonyms that one salt gives."""

    salt: bytes

    def participant(self, pid: object) -> str:
        """The pseudonym of a participant; a number and its text give the same one (100002, "100002", 100002.0)."""
        return f"P-{self._hash('participant', plain_number(pid))}"

    def series(self, uid: str) -> str:
        """The pseudonym of a series."""
        return f"S-{self._hash('series', uid)}"

    def _hash(self, kind: str, value: str) -> str:
        return hmac.new(self.salt, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()[:LETTERS]


def plain_number(pid: object) -> str:
    """An identifier as text, without the ".0" that a table with gaps puts behind a whole number."""
    text = str(pid).strip()
    return text[:-2] if text.endswith(".0") and text[:-2].isdigit() else text


def open_pseudonyms(path: Path, make: bool = False) -> Pseudonyms:
    """The pseudonyms of the salt in a file; `make` makes one that is missing, readable by its owner alone.

    Raises:
        CohortError: the file is missing, or holds no salt.
    """
    path = Path(path)
    if not path.exists():
        if not make:
            raise CohortError(f"{path} is missing: restore the salt that the plan was made with (folders.salt).")
        _make_salt(path)
    try:
        salt = bytes.fromhex(read_bytes(path, LARGEST_SALT).decode("ascii").strip())
    except (ValueError, DamagedFile) as error:
        raise CohortError(f"{path} holds no salt (hexadecimal digits): restore it, or name another file.") from error
    if len(salt) < SALT_BYTES:
        raise CohortError(
            f"{path} holds a salt of {len(salt)} bytes, at least {SALT_BYTES} are needed: restore it, or "
            "remove it if no plan was made with it."
        )
    return Pseudonyms(salt)


def _make_salt(path: Path) -> None:
    """Write a new salt, whole or not at all, and never over one that another process has made meanwhile."""
    salt, temporary = secrets.token_hex(SALT_BYTES) + "\n", temporary_beside(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path, temporary), suppress(FileExistsError):
        try:
            _write_new(temporary, salt)
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise
            except OSError:  # exFAT, SMB and many FUSE file systems have no links
                _write_new(path, salt)
        finally:
            temporary.unlink(missing_ok=True)


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, for its owner alone; nothing is left of it where that fails.

    Raises:
        FileExistsError: it is there.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise
