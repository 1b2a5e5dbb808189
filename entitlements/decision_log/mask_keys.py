"""The file that holds the keys of masked values: `key-id: base64` lines, the first of which is used.

A key that others can read, that is short or that stands in a book masks nothing, so none of them is taken.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from itertools import pairwise
from pathlib import Path

from entitlements.decision_log.masking import EPHEMERAL, MaskKey
from entitlements.errors import Fault, StartupFault

_CODE = "mask_keys_unusable"
_MAX_BYTES = 64 * 1024
_LEAST, _MOST = 32, 1024
_LINE = re.compile(r"([a-z0-9][a-z0-9._-]{0,31}):[ \t]*([A-Za-z0-9+/]+={0,2})")
_MAKE = "make one with `openssl rand -base64 32`"
# 32 random bytes have 30 different ones on average; fewer than half as many do not come about by chance.
_DISTINCT = 15
_WORDS = ("", "secret", "password", "changeme", "change-me", "test", "key", "admin", "entitlements", "example")
# Keys printed in standards (RFC 7515 appendix A.1, RFC 7520 section 3.5) and hashes of words.
_PUBLISHED = frozenset(
    {
        base64.urlsafe_b64decode(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="
        ),
        base64.urlsafe_b64decode("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg="),
        *(hashlib.sha256(word.encode()).digest() for word in _WORDS),
    }
)


def read_mask_keys(path: Path) -> tuple[MaskKey, ...]:
    """Every key of the file, in its order.

    Raises StartupFault `mask_keys_unusable` with every fault; none quotes a key.
    """
    lines = _lines(path)
    keys: dict[str, MaskKey] = {}
    faults: list[Fault] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key = _key(line.strip())
        problem = key if isinstance(key, str) else _repeated(key, keys)
        if isinstance(key, str) or problem:
            faults.append(Fault(_CODE, problem, str(path), number))
        else:
            keys[key.id] = key
    if not keys and not faults:
        faults.append(Fault(_CODE, f"holds no key, write `key-id: base64` into it, {_MAKE}", str(path)))
    if faults:
        raise StartupFault(_CODE, "the mask keys cannot be used", faults)
    return tuple(keys.values())


def _key(line: str) -> MaskKey | str:
    """The key of one line, or what is wrong with it."""
    match = _LINE.fullmatch(line)
    if match is None:
        return f"the line is not `key-id: base64` (id: 1 to 32 of a-z 0-9 . _ -), {_MAKE}"
    if match[1] == EPHEMERAL:
        return f"the key id `{EPHEMERAL}` is for keys that no file holds, choose another one"
    try:
        secret = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        return f"the key is not base64, {_MAKE}"
    weakness = _weakness(secret)
    return f"the key {weakness}, {_MAKE}" if weakness else MaskKey(match[1], secret)


def _weakness(secret: bytes) -> str:
    if not _LEAST <= len(secret) <= _MOST:
        return f"has {len(secret)} bytes and must have {_LEAST} to {_MOST}"
    if secret in _PUBLISHED:
        return "is publicly known"
    steps = {(after - before) % 256 for before, after in pairwise(secret)}
    if len(set(secret)) < _DISTINCT or len(steps) < _DISTINCT:
        return "is a pattern and not random"
    if all(0x20 <= byte < 0x7F or byte in b"\t\r\n" for byte in secret):
        return "is readable characters and not random bytes"
    return ""


def _repeated(key: MaskKey, keys: dict[str, MaskKey]) -> str:
    if key.id in keys:
        return f"names the key id `{key.id}` twice"
    twin = next((other.id for other in keys.values() if other.secret == key.secret), "")
    return f"is the same key as `{twin}` under another id" if twin else ""


def _lines(path: Path) -> list[str]:
    """The lines of a file that only its owner can read. Raises StartupFault."""
    try:
        # Not blocking: a pipe in the file's place must not hold up the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else "no such path"
        raise _unusable(path, f"cannot be read: {why}") from None
    try:
        problem = _exposed(os.fstat(descriptor))
        if problem:
            raise _unusable(path, problem)
        data = os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_BYTES:
        raise _unusable(path, f"is larger than {_MAX_BYTES} bytes")
    try:
        return data.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise _unusable(path, "is not ASCII, write `key-id: base64` lines into it") from None


def _exposed(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_uid not in (os.geteuid(), 0):
        return "belongs to another user, who can read it; own it yourself with mode 0600"
    if status.st_mode & 0o077:
        return f"can be read or written by others (mode {stat.S_IMODE(status.st_mode):04o}), run `chmod 600` on it"
    return ""


def _unusable(path: Path, problem: str) -> StartupFault:
    return StartupFault("mask_keys_unusable", "the mask keys cannot be used", [Fault(_CODE, problem, str(path))])
