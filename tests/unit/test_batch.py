"""Requests that come together: decided one by one, within one budget, as each would be alone."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devkit.service import ROOT, Issuer
from entitlements.batch import decide_batch
from entitlements.contract import Catalog, load_catalog
from entitlements.decision_log import open_log
from entitlements.errors import DecisionUnavailable, EngineUnavailable, RequestInvalid, TokenRejected
from entitlements.model import AccessRequest, Action, Decision, Resource, Verdict
from entitlements.pair import Pair, Pairs
from entitlements.pdp import PolicyDecisionPoint
from entitlements.token import FileKeys, TokenVerifier
from tests.both_routes import SayingEngine
from tests.unit.token.proofs import LEEWAY, PERMITTING, Clients, verifier_of
from tests.unit.token.vectors import AUDIENCE, NOW, Signers

ORDERS = "https://orders.example.com"
ALLOW = Verdict(True, (), (), "sha256:policy")
AGENT = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}


class World:
    """A decision point over the contracts of the repository, with a log and an engine that says what it is told."""

    def __init__(self, issuer: Issuer, folder: Path, engine: SayingEngine | None = None) -> None:
        catalog = load_catalog(ROOT / "contracts")
        self.engine = engine or SayingEngine(ALLOW)
        self.path = folder / "log"
        log = open_log(str(self.path))
        verifier = TokenVerifier(catalog.profiles, {"https://login.example.com": FileKeys(issuer.jwks)})
        pairs = Pairs(Pair(catalog, verifier))
        self.pdp = PolicyDecisionPoint(pairs=lambda: pairs, engine=self.engine, log=log, budget=30.0)
        contract = next(one for one in catalog.contracts if one.name == "orders")
        token = issuer.token(contract, claims=AGENT, scopes=["orders:read"])
        self.good = AccessRequest(token, Action("read"), Resource("order", "42", {"tenant": "t_1"}), audience=ORDERS)

    def asked_for(self, *ids: str) -> list[AccessRequest]:
        return [replace(self.good, resource=replace(self.good.resource, id=name)) for name in ids]

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def world(issuer: Issuer, tmp_path: Path) -> World:
    return World(issuer, tmp_path)


def test_each_request_has_its_answer_and_its_record_in_their_order(world: World) -> None:
    found = decide_batch(world.pdp, world.asked_for("a", "b", "c"), request_id="r-1")
    assert [isinstance(one, Decision) and one.allow for one in found.answers] == [True] * 3
    rows = world.rows()
    assert [row["resource_id"] for row in rows] == ["a", "b", "c"]
    assert {(row["batch_id"], row["request_id"]) for row in rows} == {(found.id, "r-1")}
    ids = [one.id for one in found.answers if isinstance(one, Decision)]
    assert [row["decision_id"] for row in rows] == ids
    assert len({*ids, found.id}) == 4


def test_request_that_breaks_the_contract_is_refused_alone(world: World) -> None:
    asked = world.asked_for("a", "b", "c")
    for place in (0, 1):
        wrong = [*asked]
        wrong[place] = replace(asked[place], action=Action("fly"))
        answers = decide_batch(world.pdp, wrong).answers
        assert [type(one) for one in answers] == [RequestInvalid if i == place else Decision for i in range(3)]


def test_token_or_name_of_the_api_that_is_refused_is_refused_for_all(world: World) -> None:
    asked = world.asked_for("a", "b")
    with pytest.raises(TokenRejected) as refused:
        decide_batch(world.pdp, [replace(one, token="a.b.c") for one in asked])
    (row,) = world.rows()
    assert (row["effect"], row["decision_id"], len(row["batch_id"])) == ("reject", refused.value.decision_id, 36)
    with pytest.raises(RequestInvalid):
        decide_batch(world.pdp, [replace(one, audience="https://none.example.com") for one in asked])


def test_what_is_left_when_the_budget_ends_is_unavailable_one_by_one(world: World) -> None:
    moments: Iterator[float] = itertools.chain([0.0, 1.0, 29.0], itertools.repeat(30.0))
    began = time.monotonic()
    answers = decide_batch(world.pdp, world.asked_for("a", "b", "c", "d"), clock=lambda: began + next(moments)).answers
    assert [getattr(one, "code", "") for one in answers] == ["", "", "batch_budget_spent", "batch_budget_spent"]
    assert all(isinstance(one, DecisionUnavailable) for one in answers[2:])
    # All were asked with one deadline, and those left were not asked at all.
    assert world.engine.deadlines == [began + 30.0] * 2
    assert len(world.rows()) == 2


def test_engine_that_fails_for_one_request_fails_for_that_one(issuer: Issuer, tmp_path: Path) -> None:
    class Flapping(SayingEngine):
        def ask(self, *args: Any, **options: Any) -> Verdict:
            self.says = EngineUnavailable("policy_error", "x") if len(self.asked) == 1 else ALLOW
            return super().ask(*args, **options)

    world = World(issuer, tmp_path, Flapping(ALLOW))
    answers = decide_batch(world.pdp, world.asked_for("a", "b", "c")).answers
    assert [getattr(one, "code", "") for one in answers] == ["", "policy_error", ""]
    assert [row["resource_id"] for row in world.rows()] == ["a", "c"]


def test_proof_of_possession_is_good_for_all_requests_of_one_batch_and_no_other(tmp_path: Path) -> None:
    clients = Clients(Signers())
    served = load_catalog(ROOT / "contracts")
    orders = next(one for one in served.contracts if one.name == "orders")
    loose = replace(orders, canonical={"test": "batch"}, claims={}, scopes={}, profile=PERMITTING, request=None)
    verifier = verifier_of(clients.signers, PERMITTING)
    pairs = Pairs(Pair(Catalog({AUDIENCE: (loose,)}, served.lock), verifier))
    log = open_log(str(tmp_path / "log"))
    pdp = PolicyDecisionPoint(
        pairs=lambda: pairs, engine=SayingEngine(ALLOW), log=log, budget=30.0, clock=lambda: NOW + LEEWAY
    )
    token = clients.bound()
    proof = clients.proof(token)
    asked = [
        AccessRequest(token, Action("read"), Resource("order", str(number)), audience=AUDIENCE, proof=proof)
        for number in range(3)
    ]
    assert all(isinstance(one, Decision) for one in decide_batch(pdp, asked).answers)
    with pytest.raises(TokenRejected) as refused:
        decide_batch(pdp, asked)
    assert refused.value.code == "proof_replayed"
