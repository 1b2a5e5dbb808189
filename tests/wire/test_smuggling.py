"""H7: what two readers of HTTP could understand differently is refused, and its tail is never a second request.

Every attack carries a whole good request as its tail. Where it were taken for one, an allow and a line in the decision
log would show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunningService
    from tests.wire.conftest import Wire

CHUNKED = b"Transfer-Encoding: chunked"
BAD_LENGTHS = [
    *(
        b"+%d",
        b"0_%d",
        b"-%d",
        b"0x%x",
        b"%d.0",
        b"%de0",
        b"%d,%d",
        b"%d, %d",
        b"%d;",
        b'"%d"',
        b"%d\x0b",
        b"",
        b"\xd9\xa3",
    ),
    *(b"9" * 30, b"%d\x00"),
]
BAD_ENCODINGS = [
    *(
        b"chunked",
        b"Chunked",
        b"chunked, identity",
        b"identity",
        b"xchunked",
        b"\x0bchunked",
        b"chunked\x00",
        b'"chunked"',
    ),
    *(b"chunked, chunked", b"gzip, chunked", b"\xffchunked", b"", b",chunked", b"chunked;a=b"),
]
BAD_CHUNKS = [
    *(b"zz\r\nx\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"),
    *(b"5;\nx\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff1\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n"),
    *(b"0\r\nAuthorization: Bearer x\r\n\r\n", b"0_5\r\nhello\r\n0\r\n\r\n"),
]
BAD_LINES = [
    *(
        b"X-A: a\r\n b",
        b"X-A: a\x00b",
        b"X\x00A: b",
        b"X-A: a\rb",
        b"X A: b",
        b" X-A: b",
        b"X-A : b",
        b": b",
        b"X-A",
        b"X\xe9: b",
    ),
    b"Content-Length : 5",
]


def framed(wire: Wire, *lines: bytes) -> bytes:
    return wire.raw(b"Host: x", wire.bearer, b"Content-Type: application/json", *lines, body=wire.good + wire.ask())


def refuse(service: RunningService, data: bytes) -> None:
    """One answer, 400, the connection ends, and nothing is decided."""
    before = len(service.rows())
    (reply,) = service.exchange(data)
    assert reply.status == 400
    assert reply.headers["connection"] == ["close"]
    assert len(service.rows()) == before


@pytest.mark.parametrize("length", BAD_LENGTHS, ids=ascii)
def test_a_length_that_is_no_plain_number_is_refused(service: RunningService, wire: Wire, length: bytes) -> None:
    size = len(wire.good)
    value = length.replace(b"%d", b"%d" % size).replace(b"%x", b"%x" % size)
    refuse(service, framed(wire, b"Content-Length: " + value))


@pytest.mark.parametrize("second", [b"0", b"5", b"+%d", b"\xff"], ids=ascii)
@pytest.mark.parametrize("turned", [False, True], ids=["good first", "good last"])
def test_two_lengths_that_differ_are_refused(service: RunningService, wire: Wire, second: bytes, turned: bool) -> None:
    size = b"%d" % len(wire.good)
    lines = [b"Content-Length: " + size, b"Content-Length: " + second.replace(b"%d", size)]
    refuse(service, framed(wire, *(reversed(lines) if turned else lines)))


@pytest.mark.parametrize("encoding", BAD_ENCODINGS, ids=ascii)
@pytest.mark.parametrize("order", ["length first", "encoding first", "no length"])
def test_a_transfer_encoding_is_refused(service: RunningService, wire: Wire, encoding: bytes, order: str) -> None:
    """CL.TE and TE.CL: any transfer encoding at all, beside a length or alone."""
    lines = [b"Content-Length: %d" % len(wire.good), b"Transfer-Encoding: " + encoding]
    if order == "encoding first":
        lines.reverse()
    refuse(service, framed(wire, *(lines[1:] if order == "no length" else lines)))


def test_a_body_that_ends_by_both_rules_is_refused(service: RunningService, wire: Wire) -> None:
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(wire.good), wire.good)
    for lines in ([CHUNKED], [CHUNKED, b"Content-Length: %d" % len(whole)], [b"Content-Length: 5", CHUNKED]):
        refuse(service, wire.raw(b"Host: x", wire.bearer, *lines, body=whole + wire.ask()))


@pytest.mark.parametrize("chunks", BAD_CHUNKS, ids=ascii)
def test_bad_chunks_are_refused(service: RunningService, wire: Wire, chunks: bytes) -> None:
    refuse(service, wire.raw(b"Host: x", wire.bearer, CHUNKED, body=chunks + wire.ask()))


def test_a_transfer_encoding_in_http_1_0_is_refused(service: RunningService, wire: Wire) -> None:
    data = framed(wire, CHUNKED, b"Content-Length: %d" % len(wire.good))
    before = len(service.rows())
    (reply,) = service.exchange(data.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert reply.status == 400
    assert len(service.rows()) == before


@pytest.mark.parametrize("line", BAD_LINES, ids=ascii)
def test_a_malformed_header_line_is_refused(service: RunningService, wire: Wire, line: bytes) -> None:
    refuse(service, framed(wire, line, b"Content-Length: %d" % len(wire.good)))


def test_a_folded_token_is_refused(service: RunningService, wire: Wire) -> None:
    folded = b"Authorization: Bearer\r\n " + wire.token.encode()
    refuse(service, wire.ask(bearer=folded) + wire.ask())


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_two_hosts_are_refused(service: RunningService, wire: Wire, version: bytes) -> None:
    data = wire.ask(b"Host: y", first=b"POST /authorize HTTP/" + version)
    refuse(service, data + wire.ask())


def test_no_host_is_refused(service: RunningService, wire: Wire) -> None:
    refuse(service, wire.ask().replace(b"Host: x\r\n", b"", 1) + wire.ask())


def test_underscore_twins_of_framing_headers_mean_nothing(service: RunningService, wire: Wire) -> None:
    """H3: `Transfer_Encoding` is another name, and reaches the application under none."""
    before = len(service.rows())
    lines = [
        b"Transfer_Encoding: chunked",
        b"Content_Length: 1",
        b"Authorization_: Bearer x",
        b"Content_Type: text/plain",
    ]
    assert service.one(wire.ask(*lines)).allows
    assert service.one(wire.ask(b"Authorization: Basic x", b"X_Request_ID: a", bearer=b"")).status == 401
    assert len(service.rows()) == before + 2


def test_bare_line_feeds_cannot_hide_a_header(service: RunningService, wire: Wire) -> None:
    """RFC 9112 section 2.2 lets a reader end a line at a bare LF: what stands behind it must count in full."""
    refuse(service, framed(wire, b"X-A: a\nTransfer-Encoding: chunked", b"Content-Length: %d" % len(wire.good)))
    refuse(service, wire.ask(b"X-A: a\n" + wire.bearer) + wire.ask())
    refuse(service, wire.ask(b"X-A: a\nHost: y") + wire.ask())


def test_equal_lengths_count_as_one(service: RunningService, wire: Wire) -> None:
    """RFC 9110 section 8.6: a repeated equal length may be taken for one; there is one request and one record."""
    before = len(service.rows())
    data = wire.ask(b"Content-Length: %d" % len(wire.good))
    assert service.one(data).allows
    assert len(service.rows()) == before + 1


def test_a_body_shorter_than_announced_is_no_request(service: RunningService, wire: Wire) -> None:
    before = len(service.rows())
    data = wire.raw(b"Host: x", wire.bearer, b"Content-Type: application/json", b"Content-Length: 999", body=wire.good)
    assert service.one(data, half_close=True).status == 400
    assert len(service.rows()) == before


def test_what_follows_a_body_is_read_as_the_next_request(service: RunningService, wire: Wire) -> None:
    """Pipelining as it is meant: two requests, two answers, two records; junk behind a request is refused alone."""
    before = len(service.rows())
    first = wire.ask().replace(b"Connection: close\r\n", b"")
    assert [reply.allows for reply in service.exchange(first + wire.ask())] == [True, True]
    good, bad = service.exchange(first + b"JUNK\r\n\r\n")
    assert good.allows
    assert bad.status == 400
    assert len(service.rows()) == before + 3


def test_an_upgrade_to_another_protocol_is_not_followed(service: RunningService, wire: Wire) -> None:
    lines = [b"Upgrade: h2c, websocket", b"HTTP2-Settings: AAMAAABkAAQAAP__"]
    assert service.one(wire.ask(*lines)).allows
    assert service.exchange(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + wire.ask()) == []
