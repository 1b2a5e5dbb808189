"""The door without a server: what it lets through to the application and what it refuses (PEP 3333, RSGI 1.6)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from entitlements.web.server import Door

Headers = list[tuple[str, str]]


class SentHeaders:
    """Headers as granian gives them: names are unique in `keys`, a value that is not ASCII (None) is not listed."""

    def __init__(self, sent: list[tuple[str, str | None]]) -> None:
        self._sent = sent

    def items(self) -> Headers:
        return [(name, value) for name, value in self._sent if value is not None]

    def __contains__(self, name: str) -> bool:
        return any(name == sent for sent, _ in self._sent)


class Scope:
    http_version = "1.1"
    client = "192.0.2.1:50000"
    scheme = "http"
    method = "POST"
    path = "/authorize"
    query_string = ""
    authority: str | None = None

    def __init__(self, *headers: tuple[str, str | None], **changes: Any) -> None:
        self.headers = SentHeaders([("host", "x"), *headers])
        vars(self).update(changes)


class Protocol:
    """One exchange: gives the body and keeps the answer."""

    def __init__(self, body: bytes = b"", *, never: bool = False, breaks: bool = False) -> None:
        self._body, self._never, self._breaks = body, never, breaks
        self.read = False
        self.answers: list[tuple[int, dict[str, str], bytes]] = []

    async def __call__(self) -> bytes:
        self.read = True
        if self._never:
            await asyncio.sleep(60)
        if self._breaks:
            raise RuntimeError("transport")
        return self._body

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        self.answers.append((status, dict(headers), body))

    @property
    def answer(self) -> tuple[int, dict[str, str], bytes]:
        (answer,) = self.answers
        return answer


class Application:
    """A WSGI application that keeps what reached it."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.environs.append(environ)
        self.bodies.append(environ["wsgi.input"].read())
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self

    def __iter__(self) -> Any:
        return iter((b"o", b"k"))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def counted() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def door(application: Application, counted: list[tuple[str, str]]) -> Door:
    return make_door(application, counted)


def make_door(application: Any, counted: list[tuple[str, str]], **options: Any) -> Door:
    settings: dict[str, Any] = {"threads": 1, "max_body": 8, "body_seconds": 0.01, **options}
    return Door(application, count=lambda error, code: counted.append((error, code)), **settings)


def through(door: Door, scope: Scope, protocol: Protocol) -> tuple[int, dict[str, str], bytes]:
    asyncio.run(door.__rsgi__(scope, protocol))
    return protocol.answer


def test_a_whole_request_reaches_the_application(door: Door, application: Application) -> None:
    scope = Scope(("content-length", "3"), ("content-type", "a/b"), ("x-a", "1"), ("x-a", "2"), query_string="q=1")
    assert through(door, scope, Protocol(b"abc")) == (200, {"content-type": "text/plain"}, b"ok")
    (environ,) = application.environs
    assert application.bodies == [b"abc"]
    assert application.closed == 1
    wanted = {
        "CONTENT_LENGTH": "3",
        "CONTENT_TYPE": "a/b",
        "HTTP_X_A": "1,2",
        "QUERY_STRING": "q=1",
        "PATH_INFO": "/authorize",
    }
    assert environ.items() >= wanted.items()
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_names_with_underscores_are_dropped(door: Door, application: Application) -> None:
    """H3."""
    through(door, Scope(("x_real", "1"), ("content_type", "application/json"), ("authorization_", "x")), Protocol())
    (environ,) = application.environs
    assert not {"HTTP_X_REAL", "HTTP_CONTENT_TYPE", "HTTP_AUTHORIZATION_"} & environ.keys()
    assert environ["CONTENT_TYPE"] == ""


def test_an_address_is_decoded_once(door: Door, application: Application) -> None:
    """H4: granian decoded it; PEP 3333 wants its octets as latin-1."""
    through(door, Scope(path="/%61/€"), Protocol())
    assert application.environs[0]["PATH_INFO"] == "/%61/\xe2\x82\xac"


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "a"), ("authorization", "a")],
        [("content-type", "a"), ("content-type", "b")],
        [("content-encoding", "a"), ("content-encoding", "b")],
        [("x-request-id", "a"), ("x-request-id", "b")],
        [("content-length", "1"), ("content-length", "1")],
        [("host", "y")],
        [("host", "x")],
        [("transfer-encoding", "chunked")],
        [("transfer-encoding", None)],
        [("authorization", None)],
        [("content-encoding", None)],
        [("content-length", "+1")],
        [("content-length", "١")],
        [("content-length", "1_0")],
        [("content-length", "")],
        [("content-length", "9999999999")],
    ],
    ids=str,
)
def test_unclear_headers_are_refused_unread(
    door: Door, application: Application, counted: list[tuple[str, str]], headers: list[tuple[str, str | None]]
) -> None:
    """H2, H7."""
    protocol = Protocol(b"x")
    status, answered, body = through(door, Scope(*headers), protocol)
    assert status == 400
    assert answered["connection"] == "close"
    assert answered["cache-control"] == "no-store"
    assert json.loads(body)["error"] == "invalid_request"
    assert not protocol.read
    assert application.environs == []
    assert counted == [("invalid_request", "")]


def test_a_host_is_needed_in_http_1_1_only_and_never_two(door: Door, application: Application) -> None:
    old, new = Scope(http_version="1.0"), Scope()
    old.headers = new.headers = SentHeaders([])
    assert through(door, old, Protocol())[0] == 200
    assert through(door, new, Protocol())[0] == 400
    assert through(door, Scope(("host", "y"), http_version="1.0"), Protocol())[0] == 400


@pytest.mark.parametrize(
    ("length", "protocol", "status", "error"),
    [
        ("9", Protocol(b"x" * 9), 413, "request_too_large"),
        ("8", Protocol(b"x" * 7), 400, "invalid_request"),
        ("8", Protocol(b"x" * 9), 400, "invalid_request"),
        ("8", Protocol(never=True), 408, "request_timeout"),
        ("8", Protocol(breaks=True), 400, "invalid_request"),
    ],
    ids=["too large", "short", "long", "slow", "broken"],
)
def test_a_body_that_does_not_come_whole_is_refused(
    door: Door,
    application: Application,
    counted: list[tuple[str, str]],
    length: str,
    protocol: Protocol,
    status: int,
    error: str,
) -> None:
    """H10."""
    answered, headers, body = through(door, Scope(("content-length", length)), protocol)
    assert (answered, json.loads(body)["error"], headers["connection"]) == (status, error, "close")
    assert application.environs == []
    assert counted == [(error, "")]


def test_headers_beyond_the_limit_are_refused(door: Door, application: Application) -> None:
    assert through(door, Scope(("x-a", "a" * 16_384)), Protocol())[0] == 431
    assert application.environs == []


def test_who_finds_no_room_is_told_to_come_back(counted: list[tuple[str, str]]) -> None:
    """L5: more than thread and queue hold gets 503 at once, and is counted; the others are answered."""
    release = threading.Event()

    def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        assert release.wait(60)
        start_response("200 OK", [])
        return [b""]

    door = make_door(application, counted)
    room = 1 * 33
    protocols = [Protocol() for _ in range(room + 5)]

    async def rush() -> None:
        tasks = [asyncio.ensure_future(door.__rsgi__(Scope(), protocol)) for protocol in protocols]
        while sum(bool(protocol.answers) for protocol in protocols) < 5:
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*tasks)

    asyncio.run(rush())
    assert sorted(protocol.answer[0] for protocol in protocols) == [200] * room + [503] * 5
    status, headers, body = next(protocol.answer for protocol in protocols if protocol.answer[0] == 503)
    assert headers["retry-after"] == "1"
    assert headers["cache-control"] == "no-store"
    assert json.loads(body) == {
        "error": "decision_unavailable",
        "code": "overloaded",
        "error_description": "no decision can be made now",
    }
    assert counted == [("decision_unavailable", "overloaded")] * 5
    assert status == 503


def test_a_defect_behind_the_door_is_an_answer_without_its_words(
    counted: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    """H14: no trace, no message, and the next request is served."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/broken":
            raise LookupError("secret")
        start_response("200 OK", [])
        return [b""]

    door = make_door(application, counted)
    status, headers, body = through(door, Scope(path="/broken"), Protocol())
    assert (status, headers["cache-control"], json.loads(body)["error"]) == (500, "no-store", "internal_error")
    assert "secret" not in caplog.text
    assert "LookupError" in caplog.text
    assert b"secret" not in body
    assert counted == [("internal_error", "")]
    assert through(door, Scope(), Protocol())[0] == 200
