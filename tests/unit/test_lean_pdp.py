"""The lean decision point behind its ports: it waits for no log, and says whose policies answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from devkit.service import ROOT, Issuer
from entitlements.contract import load_catalog
from entitlements.decision_log import Masking
from entitlements.errors import DecisionLogUnavailable
from entitlements.lean_pdp import Declined, LeanDecisionPoint
from entitlements.model import AccessRequest, Action, Decision, PartHealth, Resource, Verdict
from entitlements.pair import Pair, Pairs, Turn
from entitlements.token import FileKeys, TokenVerifier
from tests.both_routes import SayingEngine

ORDERS = "https://orders.example.com"
AGENT = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}


class Log:
    """A log that takes lines at once, takes none, or fails."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.takes = True
        self.fails = False

    def append_now(self, line: bytes) -> bool:
        if self.fails:
            raise DecisionLogUnavailable("decision_log_unavailable", "x")
        if self.takes:
            self.lines.append(line)
        return self.takes

    def append(self, record: object) -> None:
        raise NotImplementedError

    def health(self) -> PartHealth:
        return PartHealth(True)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def turn() -> Turn:
    return Turn()


@pytest.fixture
def asked(issuer: Issuer, log: Log, turn: Turn) -> tuple[LeanDecisionPoint, AccessRequest]:
    catalog = load_catalog(ROOT / "contracts")
    contract = next(one for one in catalog.contracts if one.name == "orders")
    token = issuer.token(contract, claims=AGENT, scopes=["orders:read"])
    verifier = TokenVerifier(catalog.profiles, {"https://login.example.com": FileKeys(issuer.jwks)})
    # The first token is cached with a set of keys that was not read yet.
    for _ in range(2):
        verifier.verify(token, now=time.time() + 1, audience=ORDERS)
    point = LeanDecisionPoint(
        pairs=lambda: Pairs(Pair(catalog, verifier)),
        engine=SayingEngine(Verdict(True, (), (), "sha256:policy")),
        log=log,
        turn=turn,
        budget=30.0,
        masking=Masking(),
        clock=lambda: time.time() + 1,
    )
    return point, AccessRequest(token, Action("read"), Resource("order", "42", {"tenant": "t_1"}), audience=ORDERS)


def test_answer_whose_line_would_have_to_wait_is_left_to_the_ordinary_route(
    asked: tuple[LeanDecisionPoint, AccessRequest], log: Log
) -> None:
    point, request = asked
    log.takes = False
    before = time.monotonic()
    declined = asyncio.run(point.decide(request, request_id=""))
    # From when on the time of the request counts.
    assert isinstance(declined, Declined)
    assert declined.since is not None
    assert before <= declined.since <= time.monotonic()
    assert not log.lines


def test_answer_whose_line_could_not_be_kept_is_not_given(
    asked: tuple[LeanDecisionPoint, AccessRequest], log: Log
) -> None:
    point, request = asked
    log.fails = True
    assert isinstance(asyncio.run(point.decide(request, request_id="")), Declined)
    log.fails = False
    assert isinstance(asyncio.run(point.decide(request, request_id="")), Decision)
    assert len(log.lines) == 1


def test_ordinary_route_is_told_by_whose_policies_the_engine_answered(
    asked: tuple[LeanDecisionPoint, AccessRequest], turn: Turn
) -> None:
    point, request = asked
    pair = point._pairs().current
    pairs = Pairs(replace(pair, revision="sha256:other"), replace(pair, revision="sha256:policy"))
    assert turn.first(pairs) is pairs.current
    asyncio.run(point.decide(request, request_id=""))
    assert turn.first(pairs) is pairs.previous
