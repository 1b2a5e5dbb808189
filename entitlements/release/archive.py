"""The bytes of a release: one deterministic, uncompressed `.tar.gz` that OPA loads as a bundle.

The same members give the same bytes on every machine: no clock, user, mode, locale or library version takes part.
What is read must be exactly what would be written, so that no two readers can understand one archive differently
(duplicate members, links, sparse files, trailing bytes).
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections.abc import Iterable, Mapping

from entitlements.errors import StartupFault

MAX_ARCHIVE = 256 * 1024 * 1024
_BLOCK = 512
_STORED = 65535
_SIZE = re.compile(rb"([0-7]{11})\0")
# RFC 1952 section 2.3: deflate, no flags, no time, no extra flags, unknown system.
_GZIP_HEAD = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255))


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """The archive of members by name, `.manifest` first and the rest in order of their names.

    Raises StartupFault `release_invalid` for a name that the format cannot hold.
    """
    _refuse_twins(members)
    order = sorted(members, key=lambda name: (name != ".manifest", name.encode()))
    blocks = [_entry(name, members[name]) for name in order]
    return _gzip(b"".join(blocks) + bytes(2 * _BLOCK))


def read_archive(content: bytes) -> dict[str, bytes]:
    """The members of an archive by name. Raises StartupFault `release_invalid` unless it is one that we wrote."""
    try:
        members = _members(_gunzip(content))
        written = write_archive(members)
    except (ValueError, IndexError, struct.error, zlib.error, UnicodeDecodeError):
        raise _invalid("is not an archive of a release") from None
    if written != content:
        raise _invalid("is not an archive as a release has it")
    return members


def _refuse_twins(names: Iterable[str]) -> None:
    """Some file systems take names for one that differ in case or in how Unicode composes a character. Raises."""
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if twin != name:
            raise _invalid(f"would hold `{twin}` and `{name}`, which are one name to some file systems: rename one")


def _entry(name: str, content: bytes) -> bytes:
    """A regular file with its ustar header (POSIX.1-2017, pax, ustar Interchange Format)."""
    prefix, last = _split(name)
    head = b"".join(
        (
            last.ljust(100, b"\0"),
            b"0000644\0",
            b"0000000\0",
            b"0000000\0",
            b"%011o\0" % len(content),
            b"00000000000\0",
            b" " * 8,
            b"0",
            bytes(100),
            b"ustar\x0000",
            bytes(80),
            prefix.ljust(155, b"\0"),
            bytes(12),
        )
    )
    head = head[:148] + b"%06o\0 " % sum(head) + head[156:]
    return head + content + bytes(-len(content) % _BLOCK)


def _split(name: str) -> tuple[bytes, bytes]:
    """The name as ustar's prefix and name fields. Raises StartupFault."""
    raw = name.encode()
    if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise _invalid("would hold a name that no archive can hold")
    if len(raw) <= 100:
        return b"", raw
    cut = raw.rfind(b"/", 0, 156)
    if cut < 0 or len(raw) - cut - 1 > 100:
        raise _invalid(f"would hold the name `{name}`, which is too long")
    return raw[:cut], raw[cut + 1 :]


def _gzip(content: bytes) -> bytes:
    """RFC 1952 around stored blocks (RFC 1951 section 3.2.4)."""
    parts = [_GZIP_HEAD]
    for start in range(0, len(content), _STORED):
        block = content[start : start + _STORED]
        last = start + _STORED >= len(content)
        parts.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    parts.append(struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))
    return b"".join(parts)


def _gunzip(content: bytes) -> bytes:
    if len(content) > MAX_ARCHIVE:
        raise ValueError
    reader = zlib.decompressobj(wbits=31)
    # What is stored is never larger unpacked.
    unpacked = reader.decompress(content, len(content) + 1)
    if not reader.eof or reader.unused_data:
        raise ValueError
    return unpacked


def _members(tar: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    place = 0
    while head := tar[place : place + _BLOCK].rstrip(b"\0"):
        head = head.ljust(_BLOCK, b"\0")
        if not (octal := _SIZE.fullmatch(head[124:136])):
            raise ValueError
        size = int(octal[1], 8)
        prefix, name = head[345:500].rstrip(b"\0"), head[:100].rstrip(b"\0")
        full = (prefix + b"/" + name if prefix else name).decode()
        found[full] = tar[place + _BLOCK : place + _BLOCK + size]
        place += _BLOCK + size + (-size % _BLOCK)
    return found


def _invalid(why: str) -> StartupFault:
    return StartupFault("release_invalid", f"the release {why}")
