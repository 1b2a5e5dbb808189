"""Two services, one with the lean route and one without: whatever is sent to both is answered and logged alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Reply, RunningService, StartService
from tests.wire.conftest import Wire

_ID = re.compile(rb'("decision_id": ")[0-9a-f-]{36}"')
_VARYING = ("time", "decision_id", "duration_ms")


@pytest.fixture(scope="module")
def ordinary(start_service: StartService) -> RunningService:
    return start_service({"ENTITLEMENTS_LEAN": "0"})


def said(service: RunningService, octets: bytes) -> tuple[list[Reply], list[dict[str, Any]]]:
    before = len(service.rows())
    return service.exchange(octets), service.rows()[before:]


def left_out(found: tuple[list[Reply], list[dict[str, Any]]]) -> Any:
    """What has to be the same: all but ids and times."""
    replies, rows = found
    heads = [{name: values for name, values in reply.headers.items() if name != "date"} for reply in replies]
    bodies = [_ID.sub(rb'\1"', reply.body) for reply in replies]
    kept = [[(name, value) for name, value in row.items() if name not in _VARYING] for row in rows]
    return [reply.status for reply in replies], heads, bodies, kept


def lean_answers(service: RunningService, wire: Wire) -> float:
    text = service.one(wire.get("/metrics")).body.decode()
    found = re.search(r'^entitlements_requests_lean_total\{outcome="answered"\} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


REQUESTS: dict[str, Callable[[Wire], bytes]] = {
    "plain": lambda wire: wire.ask(),
    "by the contract": lambda wire: wire.ask(first=b"POST /authorize/orders HTTP/1.1"),
    "with an id": lambda wire: wire.ask(b"X-Request-ID: r-1"),
    "a denial": lambda wire: wire.ask(body=wire.body(action="refund")),
    "another tenant": lambda wire: wire.ask(
        body=wire.body(resource={"type": "order", "id": "\u00e9", "properties": {"tenant": "t_2"}})
    ),
    "two in a row": lambda wire: wire.ask().replace(b"Connection: close\r\n", b"") + wire.ask(),
    "an id twice": lambda wire: wire.ask(b"X-Request-ID: a", b"X-Request-ID: b"),
    "a query": lambda wire: wire.ask(first=b"POST /authorize?a=b HTTP/1.1"),
    "HTTP/1.0": lambda wire: wire.ask(first=b"POST /authorize HTTP/1.0"),
    "an absolute address": lambda wire: wire.ask(first=b"POST http://x/authorize HTTP/1.1"),
    "no host": lambda wire: wire.ask().replace(b"Host: x\r\n", b""),
    "another host": lambda wire: wire.ask().replace(b"Host: x\r\n", b"Host: a_b\r\n"),
    "no token": lambda wire: wire.ask(bearer=b""),
    "two tokens": lambda wire: wire.ask(wire.bearer),
    "a cookie": lambda wire: wire.ask(b"Cookie: a=b"),
    "another media type": lambda wire: wire.ask(content_type=b"Content-Type: text/json"),
    "malformed": lambda wire: wire.ask(body=b'{"action": "read"}'),
    "undeclared": lambda wire: wire.ask(body=wire.body(context={"a": 1})),
    "a proof": lambda wire: wire.ask(body=wire.body(proof={"mtls": {"x5t#S256": "A" * 43}})),
    "a chunked body": lambda wire: wire.ask(b"Transfer-Encoding: chunked"),
    "a large body": lambda wire: wire.ask(body=wire.body(context={"a": "x" * 10_000})),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_request_is_answered_and_logged_alike(
    service: RunningService, ordinary: RunningService, wire: Wire, name: str
) -> None:
    octets = REQUESTS[name](wire)
    service.one(wire.ask())
    assert left_out(said(service, octets)) == left_out(said(ordinary, octets))


def test_plain_request_is_answered_by_the_lean_route_unless_that_is_turned_off(
    service: RunningService, ordinary: RunningService, wire: Wire
) -> None:
    for one, wanted in ((service, 3), (ordinary, 0)):
        one.one(wire.ask())
        before = lean_answers(one, wire)
        for name in ("plain", "by the contract", "with an id"):
            assert one.one(REQUESTS[name](wire)).allows
        assert lean_answers(one, wire) - before == wanted
