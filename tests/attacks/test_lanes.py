"""An engine that says anything: both routes tell it alike, and none allows by mistake."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devkit.service import Issuer
from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.contract import Catalog
from entitlements.engine.answer import read_answer, read_answer_again
from entitlements.engine.child_client import ChildClient
from entitlements.engine.loop_client import LoopClient
from entitlements.engine.unix_socket import only_process
from entitlements.model import JSON, PartHealth, Verdict
from entitlements.pair import Pairs
from tests.both_routes import BothRoutes, _varying_left_out
from tests.integration.engine.test_opa_server import WildServer, answer, wild_child
from tests.unit.web.test_both_routes import GOOD, ORDERS, RESOURCE, World, _named

SHAPES = {
    "plain": PLAIN_ANSWER,
    "no boolean": AnswerShape(boolean=False),
    "other names": AnswerShape(("allowed",), ("why",), ("todo",), frozenset({("headers",)}), boolean=False),
    "nested": AnswerShape(("result", "allow"), None, ("result", "obligations"), boolean=False),
    "the reasons decide": AnswerShape(("reasons",), ("allow",), None),
}
PROVENANCE = {"version": "1.22.2", "bundles": {"b": {"revision": "r1"}}}
DRAWN = 50


@pytest.fixture
def server() -> Iterator[WildServer]:
    with wild_child() as wild:
        yield wild


class Asking:
    """Both clients of the child, as the engine of both routes."""

    def __init__(self, path: str) -> None:
        check = only_process(os.getpid(), lambda: True)
        self.threads, self.loop = ChildClient(path, check=check, probe="a/b"), LoopClient(path, check=check)

    def ask(
        self, path: str, asked: Mapping[str, JSON], *, deadline: float, shape: AnswerShape = PLAIN_ANSWER
    ) -> Verdict:
        return self.threads.ask(path, asked, deadline=deadline, shape=shape)

    async def ask_on_loop(
        self, path: str, asked: Mapping[str, JSON], *, deadline: float, shape: AnswerShape = PLAIN_ANSWER
    ) -> Verdict:
        return await self.loop.ask(path, asked, deadline=deadline, shape=shape)

    def health(self) -> PartHealth:
        return PartHealth(True)

    def close(self) -> None:
        self.threads.close()
        self.loop.close()


class Drawn:
    """Draws answers of an engine, good and bad ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, deep: int = 0) -> Any:
        kind = self.random.random()
        if deep > 3 or kind < 0.4:
            return self.random.choice(
                [None, True, False, 0, -0.0, 1.5, 2**53 - 1, 1e-9, "", '\u2028"\\', "\U0001f600", "</"]
            )
        if kind < 0.65:
            return [self.value(deep + 1) for _ in range(self.random.randrange(4))]
        names = ["id", "a", "", "allow", "acr_values", "max_age", "properties", "\u2028"]
        return {self.random.choice(names): self.value(deep + 1) for _ in range(self.random.randrange(4))}

    def obligation(self) -> dict[str, Any]:
        found: dict[str, Any] = {"id": self.random.choice(["log", "step_up", "", '\u2028"'])}
        said = [self.value(1), "mfa hw", ["a", "b"], ['a"'], 60, -1, 2**31, True, "\r\nX: y", {"max_age": 1}]
        names = ["acr_values", "acr_value", "max_age", "properties", "n", ""]
        return {
            **found,
            **{self.random.choice(names): self.random.choice(said) for _ in range(self.random.randrange(4))},
        }

    def result(self) -> Any:
        allow = self.random.choice([True, True, True, False, False, 1, "true", None, [True]])
        reasons = self.random.choice([[], ["b", "a"], ["A"], "x", [1], [f"r{place}" for place in range(33)]])
        obligations = [self.obligation() for _ in range(self.random.choice([0, 1, 2, 16, 17]))]
        kinds = (
            self.random.choice([True, False, None, 1, "allow", [], {}]),
            {"allow": allow, "reasons": reasons, "obligations": obligations},
            {"allowed": allow, "why": reasons, "todo": obligations, "headers": self.value()},
            {"result": {"allow": allow, "obligations": obligations}},
            {"allow": [], "reasons": allow},
        )
        drawn = self.random.choice(kinds)
        if isinstance(drawn, dict):
            drawn = {name: one for name, one in drawn.items() if self.random.random() < 0.8}
        return drawn

    def body(self) -> bytes:
        version, revision = (self.random.choice([*[usual] * 12, "x"]) for usual in ("1.22.2", "r1"))
        provenance = {"version": version, "bundles": {"b": {"revision": revision}}}
        more = self.random.choice([*[{}] * 12, {"warning": {}}])
        return json.dumps({"result": self.result(), "provenance": provenance, **more}).encode()


def allows(body: bytes, shape: AnswerShape) -> bool:
    """Whether the literal `true` stands where the shape says."""
    value = json.loads(body)["result"]
    if value is True:
        return shape.boolean
    for name in shape.allow:
        value = value.get(name) if isinstance(value, dict) else None
    return value is True


@pytest.mark.parametrize("name", SHAPES)
def test_answers_drawn_at_random_are_told_alike_by_both_routes(
    server: WildServer, issuer: Issuer, tmp_path: Path, name: str
) -> None:
    shape, engine = SHAPES[name], Asking(server.url.removeprefix("unix://"))
    world = World(issuer, tmp_path)
    world.both.close()
    orders = replace(_named("orders"), canonical={"test": name}, request=None, answer=shape)
    pair = world.of(Catalog({ORDERS: (orders,)}, world.catalog.lock), revision="r1").current
    both = BothRoutes(lambda: Pairs(pair), engine, tmp_path, clock=lambda: world.now)
    drawn, headers, lean = Drawn(sorted(SHAPES).index(name)), [("authorization", f"Bearer {world.token}")], 0
    for number in range(DRAWN):
        octets = drawn.body()
        server.behave = lambda connection, octets=octets: connection.sendall(answer(octets))  # type: ignore[misc]
        body = json.dumps({**GOOD, "resource": {**RESOURCE, "id": f"{number}"}}).encode()
        said = [both.said(door, headers, body, "/authorize", {}) for door in ("ordinary", "lean")]
        ordinary, other = (_varying_left_out(one)[:5] for one in said)
        assert ordinary == other, octets
        if b'"decision": true' in said[1].body:
            assert allows(octets, shape), octets
            assert [row["effect"] for row in said[1].rows] == ["allow"]
        lean += said[1].answers_by_lean
    # Most of them are read, and so answered by the lean route.
    assert lean > DRAWN / 2
    engine.close()
    # The loop closes its connections.
    both._loop.run_until_complete(asyncio.sleep(0))
    both.close()


def test_known_answers_of_one_shape_are_none_of_another() -> None:
    drawn, shapes = Drawn(1), [*SHAPES.values()]
    bodies = [json.dumps({"result": drawn.result(), "provenance": PROVENANCE}).encode() for _ in range(40)]
    for body, _, shape in itertools.product(bodies, range(2), shapes):
        # A shape that is equal, but another object.
        assert read_answer_again(body, replace(shape)) == read_answer(body, shape)
