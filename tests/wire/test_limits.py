"""H10: everything is bounded, and who is slow or large disturbs no one else."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunningService
    from tests.wire.conftest import Wire

LIMIT = 64 * 1024


def padded(wire: Wire, size: int) -> bytes:
    return wire.good + b" " * (size - len(wire.good))


def test_the_largest_body_is_decided_and_the_next_is_refused(service: RunningService, wire: Wire) -> None:
    before = len(service.rows())
    assert service.one(wire.ask(body=padded(wire, LIMIT))).allows
    reply = service.one(wire.ask(body=padded(wire, LIMIT + 1)) + wire.ask())
    assert (reply.status, reply.json()["error"]) == (413, "request_too_large")
    assert len(service.rows()) == before + 1


def test_a_body_of_a_megabyte_is_refused_and_what_follows_is_not_read(service: RunningService, wire: Wire) -> None:
    before = len(service.rows())
    for _ in range(5):
        assert service.one(wire.ask(body=padded(wire, 1_000_000)) + wire.ask()).status == 413
    announced = wire.raw(b"Host: x", wire.bearer, b"Content-Type: application/json", b"Content-Length: 999999999")
    assert service.one(announced).status == 413
    assert len(service.rows()) == before


def test_a_long_token_is_refused(service: RunningService, wire: Wire) -> None:
    """C14: longer than a token may be, longer than headers may be, longer than the reader's buffer."""
    before = len(service.rows())
    found = [service.one(wire.ask(bearer=b"Authorization: Bearer " + b"a" * n)).status for n in (16385, 20000, 65536)]
    assert found == [401, 401, 431]
    assert [row["refusal"] for row in service.rows()[before:]] == ["token_too_large"] * 2


def test_a_token_of_dots_is_refused(service: RunningService, wire: Wire) -> None:
    """C14."""
    assert service.one(wire.ask(bearer=b"Authorization: Bearer " + b"." * 15000)).status == 401


@pytest.mark.parametrize("count", [101, 5000])
def test_many_headers_are_refused(service: RunningService, wire: Wire, count: int) -> None:
    before = len(service.rows())
    reply = service.exchange(wire.ask(*(b"X-%d: 1" % number for number in range(count))))
    assert [answer.status for answer in reply] == [431]
    assert len(service.rows()) == before


def test_the_faults_of_a_body_full_of_them_are_bounded(service: RunningService, wire: Wire) -> None:
    """H10, H11: a body of 64 KiB must not be answered with a quarter of a megabyte."""
    many = {f"k{number}": 0 for number in range(4000)}
    resource = {"type": "order", "id": "1", "properties": {**many, "tenant": "t_1"}}
    for body in (wire.body(**many), wire.body(resource=resource)):
        reply = service.one(wire.ask(body=body))
        assert reply.status == 400
        assert len(reply.json()["details"]) == 100


def test_an_address_that_is_too_long_is_refused(service: RunningService, wire: Wire) -> None:
    for size, wanted in ((9_000, 200), (70_000, 431)):
        reply = service.one(wire.ask(first=b"POST /authorize?" + b"a" * size + b" HTTP/1.1"))
        assert reply.status == wanted


def test_a_client_that_waits_to_be_told_to_continue_is_told(service: RunningService, wire: Wire) -> None:
    assert service.one(wire.ask(b"Expect: 100-continue")).allows


def test_fifty_slow_clients_hold_up_nobody_and_are_ended(service: RunningService, wire: Wire) -> None:
    """H10, slowloris: half of them stop in their headers, half in their body; each is ended and decides nothing."""
    before = len(service.rows())
    body = wire.ask().replace(b"Content-Length: %d" % len(wire.good), b"Content-Length: 4096")
    headers = b"POST /authorize HTTP/1.1\r\nHost: x\r\nX-A: "
    with contextlib.ExitStack() as open_connections:
        slow: list[tuple[bool, socket.socket]] = []
        for number in range(50):
            connection = open_connections.enter_context(socket.create_connection(service.address, timeout=30))
            in_body = number % 2 == 0
            connection.sendall(body if in_body else headers)
            slow.append((in_body, connection))
        assert all(service.one(wire.ask()).allows for _ in range(100))
        for in_body, connection in slow:
            received = read_to_end(connection)
            if in_body:
                assert received.startswith(b"HTTP/1.1 408 ")
                assert b'"error": "request_timeout"' in received
            else:
                assert b" 200 " not in received
    assert len(service.rows()) == before + 100


def memory(service: RunningService) -> int:
    """Bytes of the serving processes but OPA that are in memory."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError, KeyError):
            facts = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            if str(service.process.pid) in (facts["Pid"].strip(), facts["PPid"].strip()):
                total += int(facts["VmRSS"].split()[0]) * 1024
    return total


def test_large_requests_leave_memory_as_it_was(service: RunningService, wire: Wire) -> None:
    """H10, C14: 32 MB at most, whatever is sent."""
    large = [
        wire.ask(body=padded(wire, 1_000_000)),
        wire.ask(body=padded(wire, LIMIT)),
        wire.ask(*(b"X-%d: 1" % number for number in range(5000))),
        wire.ask(bearer=b"Authorization: Bearer " + b"." * 200_000),
        wire.ask(bearer=b"Authorization: Bearer " + b"a" * 16385),
        wire.ask(body=b"[" * LIMIT),
        wire.ask(body=wire.body(**{f"k{number}": 0 for number in range(4000)})),
        wire.raw(b"Host: x", b"Transfer-Encoding: chunked", body=(b"1000\r\n" + b" " * 4096 + b"\r\n") * 100),
    ]
    for data in large * 2:
        service.exchange(data)
    before = memory(service)
    for data in large * 15:
        service.exchange(data)
    assert memory(service) - before < 32 * 1024 * 1024


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_clients_that_vanish_leave_the_service_well(service: RunningService, wire: Wire) -> None:
    """Cut off at every part of a request: no answer is owed, nothing is decided but by whole requests."""
    before = len(service.rows())
    data = wire.ask()
    for length in range(1, len(data), 23):
        with socket.create_connection(service.address, timeout=30) as connection:
            connection.sendall(data[:length])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    reply: Any = service.one(wire.ask())
    assert reply.allows
    assert len(service.rows()) == before + 1
