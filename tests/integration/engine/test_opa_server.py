"""An OPA server that misbehaves on the wire: no verdict comes of it, and none comes late (P3, P4, K4, K11).

`test_child_client.py` runs all of this against the client of the child OPA, too.
"""

from __future__ import annotations

import contextlib
import gzip
import shutil
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entitlements.engine import OpaServer
from entitlements.engine.child_client import ChildClient
from entitlements.errors import EngineUnavailable
from entitlements.model import Verdict

BUDGET = 0.4
# What a busy machine may need beyond the budget; a drip or a hang without a total deadline would take far longer.
SLACK = 1.5
ALLOW = b'{"provenance": {"bundles": {"p": {"revision": "r1"}}}, "result": true}'
Behaviour = Callable[[socket.socket], None]
Engine = OpaServer | ChildClient


def answer(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(body), *lines]
    return b"\r\n".join([*head, b"", body])


GOOD = answer(ALLOW)


class WildServer:
    """Reads one request after another on each connection and does what it was told to."""

    def __init__(self, path: str = "") -> None:
        """On the Unix socket at `path`, or on a port of its own."""
        self.behave: Behaviour = lambda connection: connection.sendall(GOOD)
        self.requests: list[bytes] = []
        if path:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(path)
            self._listener.listen()
            self.url = f"unix://{path}"
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while request := self._request(connection):
                self.requests.append(request)
                self.behave(connection)

    def _request(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := connection.recv(65536)):
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")]
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        # Its thread first: it could go on to accept from whoever gets the number of the descriptor.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.close()


@contextlib.contextmanager
def wild_child() -> Iterator[WildServer]:
    """One that listens where a child would."""
    # The path of a socket may have some hundred octets.
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    server = WildServer(str(folder / "opa.sock"))
    yield server
    server.close()
    shutil.rmtree(folder)


@pytest.fixture
def server() -> Iterator[WildServer]:
    wild = WildServer()
    yield wild
    wild.close()


@pytest.fixture
def engine(server: WildServer) -> Iterator[Engine]:
    client = OpaServer(server.url, token="t" * 16)
    yield client
    client.close()


def ask(engine: Engine, budget: float = BUDGET) -> Verdict:
    return engine.ask("shop/authz/decision", {"n": 1}, deadline=time.monotonic() + budget)


def refused(engine: Engine) -> str:
    """The code of a refusal, which must come within the budget."""
    started = time.monotonic()
    with pytest.raises(EngineUnavailable) as failure:
        ask(engine)
    assert time.monotonic() - started < BUDGET + SLACK
    return failure.value.code


def test_a_good_answer_is_a_verdict_and_the_query_is_the_strict_one(engine: Engine, server: WildServer) -> None:
    assert ask(engine).allow
    (request,) = server.requests
    assert request.startswith(
        b"POST /v1/data/shop/authz/decision?strict-builtin-errors=true&provenance=true HTTP/1.1\r\n"
    )
    assert (b"\r\nAuthorization: Bearer tttttttttttttttt\r\n" in request) is isinstance(engine, OpaServer)
    assert request.endswith(b'{"input":{"n":1}}')


def drip(data: bytes, seconds: float = 0.05) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        for octet in data:
            connection.sendall(bytes([octet]))
            time.sleep(seconds)

    return behave


def for_ever(data: bytes, head: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(data)

    return behave


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


LATE: dict[str, Behaviour] = {
    "hangs": lambda connection: time.sleep(5),
    "drips its body": drip(GOOD),
    "drips its headers": drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100),
    "drips the status": drip(GOOD, 0.3),
    "answers late": lambda connection: (time.sleep(BUDGET + 0.3), connection.sendall(GOOD))[0],
    "stops in its body": lambda connection: (connection.sendall(GOOD[:-3]), time.sleep(5))[0],
    "continues for ever": for_ever(b"HTTP/1.1 100 Continue\r\n\r\n", b""),
    "drips chunks": lambda connection: (
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        drip(b"1\r\n \r\n" * 100)(connection),
    )[1],
}


@pytest.mark.parametrize("name", LATE)
def test_a_server_that_takes_too_long_is_given_up_at_the_total_deadline(
    engine: Engine, server: WildServer, name: str
) -> None:
    """P4: the deadline is one for the whole exchange, whatever comes meanwhile."""
    server.behave = LATE[name]
    # Interim answers are none of OPA's: the child's client does not wait for their end.
    at_once = ("engine_answer_invalid",) if not isinstance(engine, OpaServer) and name == "continues for ever" else ()
    assert refused(engine) in ("engine_timeout", "engine_unreachable", *at_once)


ENDLESS = answer(b"").replace(b"Content-Length: 0\r\n", b"")
BROKEN: dict[str, Behaviour] = {
    "resets": reset,
    "closes without an answer": lambda connection: connection.close(),
    "closes in its body": lambda connection: (connection.sendall(GOOD[:-3]), connection.close())[1],
    "closes in its headers": lambda connection: (connection.sendall(GOOD[:20]), connection.close())[1],
    "is no HTTP": lambda connection: (connection.sendall(b"\x16\x03\x01" * 50 + b"\r\n\r\n"), connection.close())[1],
    "never ends its body": for_ever(b" " * 65536, ENDLESS),
    "never ends its headers": for_ever(b"X: y\r\n" * 1000, b"HTTP/1.1 200 OK\r\n"),
    "never ends a header": for_ever(b"x" * 65536, b"HTTP/1.1 200 OK\r\nX: "),
    "never ends its chunks": for_ever(
        b"1000\r\n" + b" " * 4096 + b"\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_connection_that_breaks_gives_no_verdict(engine: Engine, server: WildServer, name: str) -> None:
    """P4: reset, cut short, endless."""
    server.behave = BROKEN[name]
    assert refused(engine) in ("engine_unreachable", "engine_answer_invalid", "engine_timeout")
    assert len(server.requests) <= 2


ODD: dict[str, bytes] = {
    **{
        f"status {status}": answer(ALLOW, status=status)
        for status in (
            *(b"201 Created", b"202 Accepted", b"203 Other", b"206 Partial", b"226 IM Used", b"299 Odd"),
            *(b"400 Bad", b"401 No", b"403 No", b"404 Not Found", b"429 Slow", b"500 Oops", b"502 Bad", b"503 Busy"),
        )
    },
    "204 with a body": answer(ALLOW, status=b"204 No Content"),
    "304 with a body": answer(ALLOW, status=b"304 Not Modified"),
    "gzip": answer(gzip.compress(ALLOW), b"Content-Encoding: gzip"),
    "deflate that is none": answer(ALLOW, b"Content-Encoding: deflate"),
    "HTML": answer(b"<html>true</html>"),
    "nothing": answer(b""),
    "two documents": answer(ALLOW + ALLOW),
    "too large": answer(ALLOW[:-1] + b" " * 300_000 + b"}"),
    "whole before it is cut short": GOOD.replace(b"Content-Length: %d" % len(ALLOW), b"Content-Length: 4000"),
    "shorter than what comes": GOOD.replace(b"Content-Length: %d" % len(ALLOW), b"Content-Length: 40"),
    "a warning beside it": answer(ALLOW[:-1] + b', "warning": {"code": "api_usage_warning"}}'),
    "no provenance": answer(b'{"result": true}'),
    "UTF-16": answer(ALLOW.decode().encode("utf-16")),
}


@pytest.mark.parametrize("name", ODD)
def test_an_answer_that_is_no_plain_200_is_no_verdict(engine: Engine, server: WildServer, name: str) -> None:
    """P3: also with a body that would allow."""
    server.behave = lambda connection: (connection.sendall(ODD[name]), connection.shutdown(socket.SHUT_WR))[0]
    assert refused(engine) in ("engine_answer_invalid", "policy_revision_unknown")


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See", b"307 Temporary", b"308 Permanent"])
def test_a_redirect_is_not_followed(engine: Engine, server: WildServer, status: bytes) -> None:
    """P3, K4: neither to another address nor to a file."""
    elsewhere = WildServer()
    try:
        for target in (elsewhere.url, "file:///etc/passwd", server.url + "/v1/data/shop/authz/decision"):
            line = b"Location: " + target.encode()
            server.behave = lambda connection, line=line: connection.sendall(answer(ALLOW, line, status=status))  # type: ignore[misc]
            assert refused(engine) == "engine_answer_invalid"
        assert elsewhere.requests == []
        assert len(server.requests) == 3
    finally:
        elsewhere.close()


def test_a_failing_evaluation_is_told_apart(engine: Engine, server: WildServer) -> None:
    server.behave = lambda connection: connection.sendall(
        answer(b'{"code": "internal_error", "message": "x"}', status=b"500 Internal Server Error")
    )
    assert refused(engine) == "policy_error"


def test_a_connection_that_went_stale_is_replaced_without_a_lost_decision(engine: Engine, server: WildServer) -> None:
    """P4: the server closes an idle connection; the next question is answered all the same."""
    server.behave = lambda connection: (connection.sendall(GOOD), connection.close())[1]
    for _ in range(3):
        assert ask(engine, budget=5).allow
        time.sleep(0.05)


def test_a_late_answer_is_never_taken_for_that_of_the_next_question(engine: Engine, server: WildServer) -> None:
    """P4, X4: a connection whose time was up is not used again."""
    server.behave = lambda connection: (time.sleep(BUDGET + 0.2), connection.sendall(GOOD))[1]
    refused(engine)
    denied = answer(ALLOW.replace(b"true", b"false"))
    server.behave = lambda connection: connection.sendall(denied)
    time.sleep(0.5)
    assert ask(engine, budget=5).allow is False


def test_octets_behind_an_answer_are_not_the_next_answer(engine: Engine, server: WildServer) -> None:
    """P3: a second answer that nobody asked for must not allow what is asked next."""
    denied = answer(ALLOW.replace(b"true", b"false"))
    server.behave = lambda connection: connection.sendall(denied + GOOD)
    for _ in range(2):
        with contextlib.suppress(EngineUnavailable):
            assert ask(engine, budget=5).allow is False
        time.sleep(0.1)


def test_octets_that_come_behind_an_answer_are_not_the_next_answer(engine: Engine, server: WildServer) -> None:
    """P3: also where they come while nothing is asked."""
    denied = answer(ALLOW.replace(b"true", b"false"))
    behind = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.sendall(denied)
        time.sleep(0.05)
        connection.sendall(GOOD)
        behind.set()

    server.behave = behave
    assert ask(engine, budget=5).allow is False
    assert behind.wait(5)
    assert ask(engine, budget=5).allow is False


def test_a_flapping_server_is_asked_again_at_once(engine: Engine, server: WildServer) -> None:
    """P4: it heals with the first good answer; nothing is remembered of the failures."""
    for _ in range(3):
        server.behave = reset
        refused(engine)
        server.behave = lambda connection: connection.sendall(GOOD)
        assert ask(engine, budget=5).allow


def test_no_question_is_sent_when_the_time_is_spent(engine: Engine, server: WildServer) -> None:
    with pytest.raises(EngineUnavailable) as failure:
        ask(engine, budget=-1)
    assert failure.value.code == "engine_timeout"
    assert server.requests == []


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """K10: no proxy and no netrc."""
    server, proxy = WildServer(), WildServer()
    try:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        client = OpaServer(server.url, token="t" * 16)
        assert ask(client, budget=5).allow
        client.close()
        assert proxy.requests == []
    finally:
        server.close()
        proxy.close()


@pytest.mark.parametrize(
    "path", ["", "a", "/a/b", "a/../b", "a//b", "a/b?x", "a/b;c", "a/b#c", "a/b%2fc", "a/b c", "a/b\n", "ä/b", "a/1b"]
)
def test_a_decision_path_that_is_no_constant_of_a_contract_is_never_sent(
    engine: Engine, server: WildServer, path: str
) -> None:
    """P9 (CVE-2025-46569)."""
    with pytest.raises(ValueError, match="Rego identifiers"):
        engine.ask(path, {}, deadline=time.monotonic() + 5)
    assert server.requests == []
