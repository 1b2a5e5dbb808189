"""Many requests in one: each is answered as it would be alone, and the whole is bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import RunningService
from tests.wire.conftest import GOOD, Wire

ORDERS = GOOD["audience"]


def question(number: int = 42, **changes: Any) -> dict[str, Any]:
    resource = {"type": "order", "id": str(number), "properties": {"tenant": "t_1"}}
    return {"action": "read", "resource": resource, **changes}


def asked(wire: Wire, *lines: bytes, body: Any, **options: Any) -> bytes:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return wire.ask(*lines, body=octets, first=b"POST /authorize/batch HTTP/1.1", **options)


QUESTIONS = {
    "allowed": question(),
    "denied by the tenant": question(resource={"type": "order", "id": "1", "properties": {"tenant": "t_2"}}),
    "denied by the role": question(action="refund"),
    "refused by the contract": question(action="fly"),
    "an undeclared property": question(resource={"type": "order", "id": "1", "properties": {"nobody": 1}}),
}


def test_each_answer_is_that_of_the_request_alone(service: RunningService, wire: Wire) -> None:
    before = len(service.rows())
    reply = service.one(
        asked(wire, b"X-Request-ID: page-1", body={"audience": ORDERS, "requests": [*QUESTIONS.values()]})
    )
    rows = service.rows()[before:]
    assert (reply.status, reply.headers["x-request-id"]) == (200, ["page-1"])
    answers = reply.json()["answers"]
    alone = [service.one(wire.ask(body=wire.body(**one))).json() for one in QUESTIONS.values()]
    for answer, other in zip(answers, alone, strict=True):
        assert {**answer, "decision_id": ""} == {**other, "decision_id": ""}
    assert [answer.get("decision") for answer in answers] == [True, False, False, None, None]
    # A request that the contract refuses has no line, as alone.
    assert [row["decision_id"] for row in rows] == [answers[place]["decision_id"] for place in range(3)]
    assert {(row["batch_id"], row["request_id"]) for row in rows} == {(reply.json()["batch_id"], "page-1")}


def test_request_of_a_batch_may_nest_as_deep_as_one_alone(service: RunningService, wire: Wire) -> None:
    statuses = []
    for depth in (30, 31):
        nested: Any = []
        for _ in range(depth - 1):
            nested = [nested]
        one = question(context={"deep": nested})
        alone = service.one(wire.ask(body=wire.body(**one)))
        reply = service.one(asked(wire, body={"audience": ORDERS, "requests": [one]}))
        statuses.append(
            (alone.json().get("code"), reply.json().get("code", reply.json().get("answers", [{}])[0].get("code")))
        )
    assert [one == other for one, other in statuses] == [True, True]
    assert statuses[0] != statuses[1]


def test_hundred_requests_are_answered_in_their_order_and_one_more_is_refused(
    service: RunningService, wire: Wire
) -> None:
    many = [question(number) for number in range(100)]
    before = len(service.rows())
    # More than a single request may have.
    padded = [{**one, "resource": {**one["resource"], "id": one["resource"]["id"] + "x" * 900}} for one in many]
    body = json.dumps({"audience": ORDERS, "requests": padded}).encode()
    assert len(body) > 64 * 1024
    reply = service.one(asked(wire, body=body))
    answers = reply.json()["answers"]
    assert len(answers) == 100
    ids = [answer["decision_id"] for answer in answers if "decision_id" in answer]
    rows = service.rows()[before:]
    assert [row["decision_id"] for row in rows] == ids
    assert [row["resource_id"].rstrip("x") for row in rows] == [str(number) for number in range(len(rows))]
    assert service.one(asked(wire, body={"audience": ORDERS, "requests": [*many, question()]})).status == 400


MALFORMED: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "body"),
    "a member twice": (b'{"requests":[],"requests":[]}', "body"),
    "no requests": ({"audience": ORDERS}, "requests"),
    "an empty list": ({"audience": ORDERS, "requests": []}, "requests"),
    "a single question": (GOOD, "action"),
    "one request malformed": ({"requests": [question(), question(action="")]}, "requests.1.action.name"),
    "an audience within": ({"requests": [{**question(), "audience": ORDERS}]}, "requests.0.audience"),
    "a proof within": ({"requests": [{**question(), "proof": {}}]}, "requests.0.proof"),
    "the time": ({"requests": [question(context={"time": 1})]}, "requests.0.context.time"),
    "NUL": ({"requests": [question(context={"a": "\0"})]}, "body"),
    "an unknown audience": ({"audience": "https://none.example.com", "requests": [question()]}, "audience"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_batch_is_refused_whole(service: RunningService, wire: Wire, name: str) -> None:
    body, place = MALFORMED[name]
    before = len(service.rows())
    reply = service.one(asked(wire, body=body))
    assert (reply.status, reply.json()["error"]) == (400, "invalid_request")
    assert place in reply.json()["details"]
    assert len(service.rows()) == before


def test_refused_token_refuses_the_batch(service: RunningService, wire: Wire) -> None:
    body = {"audience": ORDERS, "requests": [question(), question()]}
    expired = wire.token_of("u_1", lifetime=-60)
    for bearer in (b"", b"Authorization: Bearer a.b.c", b"Authorization: Bearer " + expired.encode()):
        before = len(service.rows())
        reply = service.one(asked(wire, body=body, bearer=bearer))
        assert (reply.status, reply.json()["decision"]) == (401, False)
        assert reply.headers["www-authenticate"]
        (row,) = service.rows()[before:]
        assert (row["effect"], row["decision_id"]) == ("reject", reply.json()["decision_id"])


def test_batch_has_a_limit_of_its_own(service: RunningService, wire: Wire) -> None:
    padding = {"audience": ORDERS, "requests": [question()], "more": "x" * (512 * 1024)}
    assert service.one(asked(wire, body=padding)).status == 413
    assert service.one(wire.ask(body=wire.body(context={"a": "x" * 70_000}))).status == 413
    assert service.one(asked(wire, body=GOOD, content_type=b"Content-Type: text/plain")).status == 415
    assert service.one(wire.get("/authorize/batch")).status == 405


def test_engine_that_is_gone_is_told_request_by_request(without_engine: RunningService, wire: Wire) -> None:
    reply = without_engine.one(asked(wire, body={"audience": ORDERS, "requests": [question(), question()]}))
    assert reply.status == 200
    assert [answer["error"] for answer in reply.json()["answers"]] == ["decision_unavailable"] * 2
    assert not any("decision" in answer for answer in reply.json()["answers"])
