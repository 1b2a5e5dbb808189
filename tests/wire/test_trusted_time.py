"""The time of a decision is the service's own: a caller that sends one is answered with 400."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunningService
    from tests.wire.conftest import Wire


@pytest.mark.parametrize("value", [None, 0, "2026-11-26T11:00:00Z", {}, {"seconds": 0}], ids=repr)
def test_a_time_in_the_context_is_answered_with_400(service: RunningService, wire: Wire, value: Any) -> None:
    reply = service.one(wire.ask(body=wire.body(context={"time": value})))
    assert (reply.status, reply.json()["code"]) == (400, "request_malformed")
    assert reply.json()["details"] == {"context.time": ["is the service's own, leave it out"]}


def test_a_time_by_escape_is_the_same(service: RunningService, wire: Wire) -> None:
    body = wire.body(context={"time": 1}).replace(b'"time"', b'"\\u0074ime"')
    assert json.loads(body)["context"] == {"time": 1}
    assert service.one(wire.ask(body=body)).status == 400


def test_a_time_is_400_whatever_the_token(service: RunningService, wire: Wire) -> None:
    body = wire.body(context={"time": 1})
    assert service.one(wire.ask(body=body, bearer=b"Authorization: Bearer junk")).status == 400


@pytest.mark.parametrize("name", ["time", "\\u0074ime"])
def test_a_time_in_one_request_of_many_is_answered_with_400(service: RunningService, wire: Wire, name: str) -> None:
    resource = '{"type": "order", "id": "42", "properties": {"tenant": "t_1"}}'
    one = f'{{"action": "read", "resource": {resource}}}'
    other = f'{{"action": "read", "resource": {resource}, "context": {{"{name}": {{"seconds": 0}}}}}}'
    body = f'{{"audience": "https://orders.example.com", "requests": [{one}, {other}]}}'.encode()
    before = len(service.rows())
    reply = service.one(wire.ask(body=body, first=b"POST /authorize/batch HTTP/1.1"))
    assert reply.status == 400
    assert "context.time" in json.dumps(reply.json())
    assert len(service.rows()) == before
