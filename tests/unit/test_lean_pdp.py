"""The lean decision point behind its ports: what it waits for, and for how many."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from demo.service import ROOT, Issuer
from entitlements.contract import load_catalog
from entitlements.decision_log import Masking
from entitlements.errors import DecisionLogUnavailable
from entitlements.lean_pdp import Declined, LeanDecisionPoint
from entitlements.model import AccessRequest, Action, PartHealth, Resource, Verdict
from entitlements.pair import Pair, Pairs
from entitlements.pdp import Answered
from entitlements.token import FileKeys, TokenVerifier
from tests.both_routes import SayingEngine

ORDERS = "https://orders.example.com"
AGENT = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}


class SlowLog:
    """A log that takes nothing at once, and anything else once it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.lines: list[bytes] = []
        self.fails = False

    def append_now(self, line: bytes) -> bool:
        return False

    def append_line(self, line: bytes) -> None:
        assert self.let_go.wait(30)
        if self.fails:
            raise DecisionLogUnavailable("decision_log_unavailable", "x")
        self.lines.append(line)

    def append(self, record: object) -> None:
        raise NotImplementedError

    def health(self) -> PartHealth:
        return PartHealth(True)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def log() -> Iterator[SlowLog]:
    made = SlowLog()
    yield made
    made.let_go.set()


@pytest.fixture
def asked(issuer: Issuer, log: SlowLog) -> tuple[LeanDecisionPoint, AccessRequest]:
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
        log=log,  # type: ignore[arg-type]
        budget=30.0,
        masking=Masking(),
        clock=lambda: time.time() + 1,
    )
    return point, AccessRequest(token, Action("read"), Resource("order", "42", {"tenant": "t_1"}), audience=ORDERS)


def test_answer_waits_for_its_line_and_only_so_many_wait(
    asked: tuple[LeanDecisionPoint, AccessRequest], log: SlowLog
) -> None:
    point, request = asked

    async def ask() -> list[Any]:
        waiting = [asyncio.create_task(point.decide(request, request_id="")) for _ in range(10)]
        # Those beyond the limit are left to the ordinary route, which has what remains of the time.
        for _ in range(100):
            await asyncio.sleep(0)
        done = [task.result() for task in waiting if task.done()]
        assert len(done) == 6
        assert all(isinstance(one, Declined) and one.since is not None for one in done)
        assert not log.lines
        log.let_go.set()
        return [await task for task in waiting]

    answers = asyncio.run(ask())
    assert sum(isinstance(one, Answered) for one in answers) == len(log.lines) == 4


def test_answer_whose_line_could_not_be_kept_is_not_given(
    asked: tuple[LeanDecisionPoint, AccessRequest], log: SlowLog
) -> None:
    point, request = asked
    log.fails = True
    log.let_go.set()
    assert isinstance(asyncio.run(point.decide(request, request_id="")), Declined)
    log.fails = False
    assert isinstance(asyncio.run(point.decide(request, request_id="")), Answered)
    assert len(log.lines) == 1
