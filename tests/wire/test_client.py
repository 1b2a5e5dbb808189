"""The client and a real service: each type of answer is had, with the real OPA behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from devkit.service import contracts
from entitlements.client import Allow, Answer, Batch, Client, Deny, Malformed, Question, Refused, Unavailable
from entitlements.client.aio import AsyncClient
from tests.conftest import RunningService
from tests.wire.conftest import GOOD, Wire

ORDERS = GOOD["audience"]
ORDER: dict[str, Any] = GOOD["resource"]
# A busy machine: no test is about time here.
LONG = 30.0


def address(service: RunningService) -> str:
    return "http://{}:{}".format(*service.address)


@pytest.fixture(scope="module")
def pdp(service: RunningService) -> Iterator[Client]:
    with Client(address(service), contract="orders", audience=ORDERS, timeout=LONG) as client:
        yield client


def test_allow_deny_and_refusal_are_told_apart(pdp: Client, wire: Wire, service: RunningService) -> None:
    allowed = pdp.authorize(wire.token, "read", ORDER, request_id="client-1")
    assert isinstance(allowed, Allow)
    assert allowed.contract.name == "orders"
    row = next(row for row in reversed(service.rows()) if row["decision_id"] == allowed.decision_id)
    assert row["request_id"] == "client-1"
    denied = pdp.authorize(wire.token, "read", {**ORDER, "properties": {"tenant": "t_2"}})
    assert isinstance(denied, Deny)
    assert denied.reasons == ("tenant_mismatch",)
    for token in (None, "no token", wire.token[:-4] + "AAAA"):
        refused = pdp.authorize(token, "read", ORDER)
        assert isinstance(refused, Refused)
        assert refused.error == "invalid_token"
        assert refused.challenges[0].startswith("Bearer ")


def test_expired_token_is_refused_and_not_denied(pdp: Client, wire: Wire) -> None:
    expired = wire.token_of("u_1", changes={"exp": 1_700_000_000, "iat": 1_699_999_000})
    answer = pdp.authorize(expired, "read", ORDER)
    assert isinstance(answer, Refused)
    assert 'error="invalid_token"' in answer.challenges[0]


def test_token_that_breaks_the_contract_is_denied_with_its_violations(pdp: Client, wire: Wire) -> None:
    answer = pdp.authorize(wire.token_of("u_1", changes={"suspended": "false"}), "read", ORDER)
    assert isinstance(answer, Deny)
    assert [violation.claim for violation in answer.violations] == ["suspended"]


def test_question_that_the_contract_does_not_know_is_malformed(pdp: Client, wire: Wire) -> None:
    answer = pdp.authorize(wire.token, "fly", ORDER)
    assert isinstance(answer, Malformed)
    assert (answer.status, answer.code, [*answer.details]) == (400, "request_breaks_contract", ["action.name"])
    # What a client of the API chose can be at fault, too.
    assert isinstance(pdp.authorize(wire.token, "read", {**ORDER, "id": "x" * 2000}), Malformed)
    assert isinstance(pdp.authorize(wire.token, "read", {**ORDER, "id": "a\ud800"}), Malformed)


def test_contract_that_is_not_pinned_is_malformed(service: RunningService, wire: Wire) -> None:
    with Client(address(service), contract="nobody", timeout=LONG) as client:
        assert isinstance(client.authorize(wire.token, "read", ORDER), Malformed)


def test_stronger_sign_in_is_told_with_its_challenge(service: RunningService, wire: Wire) -> None:
    payments = contracts()["payments"]
    account = {"region": "eu", "approval": {"level": 0, "four_eyes": True}}
    claims = {"tenant": "t_1", "suspended": False, "single_limit": 1_000_000, "account": account, "amr": ["pwd"]}
    token = wire.issuer.token(payments, claims={**claims, "acr": "urn:example:mfa"}, scopes=["payments:create"])
    properties = {"tenant": "t_1", "region": "eu", "amount": 600_000}
    with Client(address(service), contract="payments", timeout=LONG) as client:
        answer = client.authorize(token, "create", {"type": "payment", "id": "p_1", "properties": properties})
    assert isinstance(answer, Deny), answer
    assert [obligation.id for obligation in answer.obligations] == ["step_up"]
    assert 'error="insufficient_user_authentication"' in answer.www_authenticate


def test_batch_has_an_answer_for_each_question(pdp: Client, wire: Wire) -> None:
    other = {**ORDER, "properties": {"tenant": "t_2"}}
    batch = pdp.authorize_batch(wire.token, [Question("read", ORDER), Question("read", other), Question("fly", ORDER)])
    assert isinstance(batch, Batch)
    assert [type(answer) for answer in batch.answers] == [Allow, Deny, Malformed]
    assert isinstance(pdp.authorize_batch("no token", [Question("read", ORDER)]), Refused)
    assert isinstance(pdp.authorize_batch(wire.token, []), Malformed)


def test_service_that_cannot_decide_is_unavailable(without_engine: RunningService, wire: Wire) -> None:
    with Client(address(without_engine), contract="orders", timeout=LONG) as client:
        answer = client.authorize(wire.token, "read", ORDER)
    assert isinstance(answer, Unavailable)
    assert not answer.code.startswith("service_")
    assert answer.retry_after >= 1


def test_many_threads_share_one_client(pdp: Client, wire: Wire) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def ask(number: int) -> tuple[bool, Answer]:
        resource = {**ORDER, "id": str(number), "properties": {"tenant": f"t_{1 + number % 2}"}}
        return number % 2 == 0, pdp.authorize(wire.token, "read", resource)

    with ThreadPoolExecutor(8) as threads:
        for mine, answer in threads.map(ask, range(80)):
            assert isinstance(answer, Allow if mine else Deny), answer


def test_client_of_an_event_loop_has_the_same_answers(service: RunningService, wire: Wire) -> None:
    other = {**ORDER, "properties": {"tenant": "t_2"}}

    async def ask() -> list[type]:
        async with AsyncClient(address(service), audience=ORDERS, timeout=LONG) as client:
            alone = [client.authorize(token, "read", one) for token in (wire.token, None) for one in (ORDER, other)]
            batch = await client.authorize_batch(wire.token, [Question("read", ORDER), Question("fly", ORDER)])
            assert isinstance(batch, Batch)
            return [type(answer) for answer in (*await asyncio.gather(*alone), *batch.answers)]

    assert asyncio.run(ask()) == [Allow, Deny, Refused, Refused, Allow, Malformed]
