"""The clients of the child OPA, for threads and for a loop: all that is tried against that of servers, and more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping

import pytest

from entitlements.engine.child_client import ChildClient
from entitlements.engine.loop_client import LoopClient
from entitlements.engine.unix_socket import Check, only_process
from entitlements.errors import EngineUnavailable
from entitlements.model import JSON, Verdict
from tests.integration.engine.test_opa_server import (
    ALLOW,
    GOOD,
    WildServer,
    answer,
    ask,
    drip,
    refused,
    test_a_connection_that_breaks_gives_no_verdict,
    test_a_connection_that_went_stale_is_replaced_without_a_lost_decision,
    test_a_decision_path_that_is_no_constant_of_a_contract_is_never_sent,
    test_a_failing_evaluation_is_told_apart,
    test_a_flapping_server_is_asked_again_at_once,
    test_a_good_answer_is_a_verdict_and_the_query_is_the_strict_one,
    test_a_late_answer_is_never_taken_for_that_of_the_next_question,
    test_a_redirect_is_not_followed,
    test_a_server_that_takes_too_long_is_given_up_at_the_total_deadline,
    test_an_answer_that_is_no_plain_200_is_no_verdict,
    test_no_question_is_sent_when_the_time_is_spent,
    test_octets_behind_an_answer_are_not_the_next_answer,
    test_octets_that_come_behind_an_answer_are_not_the_next_answer,
    wild_child,
)

__all__ = [
    "test_a_connection_that_breaks_gives_no_verdict",
    "test_a_connection_that_went_stale_is_replaced_without_a_lost_decision",
    "test_a_decision_path_that_is_no_constant_of_a_contract_is_never_sent",
    "test_a_failing_evaluation_is_told_apart",
    "test_a_flapping_server_is_asked_again_at_once",
    "test_a_good_answer_is_a_verdict_and_the_query_is_the_strict_one",
    "test_a_late_answer_is_never_taken_for_that_of_the_next_question",
    "test_a_redirect_is_not_followed",
    "test_a_server_that_takes_too_long_is_given_up_at_the_total_deadline",
    "test_an_answer_that_is_no_plain_200_is_no_verdict",
    "test_no_question_is_sent_when_the_time_is_spent",
    "test_octets_behind_an_answer_are_not_the_next_answer",
    "test_octets_that_come_behind_an_answer_are_not_the_next_answer",
]


@pytest.fixture
def server() -> Iterator[WildServer]:
    with wild_child() as wild:
        yield wild


class OnLoop:
    """The client for a loop, for whoever has none."""

    def __init__(self, path: str, check: Check | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = LoopClient(path, check=check or only_process(os.getpid(), lambda: True))

    def ask(self, decision_path: str, policy_input: Mapping[str, JSON], *, deadline: float) -> Verdict:
        return self.loop.run_until_complete(self.client.ask(decision_path, policy_input, deadline=deadline))

    @property
    def _idle(self) -> object:
        self.loop.run_until_complete(asyncio.sleep(0))
        return self.client._idle

    def close(self) -> None:
        self.client.close()

    def end(self) -> None:
        self.close()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


Client = ChildClient | OnLoop


@pytest.fixture(params=["for threads", "for a loop"])
def engine(server: WildServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    path = server.url.removeprefix("unix://")
    if request.param == "for a loop":
        on_loop = OnLoop(path)
        yield on_loop
        on_loop.end()
        return
    client = ChildClient(path, check=only_process(os.getpid(), lambda: True), probe="shop/authz/decision")
    yield client
    client.close()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ALLOW), ALLOW)
IN_PARTS = CHUNKED + b"".join(b"1\r\n%b\r\n" % ALLOW[i : i + 1] for i in range(len(ALLOW))) + b"0\r\n\r\n"


@pytest.mark.parametrize("octets", [GOOD, WHOLE, IN_PARTS], ids=["by length", "one chunk", "chunks of an octet"])
def test_an_answer_is_taken_however_it_is_cut_up(engine: Client, server: WildServer, octets: bytes) -> None:
    for size in (len(octets), 7, 1):

        def behave(connection: socket.socket, size: int = size) -> None:
            for place in range(0, len(octets), size):
                connection.sendall(octets[place : place + size])

        server.behave = behave
        assert ask(engine, budget=10).allow
    assert len(server.requests) == 3


def test_a_connection_is_used_again(engine: Client, server: WildServer) -> None:
    for _ in range(5):
        assert ask(engine, budget=5).allow
    assert len(server._open) == 1


UNCLEAR: dict[str, bytes] = {
    "length and chunks": WHOLE.replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(ALLOW), 1),
    "two equal lengths": answer(ALLOW, b"Content-Length: %d" % len(ALLOW)),
    "a length with a sign": GOOD.replace(b"Content-Length: ", b"Content-Length: +"),
    "a length in two words": GOOD.replace(b"Content-Length: ", b"Content-Length: 7 "),
    "two codings": WHOLE.replace(b"chunked", b"chunked, chunked"),
    "another coding": WHOLE.replace(b"chunked", b"identity"),
    "two lines of codings": WHOLE.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1),
    "a chunk with an extension": WHOLE.replace(b"%x\r\n" % len(ALLOW), b"%x;a=b\r\n" % len(ALLOW)),
    "a trailer": WHOLE.replace(b"\r\n0\r\n\r\n", b"\r\n0\r\nX: y\r\n\r\n"),
    "a chunk that is longer than told": WHOLE.replace(b"%x\r\n" % len(ALLOW), b"%x\r\n" % (len(ALLOW) - 1)),
    "a chunk size with a sign": WHOLE.replace(b"%x\r\n" % len(ALLOW), b"+%x\r\n" % len(ALLOW)),
    "a chunk size of many digits": WHOLE.replace(b"%x\r\n" % len(ALLOW), b"0" * 50 + b"%x\r\n" % len(ALLOW)),
    "a folded line": GOOD.replace(b"\r\n\r\n", b"\r\n folded\r\n\r\n", 1),
    "a space before the colon": GOOD.replace(b"Content-Length:", b"Content-Length :"),
    "bare line ends": GOOD.replace(b"\r\n", b"\n"),
    "a bare line end in a header": GOOD.replace(b"json\r\n", b"json\nContent-Length: 0\r\n"),
    "NUL in a header": GOOD.replace(b"json\r\n", b"json\0\r\n"),
    "HTTP 1.0": GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a status of four digits": GOOD.replace(b"200", b"2000"),
    "an interim answer first": b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
    "octets before it": b"\r\n" + GOOD,
    "octets behind it": GOOD + b"\r\n",
    "a second answer behind it": GOOD + GOOD,
    "octets behind the last chunk": WHOLE + b"x",
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_an_answer_with_two_readings_is_no_verdict(engine: Client, server: WildServer, name: str) -> None:
    """P3: although the body would allow."""
    server.behave = lambda connection: (connection.sendall(UNCLEAR[name]), connection.shutdown(socket.SHUT_WR))[0]
    assert refused(engine) == "engine_answer_invalid"


def test_an_answer_that_asks_to_close_is_taken_and_the_connection_is_not_used_again(
    engine: Client, server: WildServer
) -> None:
    server.behave = lambda connection: connection.sendall(answer(ALLOW, b"Connection: close"))
    assert ask(engine, budget=5).allow
    assert ask(engine, budget=5).allow
    assert len(server._open) == 2


def test_a_connection_that_failed_once_is_not_used_again(engine: Client, server: WildServer) -> None:
    server.behave = lambda connection: connection.sendall(answer(ALLOW, b"Content-Encoding: gzip"))
    refused(engine)
    server.behave = lambda connection: connection.sendall(GOOD)
    assert ask(engine, budget=5).allow
    assert len(server._open) == 2


def test_a_connection_that_dies_under_a_question_is_replaced_once(engine: Client, server: WildServer) -> None:
    """Each question is sent once more at most, and only where no octet of an answer came."""
    assert ask(engine, budget=5).allow
    server.behave = lambda connection: connection.close()
    with pytest.raises(EngineUnavailable) as failure:
        ask(engine, budget=5)
    assert failure.value.code == "engine_unreachable"
    assert len(server.requests) == 3


def test_nothing_is_kept_once_it_is_closed(engine: Client, server: WildServer) -> None:
    def behave(connection: socket.socket) -> None:
        engine.close()
        connection.sendall(GOOD)

    server.behave = behave
    assert ask(engine, budget=5).allow
    assert not engine._idle


def test_a_question_larger_than_the_socket_takes_at_once_arrives_whole(engine: Client, server: WildServer) -> None:
    text = "x" * 2_000_000
    assert engine.ask("shop/authz/decision", {"text": text}, deadline=time.monotonic() + 20).allow
    assert server.requests[0].endswith(b'{"input":{"text":"%b"}}' % text.encode())


def test_a_peer_that_reads_nothing_is_given_up_at_the_deadline(server: WildServer) -> None:
    path = server.url.removeprefix("unix://") + "2"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(path)
        deaf.listen()
        client = ChildClient(path, check=lambda _: None, probe="shop/authz/decision")
        with pytest.raises(EngineUnavailable) as failure:
            client.ask("shop/authz/decision", {"text": "x" * 2_000_000}, deadline=time.monotonic() + 0.2)
        assert failure.value.code == "engine_timeout"
        client.close()


@pytest.mark.parametrize("early", [GOOD, GOOD[:10]], ids=["whole", "a part"])
@pytest.mark.parametrize("kind", ["for threads", "for a loop"])
def test_octets_that_come_before_the_question_are_not_its_answer(server: WildServer, kind: str, early: bytes) -> None:
    path = server.url.removeprefix("unix://") + "3"

    def waits_for_it(connection: socket.socket) -> None:
        peer, _ = listening.accept()
        peers.append(peer)
        peer.sendall(early)

    peers: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen()
        on_loop = kind == "for a loop"
        engine: Client = OnLoop(path, waits_for_it) if on_loop else ChildClient(path, check=waits_for_it, probe="a/b")
        assert refused(engine) == "engine_answer_invalid"
        (peer,) = peers
        with peer, contextlib.suppress(ConnectionResetError):
            # Nothing was asked.
            assert peer.recv(1) == b""
        (engine.end if isinstance(engine, OnLoop) else engine.close)()


def test_deadline_that_is_not_a_number_has_passed(engine: Client, server: WildServer) -> None:
    with pytest.raises(EngineUnavailable) as failure:
        engine.ask("shop/authz/decision", {}, deadline=float("nan"))
    assert (failure.value.code, server.requests) == ("engine_timeout", [])


def test_the_deadline_is_one_for_all_octets_of_an_answer(engine: Client, server: WildServer) -> None:
    """P4: each octet comes long before the deadline, and the last one after it."""
    server.behave = drip(GOOD, 0.03)
    assert refused(engine) == "engine_timeout"
