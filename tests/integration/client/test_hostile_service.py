"""Whatever answers in the place of the service: only a strict allow is one, soon, and the token goes nowhere else."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from entitlements.client import Allow, Answer, Batch, BatchAnswer, Client, Deny, Question, Refused, Unavailable
from entitlements.client.aio import AsyncClient
from entitlements.client.asking import MAX_ANSWER
from tests.loopback_server import server_side
from tests.raw_service import ALLOWED, DENIED, JSON_TYPE, RawService, Script, http, raw_service, says

TOKEN = "secret-token-of-the-caller"
ORDER = {"type": "order", "id": "42"}
# No test waits for it, but those that wait for a deadline.
LONG, SHORT = 20.0, 0.3


class Askers:
    """The client for threads, asked in one way."""

    def __init__(self, close: ExitStack) -> None:
        self._close = close

    def client(self, url: str, **options: Any) -> Any:
        return self._close.enter_context(Client(url, **{"contract": "orders", "timeout": LONG, **options}))

    def ask(self, client: Any, token: str | None = TOKEN, **options: Any) -> Answer:
        return cast(Answer, client.authorize(token, "read", ORDER, **options))

    def batch(self, client: Any, questions: list[Question]) -> BatchAnswer:
        return cast(BatchAnswer, client.authorize_batch(TOKEN, questions))


class LoopAskers(Askers):
    """The client for an event loop, asked from outside of the loop."""

    def __init__(self, close: ExitStack) -> None:
        super().__init__(close)
        self._runner = close.enter_context(asyncio.Runner())

    def client(self, url: str, **options: Any) -> Any:
        client = AsyncClient(url, **{"contract": "orders", "timeout": LONG, **options})
        self._close.callback(lambda: self._runner.run(client.close()))
        return client

    def ask(self, client: Any, token: str | None = TOKEN, **options: Any) -> Answer:
        return self._runner.run(client.authorize(token, "read", ORDER, **options))

    def batch(self, client: Any, questions: list[Question]) -> BatchAnswer:
        return self._runner.run(client.authorize_batch(TOKEN, questions))


@pytest.fixture(params=[Askers, LoopAskers], ids=["threads", "loop"])
def asker(request: pytest.FixtureRequest) -> Iterator[Askers]:
    with ExitStack() as close:
        yield request.param(close)


@pytest.fixture
def listening() -> Iterator[Callable[..., RawService]]:
    """Starts what is asked."""
    with ExitStack() as close:
        yield lambda script, tls=None: close.enter_context(raw_service(script, tls))


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (JSON_TYPE.encode(), body)


WHOLE = json.dumps(ALLOWED).encode()
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(WHOLE), WHOLE)
CUT = len(WHOLE) // 2

INVALID: dict[str, bytes] = {
    "HTML": http(b"<html>true</html>", "Content-Type: text/html"),
    "JSON as HTML": http(ALLOWED, "Content-Type: text/html"),
    "no content type": http(ALLOWED, "Server: x"),
    "two content types": http(ALLOWED, JSON_TYPE, "Content-Type: text/html"),
    "another charset": http(ALLOWED, "Content-Type: application/json; charset=utf-16"),
    "decision as a string": http({**ALLOWED, "decision": "true"}),
    "decision as a number": http({**ALLOWED, "decision": 1}),
    "decision as null": http({**ALLOWED, "decision": None}),
    "decision as a list": http({**ALLOWED, "decision": [True]}),
    "no decision": http({name: value for name, value in ALLOWED.items() if name != "decision"}),
    "a decision alone": http(b'{"decision": true}'),
    "true": http(b"true"),
    "a list": http(b"[%b]" % WHOLE),
    "nothing": http(b""),
    "effect of a deny": http({**ALLOWED, "effect": "deny"}),
    "effect of an allow": http({**DENIED, "effect": "allow"}),
    "two decisions": http(WHOLE.replace(b'"decision": true', b'"decision": false, "decision": true')),
    "two decisions by an escape": http(
        WHOLE.replace(b'"decision": true', b'"decision": true, "\\u0064ecision": false')
    ),
    "NaN": http(WHOLE.replace(b'"reasons": []', b'"reasons": [NaN]')),
    "reasons as a string": http({**ALLOWED, "reasons": "x"}),
    "a reason as a number": http({**ALLOWED, "reasons": [1]}),
    "obligations as an object": http({**ALLOWED, "obligations": {}}),
    "obligations as null": http({**ALLOWED, "obligations": None}),
    "no obligations": http({name: value for name, value in ALLOWED.items() if name != "obligations"}),
    "an obligation as a string": http({**ALLOWED, "obligations": ["audit"]}),
    "an obligation without id": http({**ALLOWED, "obligations": [{"acr_values": "mfa"}]}),
    "an unknown member": http({**ALLOWED, "conditions": ["only at night"]}),
    "an allow by no contract": http({**ALLOWED, "contract": None}),
    "an allow by another contract": http({**ALLOWED, "contract": {**ALLOWED["contract"], "name": "payments"}}),
    "an allow by no policy": http({**ALLOWED, "policy": {"revision": None}}),
    "an allow with a violation": http(
        {**ALLOWED, "violations": [{"code": "x", "claim": "roles", "message": "is missing"}]}
    ),
    "a challenge that ends its header": http({**ALLOWED, "www_authenticate": "Bearer\r\nSet-Cookie: a=b"}),
    "a byte order mark": http(b"\xef\xbb\xbf" + WHOLE),
    "UTF-16": http(WHOLE.decode().encode("utf-16")),
    "too deep": http({**ALLOWED, "obligations": json.loads("[" * 60 + "]" * 60)}),
    "more than it says": http(WHOLE) + b"x",
    "two answers": http(DENIED) + http(ALLOWED),
    "gzip": http(gzip.compress(WHOLE), JSON_TYPE, "Content-Encoding: gzip"),
    "a gzip bomb": http(gzip.compress(b" " * 50_000_000 + WHOLE, 1)[:400_000], JSON_TYPE, "Content-Encoding: gzip"),
    "too large by its length": b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 9999999\r\n\r\n" % JSON_TYPE.encode(),
    "too large by its chunks": chunked(b"fffff\r\n" + b" " * 0xFFFFF),
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000,
    "length and chunks": b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%b"
    % (JSON_TYPE.encode(), len(CHUNKS), CHUNKS),
    "neither length nor chunks": b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (JSON_TYPE.encode(), WHOLE),
    "two lengths": http(ALLOWED, JSON_TYPE, f"Content-Length: {len(WHOLE)}"),
    "a chunk of another size": chunked(b"5\r\n%b\r\n0\r\n\r\n" % WHOLE),
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(ALLOWED),
    "HTTP/1.0": http(ALLOWED).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "201": http(ALLOWED, status="201 Created"),
    "202": http(ALLOWED, status="202 Accepted"),
    "500 with an allow": http(ALLOWED, status="500 Internal Server Error"),
    "503 with an allow": http(ALLOWED, status="503 Service Unavailable"),
    "401 with an allow": http(ALLOWED, JSON_TYPE, "WWW-Authenticate: Bearer", status="401 Unauthorized"),
    "401 without a challenge": http(
        {"decision": False, "effect": "deny", "error": "invalid_token", "error_description": "x", "decision_id": "d"},
        status="401 Unauthorized",
    ),
    "401 of a proxy": http(b"who are you?", "Content-Type: text/plain", status="401 Unauthorized"),
    "403": http(b"no", "Content-Type: text/plain", status="403 Forbidden"),
    "502 of a proxy": http(b"<html>", "Content-Type: text/html", status="502 Bad Gateway"),
}


@pytest.mark.parametrize("name", INVALID)
def test_what_is_no_answer_is_unavailable(asker: Askers, listening: Callable[..., RawService], name: str) -> None:
    service = listening(says(INVALID[name], then=False))
    answer = asker.ask(asker.client(service.url))
    assert isinstance(answer, Unavailable)
    assert answer.code == "service_answer_invalid"
    assert TOKEN not in repr(answer)


TRUNCATED = {
    "a length": http(ALLOWED)[:-5],
    "a chunk": chunked(CHUNKS)[:-20],
    "chunks without the last one": chunked(CHUNKS[:-5]),
    "a head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "everything": b"",
    "no HTTP": WHOLE,
    "204": b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
}


@pytest.mark.parametrize("name", TRUNCATED)
def test_truncated_answer_is_unavailable(asker: Askers, listening: Callable[..., RawService], name: str) -> None:
    service = listening(says(TRUNCATED[name], then=False))
    answer = asker.ask(asker.client(service.url))
    assert isinstance(answer, Unavailable)
    assert answer.code == "service_unreachable"
    assert len(service.requests) == 1


def test_204_is_unavailable(asker: Askers, listening: Callable[..., RawService]) -> None:
    service = listening(says(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert isinstance(asker.ask(asker.client(service.url)), Unavailable)


@pytest.mark.parametrize("octets", [http(ALLOWED), chunked(CHUNKS)], ids=["length", "chunks"])
def test_allow_is_read_however_it_is_framed(asker: Askers, listening: Callable[..., RawService], octets: bytes) -> None:
    def slowly(connection: socket.socket, _request: bytes) -> bool:
        for place in range(0, len(octets), 7):
            connection.sendall(octets[place : place + 7])
        return True

    assert isinstance(asker.ask(asker.client(listening(slowly).url)), Allow)


def dripping(octets: bytes) -> Script:
    """A byte now and then, for ever: each is in time for a timeout that begins anew with it."""
    over = threading.Event()

    def drip(connection: socket.socket, _request: bytes) -> bool:
        for octet in octets:
            connection.sendall(bytes([octet]))
            over.wait(SHORT / 4)
        return False

    return drip


def silent(connection: socket.socket, _request: bytes) -> bool:
    return bool(connection.recv(1))


SLOW: dict[str, Script] = {
    "dripping a head": dripping(http(ALLOWED)),
    "dripping a body": lambda connection, request: (
        connection.sendall(http(ALLOWED)[:-100]) or dripping(http(ALLOWED)[-100:])(connection, request)  # type: ignore[func-returns-value]
    ),
    "silence": silent,
    "silence after a head": lambda connection, request: (
        connection.sendall(http(ALLOWED)[:-5]) or silent(connection, request)  # type: ignore[func-returns-value]
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_one_deadline_is_over_the_whole_answer(asker: Askers, listening: Callable[..., RawService], name: str) -> None:
    service = listening(SLOW[name])
    answer = asker.ask(asker.client(service.url, timeout=SHORT))
    assert isinstance(answer, Unavailable)
    assert answer.code == "service_timeout"
    assert len(service.requests) == 1


def test_deadline_is_over_connecting(asker: Askers) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # The queue is full: a further connection is not taken.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        answer = asker.ask(asker.client(f"http://127.0.0.1:{full.getsockname()[1]}", timeout=SHORT))
        for one in waiting:
            one.close()
    assert isinstance(answer, Unavailable)
    assert answer.code == "service_timeout"


def test_deadline_is_over_the_handshake_of_tls(asker: Askers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        answer = asker.ask(asker.client(f"https://127.0.0.1:{mute.getsockname()[1]}", timeout=SHORT))
    assert isinstance(answer, Unavailable)
    assert answer.code == "service_timeout"


def test_deadline_is_over_sending(asker: Askers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client = asker.client(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=SHORT, audience="https://a")
        questions = [Question("read", {"type": "order", "id": "x" * 1000, "properties": {"a": "y" * 3800}})] * 100
        answer = asker.batch(client, questions)
    assert isinstance(answer, Unavailable)
    assert answer.code == "service_timeout"


def test_nobody_there_is_unavailable(asker: Askers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer = asker.ask(asker.client(f"http://127.0.0.1:{port}"))
    assert isinstance(answer, Unavailable)
    assert answer.code == "service_unreachable"


def test_name_that_nobody_has_is_unavailable(asker: Askers) -> None:
    answer = asker.ask(asker.client("http://nobody.invalid"))
    assert isinstance(answer, Unavailable)
    assert answer.code in {"service_unreachable", "service_timeout"}


def test_redirect_is_not_followed(asker: Askers, listening: Callable[..., RawService]) -> None:
    other = listening(says(http(ALLOWED)))
    for status in ("301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
        service = listening(says(http(ALLOWED, JSON_TYPE, f"Location: {other.url}/authorize/orders", status=status)))
        assert isinstance(asker.ask(asker.client(service.url)), Unavailable)
    assert other.connections == 0


def test_environment_changes_nothing(
    asker: Askers, listening: Callable[..., RawService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, service = listening(says(http(ALLOWED))), listening(says(http(DENIED, JSON_TYPE, "Set-Cookie: a=b")))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\ndefault login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    client = asker.client(service.url)
    assert isinstance(asker.ask(client), Deny)
    assert isinstance(asker.ask(client), Deny)
    assert proxy.connections == 0
    for request in service.requests:
        assert request.count(b"\r\nAuthorization: Bearer " + TOKEN.encode()) == 1
        assert request.lower().count(b"authorization") == 1
        assert b"cookie" not in request.lower()


def test_connection_is_used_again(asker: Askers, listening: Callable[..., RawService]) -> None:
    service = listening(says(http(DENIED)))
    client = asker.client(service.url)
    assert all(isinstance(asker.ask(client), Deny) for _ in range(3))
    assert (service.connections, len(service.requests)) == (1, 3)


def test_connection_on_which_something_came_is_not_used_again(
    asker: Askers, listening: Callable[..., RawService]
) -> None:
    answers = iter([http(DENIED), http(DENIED)])
    sent = threading.Event()

    def answer(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(next(answers))
        if not sent.is_set():
            # An allow that nobody asked for waits for the next question.
            asked.wait(10)
            connection.sendall(http(ALLOWED))
            sent.set()
        return True

    asked = threading.Event()
    service = listening(answer)
    client = asker.client(service.url)
    assert isinstance(asker.ask(client), Deny)
    asked.set()
    assert sent.wait(10)
    assert isinstance(asker.ask(client), Deny)
    assert service.connections == 2


@pytest.mark.parametrize("header", ["Connection: close", "Connection: Close, x"])
def test_connection_that_the_service_ends_is_not_used_again(
    asker: Askers, listening: Callable[..., RawService], header: str
) -> None:
    service = listening(says(http(DENIED, JSON_TYPE, header)))
    client = asker.client(service.url)
    assert isinstance(asker.ask(client), Deny)
    assert isinstance(asker.ask(client), Deny)
    assert service.connections == 2


def test_connection_that_was_closed_meanwhile_is_not_used_again(
    asker: Askers, listening: Callable[..., RawService]
) -> None:
    service = listening(says(http(DENIED), then=False))
    client = asker.client(service.url)
    for _ in range(3):
        answer = asker.ask(client)
        # The end may come behind the question, which is not asked twice.
        assert isinstance(answer, Deny | Unavailable)
    assert len(service.requests) <= 3


def test_process_that_was_forked_does_not_share_a_connection(listening: Callable[..., RawService]) -> None:
    service = listening(says(http(DENIED)))
    with ExitStack() as close:
        forked(Askers(close), service)


def forked(asker: Askers, service: RawService) -> None:
    client = asker.client(service.url)
    asker.ask(client)
    with warnings.catch_warnings():
        # That threads run beside a fork is what is tried.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(7 if isinstance(asker.ask(client), Deny) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert isinstance(asker.ask(client), Deny)
    assert service.connections == 2


def test_certificate_that_nobody_vouches_for_is_not_believed(
    asker: Askers, listening: Callable[..., RawService], tmp_path: Path
) -> None:
    public, context = server_side(tmp_path, "localhost")
    service = listening(says(http(ALLOWED)), context)
    answer = asker.ask(asker.client(service.by_name))
    assert isinstance(answer, Unavailable)
    assert answer.code == "service_unreachable"
    trusting = ssl.create_default_context(cafile=str(public))
    known = asker.client(service.by_name, tls=trusting)
    assert isinstance(asker.ask(known), Allow)
    assert isinstance(asker.ask(known), Allow)
    assert len(service.requests) == 2
    # Of another name.
    assert isinstance(asker.ask(asker.client(service.url, tls=trusting)), Unavailable)


def test_connection_by_tls_is_used_again(asker: Askers, listening: Callable[..., RawService], tmp_path: Path) -> None:
    public, context = server_side(tmp_path, "localhost")
    service = listening(says(http(DENIED)), context)
    client = asker.client(service.by_name, tls=ssl.create_default_context(cafile=str(public)))
    assert all(isinstance(asker.ask(client), Deny) for _ in range(3))
    assert service.connections == 1


@pytest.mark.parametrize(
    "token",
    ["", "two words", "a\r\nX-Forged: 1", "a\x00b", "tökên", "x" * 20_000, None],
    ids=["empty", "space", "line", "nul", "unicode", "long", "none"],
)
def test_what_is_no_token_is_not_sent(asker: Askers, listening: Callable[..., RawService], token: str | None) -> None:
    refused = {"decision": False, "effect": "deny", "error": "invalid_token", "error_description": "x"}
    body = http({**refused, "decision_id": "d"}, JSON_TYPE, 'WWW-Authenticate: Bearer realm="x"', status="401 No")
    service = listening(says(body))
    answer = asker.ask(asker.client(service.url), token)
    assert isinstance(answer, Refused)
    assert answer.challenges == ('Bearer realm="x"',)
    assert b"authorization:" not in service.requests[0].lower()
    assert b"X-Forged" not in service.requests[0]


@pytest.mark.parametrize("name", ["a\r\nX-Forged: 1", "x" * 129, "", "ü"])
def test_name_of_a_request_that_fits_no_header_is_not_sent(
    asker: Askers, listening: Callable[..., RawService], name: str
) -> None:
    service = listening(says(http(DENIED)))
    assert isinstance(asker.ask(asker.client(service.url), request_id=name), Deny)
    assert b"x-request-id" not in service.requests[0].lower()
    assert b"X-Forged" not in service.requests[0]


def test_batch_with_fewer_or_more_answers_than_questions_is_unavailable(
    asker: Askers, listening: Callable[..., RawService]
) -> None:
    service = listening(says(http({"batch_id": "b", "answers": [ALLOWED, DENIED]})))
    client = asker.client(service.url, audience="https://orders.example.com")
    answers = [asker.batch(client, [Question("read", ORDER)] * count) for count in (1, 2, 3)]
    assert [isinstance(answer, Batch) for answer in answers] == [False, True, False]


@pytest.mark.parametrize(
    "item",
    [
        {**ALLOWED, "decision": "true"},
        {**ALLOWED, "error": "x"},
        {"error": "decision_unavailable", "decision": True},
        {"decision": True},
        {},
        [],
        True,
        None,
    ],
    ids=["string", "error", "unavailable", "bare", "empty", "list", "true", "null"],
)
def test_batch_with_an_answer_that_is_none_is_unavailable_as_a_whole(
    asker: Askers, listening: Callable[..., RawService], item: Any
) -> None:
    service = listening(says(http({"batch_id": "b", "answers": [ALLOWED, item]})))
    client = asker.client(service.url, audience="https://orders.example.com")
    assert isinstance(asker.batch(client, [Question("read", ORDER)] * 2), Unavailable)


def test_largest_answer_is_read_and_one_larger_is_not(asker: Askers, listening: Callable[..., RawService]) -> None:
    padding = MAX_ANSWER - len(http({**DENIED, "reasons": [""]}).partition(b"\r\n\r\n")[2])
    found = []
    for length in (padding, padding + 1):
        service = listening(says(http({**DENIED, "reasons": ["x" * length]})))
        found.append(type(asker.ask(asker.client(service.url))))
    assert found == [Deny, Unavailable]


def test_nothing_is_written_anywhere(listening: Callable[..., RawService]) -> None:
    service = listening(says(INVALID["HTML"]))
    code = (
        "import logging, sys; logging.basicConfig(level=0)\n"
        "from entitlements.client import Client\n"
        f"client = Client({service.url!r}, contract='orders')\n"
        f"answer = client.authorize({TOKEN!r}, 'read', {{'type': 'order', 'id': '1'}})\n"
        "sys.exit(type(answer).__name__ != 'Unavailable')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_connection_of_another_loop_is_not_used(listening: Callable[..., RawService]) -> None:
    service = listening(says(http(DENIED)))
    client = AsyncClient(service.url, contract="orders", timeout=LONG)
    with asyncio.Runner() as one, asyncio.Runner() as other:
        for runner in (one, other, one):
            assert isinstance(runner.run(client.authorize(TOKEN, "read", ORDER)), Deny)
        one.run(client.close())
        other.run(asyncio.sleep(0))
    assert service.connections == 3


def test_question_that_is_cancelled_ends_its_connection(listening: Callable[..., RawService]) -> None:
    came = threading.Event()

    def answer(connection: socket.socket, request: bytes) -> bool:
        came.set()
        return silent(connection, request)

    service = listening(answer)

    async def cancelled() -> Answer:
        async with AsyncClient(service.url, contract="orders", timeout=LONG) as client:
            task = asyncio.create_task(client.authorize(TOKEN, "read", ORDER))
            await asyncio.to_thread(came.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            service.script = says(http(DENIED))
            return await client.authorize(TOKEN, "read", ORDER)

    assert isinstance(asyncio.run(cancelled()), Deny)
    assert service.connections == 2


def test_questions_at_once_have_connections_of_their_own(listening: Callable[..., RawService]) -> None:
    def answer(connection: socket.socket, request: bytes) -> bool:
        number = json.loads(request.partition(b"\r\n\r\n")[2])["resource"]["id"]
        connection.sendall(http({**DENIED, "reasons": [number]}))
        return True

    service = listening(answer)

    async def many() -> list[Answer]:
        async with AsyncClient(service.url, contract="orders", timeout=LONG, connections=4) as client:
            asked = [client.authorize(TOKEN, "read", {**ORDER, "id": str(number)}) for number in range(20)]
            first = await asyncio.gather(*asked)
            return [*first, await client.authorize(TOKEN, "read", {**ORDER, "id": "20"})]

    answers = asyncio.run(many())
    assert [answer.reasons for answer in answers if isinstance(answer, Deny)] == [
        (str(number),) for number in range(21)
    ]
    assert service.connections == 20
