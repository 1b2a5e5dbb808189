"""One answer of HTTP/1.1, read strictly from octets as they come (RFC 9112), for whoever brings them.

It knows no socket and no clock. What could be understood in two ways, and what OPA never sends, is refused: framing by
both a length and chunks, by neither, or twice; interim answers; folded lines, chunk extensions, trailers; octets behind
the answer. Every refusal ends the connection.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from entitlements.errors import EngineUnavailable

MAX_ANSWER = 256 * 1024
_MAX_HEAD = 16 * 1024
_MAX_SIZE_LINE = 8
_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2})(?: [\t\x20-\x7e]*)?((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*)*)\r\n\r\n"
)
_DIGITS = re.compile(rb"[0-9]{1,6}")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,6}")
# Statuses whose answers have a body, after which a connection is in a known state.
_KEEPS = frozenset({200, 500})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole, bounded answer: its status and raw bytes, not yet believed.

    reusable: the connection is in a known state and may carry another question.
    """

    status_code: int
    body: bytes
    reusable: bool = False

    def raise_for_status(self) -> None:
        """Every status but 200 is no verdict. Raises EngineUnavailable."""
        if self.status_code != 200:
            failed = self.status_code == 500 and b'"internal_error"' in self.body
            code = "policy_error" if failed else "engine_answer_invalid"
            raise EngineUnavailable(code, f"the engine answered with status {self.status_code}")

    def json(self) -> bytes:
        """The bytes: to read them is the strict reader's business."""
        return self.body


class AnswerReader:
    """Takes the octets of one answer until it is whole."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._status = 0
        self._keeps = False
        # How many octets the body has by its length; None while it comes in chunks.
        self._length: int | None = None
        self._chunks = bytearray()

    def feed(self, octets: bytes) -> Answer | None:
        """Take further octets; the answer as soon as it is whole. Raises EngineUnavailable `engine_answer_invalid`."""
        self._data += octets
        if not self._status and not self._read_head():
            return None
        if self._length is None:
            return self._whole(self._chunks) if self._read_chunks() else None
        if len(self._data) < self._length:
            return None
        body = self._data[: self._length]
        del self._data[: self._length]
        return self._whole(body)

    @property
    def begun(self) -> bool:
        """Whether any octet of an answer came."""
        return bool(self._data or self._status)

    def _whole(self, body: bytearray) -> Answer:
        if self._data:
            raise _invalid("holds more than an answer")
        return Answer(self._status, bytes(body), self._keeps)

    def _read_head(self) -> bool:
        """Whether the head is whole, and then read."""
        end = self._data.find(b"\r\n\r\n") + 4
        if end > _MAX_HEAD or (end < 4 and len(self._data) > _MAX_HEAD):
            raise _invalid("has a head that is too large")
        if end < 4:
            return False
        self._status, self._length, self._keeps = _framing(bytes(self._data[:end]))
        del self._data[:end]
        return True

    def _read_chunks(self) -> bool:
        """Move whole chunks to the body; whether the last one was there."""
        place = 0
        try:
            while (end := self._data.find(b"\r\n", place, place + _MAX_SIZE_LINE)) >= 0:
                if not _CHUNK_SIZE.fullmatch(self._data, place, end):
                    raise _invalid("has a malformed chunk")
                size = int(self._data[place:end], 16)
                _check_size(len(self._chunks) + size)
                after = end + 2 + size
                if len(self._data) < after + 2:
                    return False
                if self._data[after : after + 2] != b"\r\n":
                    raise _invalid("has a malformed chunk")
                self._chunks += self._data[end + 2 : after]
                place = after + 2
                if size == 0:
                    return True
            if len(self._data) - place >= _MAX_SIZE_LINE:
                raise _invalid("has a malformed chunk")
            return False
        finally:
            del self._data[:place]


# OPA's heads differ by the second and the length of the answer.
@functools.lru_cache(64)
def _framing(octets: bytes) -> tuple[int, int | None, bool]:
    """The status of a head, the length of its body (None: in chunks), and whether the connection stays open."""
    head = _HEAD.fullmatch(octets)
    if head is None:
        raise _invalid("is not HTTP as OPA speaks it")
    status, lines = int(head[1]), head[2]
    length: int | None
    lengths, codings, closes = [], [], False
    for line in lines.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        match name.lower():
            case b"content-length":
                lengths.append(value.strip(b" \t"))
            case b"transfer-encoding":
                codings.append(value.strip(b" \t").lower())
            case b"content-encoding" if value.strip(b" \t").lower() != b"identity":
                raise _invalid("has a content encoding")
            case b"connection":
                closes = closes or value.strip(b" \t").lower() != b"keep-alive"
    if codings == [b"chunked"] and not lengths:
        length = None
    elif len(lengths) == 1 and not codings and _DIGITS.fullmatch(lengths[0]):
        length = int(lengths[0])
        _check_size(length)
    else:
        raise _invalid("does not tell its length in one way")
    return status, length, status in _KEEPS and not closes


def _check_size(size: int) -> None:
    if size > MAX_ANSWER:
        raise EngineUnavailable("engine_answer_invalid", "the engine's answer is too large")


def _invalid(what: str) -> EngineUnavailable:
    return EngineUnavailable("engine_answer_invalid", f"the engine's answer {what}")
