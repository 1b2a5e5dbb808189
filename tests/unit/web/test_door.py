"""The door without a server: what it lets through to the application and what it refuses (PEP 3333, ASGI 3.0)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from entitlements.web.server import HEADER_BYTES, Door

Headers = list[tuple[str, str]]


def make_scope(*headers: tuple[str, str | None], host: str | None = "x", **changes: Any) -> dict[str, Any]:
    """A request as granian tells it; a value that is not ASCII is None here."""
    sent = [("host", host), *headers] if host is not None else [*headers]
    octets = [(name.encode(), "é".encode() if value is None else value.encode()) for name, value in sent]
    return {
        "type": "http",
        "http_version": "1.1",
        "client": ("192.0.2.1", "50000"),
        "scheme": "http",
        "method": "POST",
        "raw_path": b"/authorize",
        "query_string": b"",
        "headers": octets,
        **changes,
    }


class Exchange:
    """One exchange: gives the body, in two messages, and keeps the answer."""

    def __init__(self, body: bytes = b"", *, never: bool = False, breaks: bool = False) -> None:
        self._messages = [
            {"type": "http.request", "body": body[:2], "more_body": True},
            {"type": "http.request", "body": body[2:], "more_body": False},
        ]
        self._never, self._breaks = never, breaks
        self.read = False
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self._started: dict[str, Any] = {}

    async def receive(self) -> dict[str, Any]:
        self.read = True
        if self._never:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"} if self._breaks else self._messages.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._started = message
            return
        headers = {name.decode(): value.decode() for name, value in self._started["headers"]}
        self.answers.append((self._started["status"], headers, message["body"]))

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


def through(door: Door, scope: dict[str, Any], exchange: Exchange) -> tuple[int, dict[str, str], bytes]:
    asyncio.run(door(scope, exchange.receive, exchange.send))
    return exchange.answer


def test_a_whole_request_reaches_the_application(door: Door, application: Application) -> None:
    scope = make_scope(
        ("content-length", "3"), ("content-type", "a/b"), ("x-a", "1"), ("x-a", "2"), query_string=b"q=1"
    )
    assert through(door, scope, Exchange(b"abc")) == (200, {"content-type": "text/plain"}, b"ok")
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
    through(
        door, make_scope(("x_real", "1"), ("content_type", "application/json"), ("authorization_", "x")), Exchange()
    )
    (environ,) = application.environs
    assert not {"HTTP_X_REAL", "HTTP_CONTENT_TYPE", "HTTP_AUTHORIZATION_"} & environ.keys()
    assert environ["CONTENT_TYPE"] == ""


@pytest.mark.parametrize("path", [b"/%61uthorize", b"/authorize%2f", b"/authorize%20", b"/%", b"/%zz"])
def test_escaped_address_is_not_found_unread(door: Door, application: Application, path: bytes) -> None:
    """R11: one spelling decides."""
    exchange = Exchange(b"abc")
    status, _, body = through(door, make_scope(("content-length", "3"), raw_path=path), exchange)
    assert (status, json.loads(body)) == (404, {"error": "not_found", "error_description": "not found"})
    assert not exchange.read
    assert application.environs == []


def test_address_reaches_the_application_octet_by_octet(door: Door, application: Application) -> None:
    """H4: PEP 3333 wants the octets as latin-1."""
    through(door, make_scope(raw_path="/€".encode()), Exchange())
    assert application.environs[0]["PATH_INFO"] == "/\xe2\x82\xac"


def test_door_closes_what_is_behind_it_at_the_end_of_the_worker() -> None:
    closed = []

    class Closing(Door):
        def close(self) -> None:
            closed.append(True)

    said: list[str] = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        said.append(f"{message['type']} {len(closed)}")

    door = Closing(Application(), count=lambda *_: None, threads=1, max_body=8)
    asyncio.run(door({"type": "lifespan"}, receive, send))
    assert said == ["lifespan.startup.complete 0", "lifespan.shutdown.complete 1"]


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
    exchange = Exchange(b"x")
    status, answered, body = through(door, make_scope(*headers), exchange)
    assert status == 400
    assert answered["connection"] == "close"
    assert answered["cache-control"] == "no-store"
    assert json.loads(body)["error"] == "invalid_request"
    assert not exchange.read
    assert application.environs == []
    assert counted == [("invalid_request", "")]


def test_a_host_is_needed_in_http_1_1_only_and_never_two(door: Door, application: Application) -> None:
    for none in (None, ""):
        assert through(door, make_scope(host=none, http_version="1"), Exchange())[0] == 200
        assert through(door, make_scope(host=none), Exchange())[0] == 400
    assert through(door, make_scope(("host", "y"), http_version="1"), Exchange())[0] == 400


@pytest.mark.parametrize(
    ("length", "exchange", "status", "error"),
    [
        ("9", Exchange(b"x" * 9), 413, "request_too_large"),
        ("8", Exchange(b"x" * 7), 400, "invalid_request"),
        ("8", Exchange(b"x" * 9), 400, "invalid_request"),
        ("8", Exchange(never=True), 408, "request_timeout"),
        ("8", Exchange(breaks=True), 400, "invalid_request"),
    ],
    ids=["too large", "short", "long", "slow", "broken"],
)
def test_a_body_that_does_not_come_whole_is_refused(
    door: Door,
    application: Application,
    counted: list[tuple[str, str]],
    length: str,
    exchange: Exchange,
    status: int,
    error: str,
) -> None:
    """H10."""
    answered, headers, body = through(door, make_scope(("content-length", length)), exchange)
    assert (answered, json.loads(body)["error"], headers["connection"]) == (status, error, "close")
    assert application.environs == []
    assert counted == [(error, "")]


def test_headers_beyond_the_limit_are_refused(door: Door, application: Application) -> None:
    assert through(door, make_scope(("x-a", "a" * HEADER_BYTES)), Exchange())[0] == 431
    assert application.environs == []


def test_who_finds_no_room_is_told_to_come_back(counted: list[tuple[str, str]]) -> None:
    """L5: more than thread and queue hold gets 503 at once, and is counted; the others are answered."""
    release = threading.Event()

    def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        assert release.wait(60)
        start_response("200 OK", [])
        return [b""]

    # The clock stands: however long the machine takes, no one waits too long for a thread.
    door = make_door(application, counted, clock=lambda: 100.0)
    room = 1 * 33
    exchanges = [Exchange() for _ in range(room + 5)]

    async def rush() -> None:
        tasks = [asyncio.ensure_future(door(make_scope(), exchange.receive, exchange.send)) for exchange in exchanges]
        while sum(bool(exchange.answers) for exchange in exchanges) < 5:
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*tasks)

    asyncio.run(rush())
    assert sorted(exchange.answer[0] for exchange in exchanges) == [200] * room + [503] * 5
    status, headers, body = next(exchange.answer for exchange in exchanges if exchange.answer[0] == 503)
    assert headers["retry-after"] == "1"
    assert headers["cache-control"] == "no-store"
    assert json.loads(body) == {
        "error": "decision_unavailable",
        "code": "overloaded",
        "error_description": "no decision can be made now",
    }
    assert counted == [("decision_unavailable", "overloaded")] * 5
    assert status == 503


@pytest.mark.parametrize(("waited", "status"), [(0.0, 200), (0.99, 200), (1.01, 503)])
def test_request_that_waited_too_long_for_a_thread_is_not_served(
    counted: list[tuple[str, str]], waited: float, status: int
) -> None:
    """L5: its caller has timed out, and an answer for no one keeps the next one waiting."""
    now, served = [100.0], []
    release, busy = threading.Event(), threading.Event()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/first":
            busy.set()
            assert release.wait(60)
        served.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b""]

    door = make_door(application, counted, clock=lambda: now[0])
    first, second = Exchange(), Exchange()

    async def both() -> None:
        tasks = [asyncio.ensure_future(door(make_scope(raw_path=b"/first"), first.receive, first.send))]
        while not busy.is_set():
            await asyncio.sleep(0)
        tasks.append(asyncio.ensure_future(door(make_scope(raw_path=b"/second"), second.receive, second.send)))
        # One round of the loop: the second request stands in the queue of the only thread.
        await asyncio.sleep(0)
        now[0] += waited
        release.set()
        await asyncio.gather(*tasks)

    asyncio.run(both())
    assert (first.answer[0], second.answer[0]) == (200, status)
    assert served == ["/first", "/second"][: 2 if status == 200 else 1]
    assert counted == ([] if status == 200 else [("decision_unavailable", "overloaded")])


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
    status, headers, body = through(door, make_scope(raw_path=b"/broken"), Exchange())
    assert (status, headers["cache-control"], json.loads(body)["error"]) == (500, "no-store", "internal_error")
    assert "secret" not in caplog.text
    assert "LookupError" in caplog.text
    assert b"secret" not in body
    assert counted == [("internal_error", "")]
    assert through(door, make_scope(), Exchange())[0] == 200
