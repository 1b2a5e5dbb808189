"""Two services, one with the lean route and one without: whatever is sent to both is answered and logged alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Reply, RunningService, StartService
from tests.wire.conftest import GOOD, Wire

_ID = re.compile(rb'("(?:decision|batch)_id": ")[0-9a-f-]{36}"')
_VARYING = ("time", "decision_id", "duration_ms", "batch_id")


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


LINES = (
    b"X-A: a\r\n b",
    b"X-A : b",
    b"X-A: \x01",
    b"X-A: a\rb",
    b"X-A: a\nX-B: b",
    b": b",
    b"Accept: \xff\r\nAccept: b",
    b"User-Agent: \xff",
    b"X-Request-ID: a\tb",
    b"X_Request_ID: a",
    b"Content_Type: text/plain",
    b"Content-Length: +1",
    b"Transfer_Encoding: chunked",
    b"Transfer-Encoding : chunked",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"DPoP: a.b.c",
    b"Upgrade: h2c",
    b"Content-Encoding: identity",
    b"X-HTTP-Method-Override: GET",
    b"X-Original-URL: /healthz",
    b"Forwarded: host=evil;proto=https",
)
FORMS = (
    b"AUTHORIZATION:Bearer %b",
    b"Authorization:\t Bearer %b \t",
    b"Authorization: Bearer  %b",
    b"Authorization: Bearer\t%b",
    b"Authorization: BEARER %b",
    b"Authorization: Bearer %b=",
    b"Authorization: Bearer %b, Bearer x",
    b'Authorization: Bearer "%b"',
    b"Authorization: Bearer\r\n %b",
    b"Authorization: Bearer %b\xff",
    b"Authorization: DPoP %b",
    b"Proxy-Authorization: Bearer %b",
)
HOSTS = (b"x:", b"x:99999", b"x.", b"u:p@x", b"x,y", b"[::1", b"[fe80::1%eth0]", b"xn--", b"\xc3\xa9", b"a." * 200, b"")
BODIES: dict[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda good: b"\xef\xbb\xbf" + good,
    "UTF-16": lambda good: good.decode().encode("utf-16"),
    "NUL behind it": lambda good: good + b"\0",
    "a second one": lambda good: good + good,
    "a member twice by an escape": lambda good: good[:-1] + b',"\\u0061udience":"x"}',
    "a lone surrogate": lambda good: good.replace(b'"42"', b'"\\ud800"'),
    "the bytes of a surrogate": lambda good: good.replace(b'"42"', b'"\xed\xa0\x80"'),
    "a pair of surrogates": lambda good: good.replace(b'"42"', b'"\\ud83d\\ude00"'),
    "an escape of an escape of NUL": lambda good: good.replace(b'"42"', b'"\\\\u0000"'),
    "a line of the log": lambda good: good.replace(b'"42"', b'"\\",\\"effect\\":\\"deny\\n"'),
    "a number beyond a double": lambda good: good.replace(b'"t_1"', b"1e400"),
    "the time by an escape": lambda good: good[:-1] + b',"context":{"tim\\u0065":1}}',
    "a member without a name": lambda good: good[:-1] + b',"":1}',
    "as large as the lean route takes": lambda good: good.ljust(8192),
    "larger by one": lambda good: good.ljust(8193),
    "as large as is taken": lambda good: good.ljust(65536),
    "too large by one": lambda good: good.ljust(65537),
}
Request = Callable[[Wire], bytes]


def with_line(line: bytes) -> Request:
    return lambda wire: wire.ask(line)


def with_credentials(form: bytes) -> Request:
    return lambda wire: wire.ask(bearer=form % wire.token.encode())


def with_host(host: bytes) -> Request:
    return lambda wire: wire.ask().replace(b"Host: x\r\n", b"Host: " + host + b"\r\n")


def with_body(change: Callable[[bytes], bytes]) -> Request:
    return lambda wire: wire.ask(body=change(wire.good))


REQUESTS: dict[str, Request] = {
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
    **{f"a line: {line!r}": with_line(line) for line in LINES},
    **{f"the credentials: {form!r}": with_credentials(form) for form in FORMS},
    **{f"the host: {host[:20]!r}": with_host(host) for host in HOSTS},
    **{f"the body: {name}": with_body(change) for name, change in BODIES.items()},
    "a batch": lambda wire: wire.ask(
        first=b"POST /authorize/batch HTTP/1.1",
        body=json.dumps({"requests": [{name: GOOD[name] for name in ("action", "resource")}] * 3}).encode(),
    ),
    "good and bad ones in a row": lambda wire: (
        b"".join(
            one.replace(b"Connection: close\r\n", b"")
            for one in (
                wire.ask(),
                wire.ask(body=b"{}"),
                wire.ask(b"A: b"),
                wire.ask(first=b"POST /authorize?a HTTP/1.1"),
            )
        )
        + wire.ask()
    ),
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
