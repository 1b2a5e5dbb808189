"""Addresses, methods and headers of answers: H4, H5, H14, O3, X5 and the caller's request id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from entitlements.web.server import HEADER_BYTES

if TYPE_CHECKING:
    from tests.conftest import RunningService
    from tests.wire.conftest import Wire

OTHER_ADDRESSES = [
    *(
        "/",
        "/authorize/",
        "//authorize",
        "/authorize//",
        "/./authorize",
        "/x/../authorize",
        "/x/..;/authorize",
        "/Authorize",
    ),
    *(
        "/authorize;x",
        "/authorize%00",
        "/authorize%20",
        "/authorize%2f",
        "/%2fauthorize",
        "/%61uthorize",
        "/authorize%23f",
        "/%2561uthorize",
        "/authorize%0d%0a",
    ),
    *(
        "/€",
        "/%E2%82%AC",
        "/%ff%fe",
        "/authorize\\",
        "/v1/data",
        "/static/x",
        "/console",
        "/.git/config",
        "/healthz/",
        "//metrics",
    ),
    *("/authorize%ef%bc%8f", "/%c0%afauthorize", "/a" * 2000),
]


@pytest.mark.parametrize("address", OTHER_ADDRESSES, ids=lambda value: ascii(value)[:32])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_address_is_not_found(service: RunningService, wire: Wire, address: str, method: str) -> None:
    """H4, O3."""
    before = len(service.rows())
    reply = service.one(wire.ask(first=f"{method} {address} HTTP/1.1".encode()))
    assert reply.status == 404
    assert reply.json() == {"error": "not_found", "error_description": "not found"}
    assert len(service.rows()) == before


@pytest.mark.parametrize(
    "octets", [b"/\xff", b"/a b", b"/\x00", b"authorize", b"", b"http://\xff/authorize"], ids=ascii
)
def test_an_address_that_is_none_is_refused(service: RunningService, wire: Wire, octets: bytes) -> None:
    (reply,) = service.exchange(wire.ask(first=b"POST " + octets + b" HTTP/1.1"))
    assert reply.status in (400, 404)


def test_query_and_absolute_form_leave_the_address_what_it_is(service: RunningService, wire: Wire) -> None:
    """RFC 9112 section 3.2.2: a server takes the absolute form, and the path in it decides."""
    for address in ("/authorize?", "/authorize?x=%ff&y=€", "http://elsewhere/authorize"):
        assert service.one(wire.ask(first=f"POST {address} HTTP/1.1".encode())).allows
    for address in ("http://elsewhere/%61uthorize", "http://elsewhere//authorize", "http://elsewhere"):
        assert service.one(wire.ask(first=f"POST {address} HTTP/1.1".encode())).status == 404


def test_fragment_is_cut_off_by_the_http_reader(service: RunningService, wire: Wire) -> None:
    """A known limit, told in docs/security-flow.md: what follows `#` never reaches us and cannot name another path."""
    assert service.one(wire.ask(first=b"POST /authorize#f HTTP/1.1")).allows
    assert service.one(wire.ask(first=b"POST /x#/authorize HTTP/1.1")).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PO~T"])
def test_another_method_is_refused_with_the_right_one(service: RunningService, wire: Wire, method: str) -> None:
    before = len(service.rows())
    reply = service.one(wire.ask(b"X-HTTP-Method-Override: POST", first=f"{method} /authorize HTTP/1.1".encode()))
    assert reply.status == 405
    assert reply.headers["allow"] == ["POST"]
    assert len(service.rows()) == before


@pytest.mark.parametrize("method", ["post", "Post", "pOST", "posT"])
def test_method_in_other_letters_is_another_method(service: RunningService, wire: Wire, method: str) -> None:
    """R11: methods are case-sensitive (RFC 9110 section 9.1)."""
    before = len(service.rows())
    reply = service.one(wire.ask(first=f"{method} /authorize HTTP/1.1".encode()))
    assert (reply.status, reply.headers["allow"]) == (405, ["POST"])
    assert reply.json()["error"] == "method_not_allowed"
    assert service.one(wire.get("/healthz", method="get")).status == 405
    assert service.one(wire.get("/nothing", method="get")).status == 404
    assert len(service.rows()) == before


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_status_addresses_are_only_read(service: RunningService, wire: Wire, path: str) -> None:
    assert service.one(wire.get(path)).status == 200
    head = service.one(wire.get(path, method="HEAD"))
    assert (head.status, head.body) == (200, b"")
    for method in ("POST", "OPTIONS", "DELETE"):
        reply = service.one(wire.get(path, method=method))
        assert reply.status == 405
        assert set(reply.headers["allow"][0].split(", ")) == {"GET", "HEAD"}


def test_a_tunnel_is_refused(service: RunningService, wire: Wire) -> None:
    for first in (b"CONNECT x:80 HTTP/1.1", b"OPTIONS * HTTP/1.1"):
        assert service.one(wire.ask(first=first)).status in (400, 404, 405)


@pytest.mark.parametrize(
    "value", ["r-1", "a" * 128, "!~", '"><script>', "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
)
def test_a_request_id_is_echoed_and_kept(service: RunningService, wire: Wire, value: str) -> None:
    """H12."""
    before = len(service.rows())
    reply = service.one(wire.ask(f"X-Request-ID: {value}".encode()))
    assert reply.allows
    assert reply.headers["x-request-id"] == [value]
    assert [row["request_id"] for row in service.rows()[before:]] == [value]
    for data in (
        wire.get("/nowhere", f"X-Request-ID: {value}".encode()),
        wire.ask(f"X-Request-ID: {value}".encode(), body=b"{"),
    ):
        assert service.one(data).headers["x-request-id"] == [value]


def test_a_request_id_is_echoed_whatever_the_answer_is(service: RunningService, wire: Wire) -> None:
    """H12: also where the request is refused before it is looked at."""
    name = b"X-Request-ID: r-2"
    for status, data in (
        (200, wire.ask(name)),
        (400, wire.ask(name, body=b"{")),
        (400, wire.ask(name, b"Content-Type: text/plain")),
        (401, wire.ask(name, bearer=b"Authorization: Bearer x")),
        (404, wire.get("/nothing", name)),
        (405, wire.get("/authorize", name)),
        (413, wire.ask(name, body=b" " * 70_000)),
        (415, wire.ask(name, content_type=b"Content-Type: text/plain")),
        (431, wire.ask(name, b"X-A: " + b"a" * HEADER_BYTES)),
    ):
        reply = service.one(data)
        assert (reply.status, reply.headers.get("x-request-id")) == (status, ["r-2"])


@pytest.mark.parametrize("value", ["", "a" * 129, "a b", "a\tb", "a" * 10_000, "é"])
def test_a_request_id_that_cannot_be_kept_is_refused(service: RunningService, wire: Wire, value: str) -> None:
    """H12: too long, or no plain text."""
    before = len(service.rows())
    reply = service.one(wire.ask(f"X-Request-ID: {value}".encode()))
    assert reply.status == 400
    assert "x-request-id" not in reply.headers
    assert len(service.rows()) == before


@pytest.mark.parametrize("octets", [b"a\rSet-Cookie: x", b"a\r\n Set-Cookie: x", b"a\x00b"], ids=ascii)
def test_a_request_id_cannot_write_headers(service: RunningService, wire: Wire, octets: bytes) -> None:
    """H12, A7: CR LF."""
    (reply,) = service.exchange(wire.ask(b"X-Request-ID: " + octets))
    assert reply.status == 400
    assert "set-cookie" not in reply.headers
    escaped = service.one(wire.ask(b"X-Request-ID: a%0d%0aSet-Cookie:x"))
    assert escaped.headers["x-request-id"] == ["a%0d%0aSet-Cookie:x"]
    assert "set-cookie" not in escaped.headers


def test_two_request_ids_are_refused(service: RunningService, wire: Wire) -> None:
    assert service.one(wire.ask(b"X-Request-ID: a", b"x-request-id: b")).status == 400


def every_kind_of_answer(wire: Wire) -> dict[int, bytes]:
    """A request for each status that the application gives."""
    return {
        200: wire.ask(),
        400: wire.ask(body=b"{}"),
        401: wire.ask(bearer=b"Authorization: Bearer x"),
        404: wire.get("/x"),
        405: wire.get("/authorize"),
        413: wire.ask(body=b" " * 70_000),
        415: wire.ask(content_type=None),
        431: wire.ask(b"X-A: " + b"a" * HEADER_BYTES),
    }


def test_no_answer_may_be_stored_or_tells_what_runs_here(service: RunningService, wire: Wire) -> None:
    """X5, H5, H14: only headers of ours, no version, no debugger, no trace, and never the token."""
    requests = [
        *every_kind_of_answer(wire).items(),
        *((200, wire.get(path)) for path in ("/healthz", "/readyz", "/metrics")),
    ]
    lines = [b"X-Identity: me", b"X-User: root"]
    for status, data in requests:
        reply = service.one(data.replace(b"Host: x\r\n", b"\r\n".join([b"Host: x", *lines, b""]), 1))
        assert reply.status == status
        assert reply.headers["cache-control"] == ["no-store"]
        assert reply.headers["content-type"][0].startswith(("application/json", "text/plain; version="))
        assert not {"x-identity", "x-user", "set-cookie", "access-control-allow-origin"} & reply.headers.keys()
        told = repr((reply.headers, reply.body))
        for word in (
            "Traceback",
            "werkzeug",
            "Werkzeug",
            "flask",
            "Flask",
            "granian/",
            "Python/",
            ".py",
            "eyJ",
            "Debugger",
        ):
            assert word not in told
        assert not any(character.isdigit() for value in reply.headers.get("server", []) for character in value)


def test_no_debugger_answers(service: RunningService, wire: Wire) -> None:
    """H14, O4."""
    for query in ("__debugger__=yes&cmd=resource&f=debugger.js", "__debugger__=yes&cmd=printpin"):
        reply = service.one(wire.get(f"/authorize?{query}"))
        assert reply.status == 405
        assert b"debugger" not in reply.body.lower()
    assert service.one(wire.get("/console")).status == 404
