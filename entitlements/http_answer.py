"""One answer of HTTP/1.1, read strictly from octets as they come (RFC 9112), for whoever brings them.

It knows no socket and no clock. What could be understood in two ways is refused: framing by both a length and chunks,
by neither, or twice; interim answers; folded lines, chunk extensions, trailers; content codings; octets behind the
answer. Every refusal ends the connection.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_MAX_HEAD = 16 * 1024
_MAX_SIZE_LINE = 8
_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2})(?: [\t\x20-\x7e]*)?((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*)*)\r\n\r\n"
)
_DIGITS = re.compile(rb"[0-9]{1,7}")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,6}")


class HTTPRefused(Exception):
    """An answer is not read; the reason as what is said of it: `has a malformed chunk`."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer: its status, the length of its body (None: in chunks), its headers by names in lower case.

    closes: the other side ends the connection with this answer.
    """

    status: int
    length: int | None
    headers: tuple[tuple[str, str], ...]
    closes: bool

    def values(self, name: str) -> tuple[str, ...]:
        """Of the header `name`, in lower case, each value in its order."""
        return tuple(value for other, value in self.headers if other == name)


@dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """A whole, bounded answer, not yet believed."""

    head: Head
    body: bytes


class HTTPReader:
    """Takes the octets of one answer until it is whole. most: the largest body."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._data = bytearray()
        self._head: Head | None = None
        self._chunks = bytearray()

    def feed(self, octets: bytes) -> HTTPAnswer | None:
        """Take further octets; the answer as soon as it is whole. Raises HTTPRefused."""
        self._data += octets
        head = self._head or self._read_head()
        if head is None:
            return None
        if head.length is None:
            return self._whole(head, self._chunks) if self._read_chunks() else None
        if len(self._data) < head.length:
            return None
        body = self._data[: head.length]
        del self._data[: head.length]
        return self._whole(head, body)

    @property
    def begun(self) -> bool:
        """Whether any octet of an answer came."""
        return bool(self._data or self._head)

    def _whole(self, head: Head, body: bytearray) -> HTTPAnswer:
        if self._data:
            raise HTTPRefused("holds more than an answer")
        return HTTPAnswer(head, bytes(body))

    def _read_head(self) -> Head | None:
        """The head as soon as it is whole."""
        end = self._data.find(b"\r\n\r\n") + 4
        if end > _MAX_HEAD or (end < 4 and len(self._data) > _MAX_HEAD):
            raise HTTPRefused("has a head that is too large")
        if end < 4:
            return None
        self._head = _head_of(bytes(self._data[:end]))
        self._check_size(self._head.length or 0)
        del self._data[:end]
        return self._head

    def _read_chunks(self) -> bool:
        """Move whole chunks to the body; whether the last one was there."""
        place = 0
        try:
            while (end := self._data.find(b"\r\n", place, place + _MAX_SIZE_LINE)) >= 0:
                if not _CHUNK_SIZE.fullmatch(self._data, place, end):
                    raise HTTPRefused("has a malformed chunk")
                size = int(self._data[place:end], 16)
                self._check_size(len(self._chunks) + size)
                after = end + 2 + size
                if len(self._data) < after + 2:
                    return False
                if self._data[after : after + 2] != b"\r\n":
                    raise HTTPRefused("has a malformed chunk")
                self._chunks += self._data[end + 2 : after]
                place = after + 2
                if size == 0:
                    return True
            if len(self._data) - place >= _MAX_SIZE_LINE:
                raise HTTPRefused("has a malformed chunk")
            return False
        finally:
            del self._data[:place]

    def _check_size(self, size: int) -> None:
        if size > self._most:
            raise HTTPRefused("is too large")


# Heads of one server differ by the second and the length of the answer.
@functools.lru_cache(64)
def _head_of(octets: bytes) -> Head:
    """A whole head. Raises HTTPRefused."""
    head = _HEAD.fullmatch(octets)
    if head is None:
        raise HTTPRefused("is not strict HTTP/1.1")
    lines = [line.partition(b":") for line in head[2].split(b"\r\n")[1:]]
    headers = tuple((name.decode().lower(), value.strip(b" \t").decode()) for name, _, value in lines)
    closes = any(name == "connection" and value.lower() != "keep-alive" for name, value in headers)
    if any(name == "content-encoding" and value.lower() != "identity" for name, value in headers):
        raise HTTPRefused("has a content encoding")
    return Head(int(head[1]), _length_of(headers), headers, closes)


def _length_of(headers: tuple[tuple[str, str], ...]) -> int | None:
    """How many octets the body has; None where it comes in chunks (RFC 9112 section 6.3)."""
    lengths = [value for name, value in headers if name == "content-length"]
    codings = [value.lower() for name, value in headers if name == "transfer-encoding"]
    if codings == ["chunked"] and not lengths:
        return None
    if len(lengths) == 1 and not codings and _DIGITS.fullmatch(lengths[0].encode()):
        return int(lengths[0])
    raise HTTPRefused("does not tell its length in one way")
