"""One decision point behind two doors, with the lean route and without: both are asked, and have to say the same."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.decision_log import Masking, MaskKey, open_log
from entitlements.engine import LoopEngine
from entitlements.errors import EntitlementsError
from entitlements.lean_pdp import LeanDecisionPoint
from entitlements.model import JSON, PartHealth, Verdict
from entitlements.pair import Pairs
from entitlements.pdp import PolicyDecisionPoint
from entitlements.readiness import Readiness
from entitlements.web import create_app
from entitlements.web.authorize import MAX_BODY
from entitlements.web.lean import LeanRoute
from entitlements.web.metrics import Metrics
from entitlements.web.server import Answer, Door

MASK_KEY = MaskKey("both", bytes(range(100, 132)))
VARYING = {"time", "decision_id", "duration_ms"}
_ID = re.compile(rb'("decision_id": ")[0-9a-f-]{36}"')
Headers = Sequence[tuple[str, str]]


class SayingEngine:
    """Says what it is told to, whoever asks, and keeps what it was asked."""

    def __init__(self, says: Verdict | EntitlementsError) -> None:
        self.says = says
        self.asked: list[tuple[str, Mapping[str, JSON]]] = []
        self.deadlines: list[float] = []

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        self.asked.append((decision_path, policy_input))
        self.deadlines.append(deadline)
        if isinstance(self.says, EntitlementsError):
            raise self.says
        return self.says

    async def ask_on_loop(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        return self.ask(decision_path, policy_input, deadline=deadline, shape=shape)

    def health(self) -> PartHealth:
        return PartHealth(True)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Said:
    """What one door answered, with the lines that it logged and what policy was asked; the ids are left out."""

    status: int
    headers: Headers
    body: bytes
    rows: Sequence[Mapping[str, Any]]
    asked: Sequence[tuple[str, Mapping[str, JSON]]]
    answers_by_lean: int


class BothRoutes:
    """Asks both doors.

    pairs: by which both decide; lean_pairs: by which the lean one does, where they are not to share what a verifier
    remembers; engine: whom both ask; folder: of their logs; clock: for token times.
    """

    def __init__(
        self,
        pairs: Callable[[], Pairs],
        engine: LoopEngine,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        default_audience: str = "",
        lean_pairs: Callable[[], Pairs] | None = None,
    ) -> None:
        self._engine = engine
        options: dict[str, Any] = {
            "pairs": pairs,
            "engine": engine,
            "budget": 5.0,
            "masking": Masking(MASK_KEY),
            "clock": clock,
            "default_audience": default_audience,
        }
        self._doors = {"ordinary": self._door(False, folder / "ordinary", options)}
        self._doors["lean"] = self._door(True, folder / "lean", {**options, "pairs": lean_pairs or pairs})
        self._loop = asyncio.new_event_loop()

    def _door(self, lean: bool, path: Path, options: Mapping[str, Any]) -> _Asked:
        log, metrics = open_log(str(path)), Metrics()
        pdp = PolicyDecisionPoint(log=log, **options)
        app = create_app(pdp, lambda: Readiness({}, {}), metrics)
        point = LeanDecisionPoint(log=log, turn=pdp.turn, **options)
        route = _Counted(LeanRoute(point, metrics)) if lean else None
        door = Door(app.wsgi_app, count=metrics.turned_away, threads=1, max_body=MAX_BODY, lean=route)
        return _Asked(door, route, path)

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def same(self, headers: Headers, body: bytes, *, path: str = "/authorize", **scope: Any) -> Said:
        """What both doors say, the ordinary one first; it has to be the same but for ids and times."""
        ordinary, lean = (self.said(name, headers, body, path, scope) for name in self._doors)
        assert _varying_left_out(lean) == _varying_left_out(ordinary)
        return lean

    def said(self, name: str, headers: Headers, body: bytes, path: str, scope: Mapping[str, Any]) -> Said:
        """What one door says."""
        one, asked = self._doors[name], len(getattr(self._engine, "asked", ()))
        before, place = one.answers_by_lean(), one.log.stat().st_size
        status, answer_headers, answer = self._loop.run_until_complete(_through(one.door, headers, body, path, scope))
        with one.log.open("rb") as log:
            log.seek(place)
            rows = [json.loads(line) for line in log.read().decode("ascii").splitlines()]
        asked_now = getattr(self._engine, "asked", [])[asked:]
        return Said(status, answer_headers, answer, rows, asked_now, one.answers_by_lean() - before)


class _Counted:
    """A lean route, and how often it answered."""

    def __init__(self, route: LeanRoute) -> None:
        self._route = route
        self.answers = 0

    async def __call__(
        self, scope: Mapping[str, Any], headers: Mapping[str, str], body: bytes
    ) -> Answer | float | None:
        answer = await self._route.answer(scope, headers, body)
        self.answers += isinstance(answer, tuple)
        return answer


@dataclass(frozen=True)
class _Asked:
    door: Door
    lean: _Counted | None
    log: Path

    def answers_by_lean(self) -> int:
        return self.lean.answers if self.lean is not None else 0


def _varying_left_out(said: Said) -> tuple[Any, ...]:
    rows = [{name: value for name, value in row.items() if name not in VARYING} for row in said.rows]
    order = [[*row] for row in said.rows]
    body = _ID.sub(rb'\1"', said.body)
    return said.status, said.headers, body, rows, order, [*said.asked]


async def _through(
    door: Door, headers: Headers, body: bytes, path: str, scope: Mapping[str, Any]
) -> tuple[int, Headers, bytes]:
    sent: list[Any] = []
    told = [("host", "x"), ("content-type", "application/json"), ("content-length", str(len(body)))]
    names = {name for name, _ in headers}
    whole = {
        "type": "http",
        "http_version": "1.1",
        "client": ("192.0.2.1", "50000"),
        "scheme": "http",
        "method": "POST",
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (name.encode(), value.encode())
            for name, value in [*(pair for pair in told if pair[0] not in names), *headers]
        ],
        **scope,
    }

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await door(whole, receive, send)
    started, rest = sent
    answered = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in started["headers"]]
    return started["status"], answered, rest["body"]
