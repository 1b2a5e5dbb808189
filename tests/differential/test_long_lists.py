"""A list that is truncated, of which as many elements are looked at as are counted: what is proved of it holds of the
whole list.

The same question is asked twice, with one element to begin with and with all of them. Policies are drawn at random from
what makes one use of a list depend on several of its elements.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.errors import EngineUnavailable, NotFollowed
from entitlements.proof.symbolic.encode import Policy, encode
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import UNSAT, Solver
from entitlements.proof.symbolic.terms.term import neg
from tests.shop import SHOP

MOST = 8
POLICIES = int(os.environ.get("POLICIES", "400" if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else "30"))
LIST = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "maxItems": MOST}
NOBODY = "package shop.authz\n\nallow := false\n"
MADE = [
    "m contains x if some x in L",
    "m contains x if { some x in L; x + 10 in L }",
    "m contains x if { some x in L; x + 10 in L; x + 20 in K }",
    "m contains x if { some x in L; x in K }",
    "m contains x if { some x in L; some y in K; y == x + 10 }",
    "m contains [x, y] if { some x in L; some y in K; x != y }",
    "m contains x if { some x in L; not x + 10 in K }",
    "m contains x if some x in array.concat(L, K)",
    "m[x] := x if some x in L",
    "m[x] := y if { some x in L; some y in K; y == x + 10 }",
    "m := [x | some x in L; x in K]",
    "m := {x | some x in L} - {x | some x in K}",
    "m := {x | some x in L} & {x | some x in K}",
    "m := {x | some x in L} | {x | some x in K}",
    "m := {f(x) | some x in L}",
]
USED = ["not 1 in m", "some x in m; some y in m; x != y", "some x in m; x in K", "every x in m { x in K }", "g(m)"]
HELPERS = """n contains x if { some x in m; x in L }

n contains 7 if 7 in L

f(x) := x + 10 if x + 20 in input.subject.claims.one

f(x) := x if not x in input.subject.claims.two

g(xs) if { 1 in xs; 2 in xs }
"""


def contract() -> Contract:
    document = {
        **SHOP,
        "claims": {name: {"required": True, "schema": LIST} for name in ("one", "two")},
        "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
    }
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


def policy(chance: random.Random) -> str:
    """One collection, and a rule or two that use it."""

    def drawn(text: str) -> str:
        for mark in ("L", "K"):
            text = text.replace(mark, f"input.subject.claims.{chance.choice(['one', 'one', 'one', 'two'])}")
        return text

    def use() -> str:
        """Something else, or several constants of one collection."""
        if chance.random() < 0.25:
            return drawn(chance.choice(USED))
        name, several = chance.choice(["m", "m", "n"]), chance.sample(range(1, 5), chance.choice([2, 3, 3, 3]))
        return "; ".join(f"{value} in {name}" for value in several)

    made = [drawn(chance.choice(MADE[1:5] if chance.random() < 0.5 else MADE))]
    if " contains " in made[0] and chance.random() < 0.3:
        made.append(drawn(chance.choice([one for one in MADE if " contains " in one])))
    rules = [f"allow if {{ {use()} }}" for _ in range(chance.choice([1, 1, 2]))]
    return "\n\n".join(["package shop.authz", "default allow := false", *made, drawn(HELPERS), *rules]) + "\n"


def planned(opa: Opa, text: str) -> Policy:
    return Policy(build_plan(opa, {"a.rego": text.encode()}, "shop/authz/allow"))


def proved(one: Contract, policies: tuple[Policy, Policy], calls: BuiltinCalls, solver: Solver, first: int) -> bool:
    """Whether nobody gains access, for lists of any length that the contract permits."""
    question = encode((one, one), policies, calls, request_of=1, looked_at=first)
    errors = any(walked.errors for walked in question.executed)
    allowed = question.possibly_allowed(1) if errors else question.allowed(1)
    answer = Session(question, solver).solve([allowed, neg(question.allowed(0))])[1].answer
    return answer == UNSAT and not question.short_lists


def test_what_is_proved_of_some_elements_holds_of_all(opa: Opa) -> None:
    chance = random.Random(os.environ.get("SEED", "1"))
    one, calls, found, tried = contract(), BuiltinCalls(opa), [], 0
    with Solver(seconds=5) as solver:
        for _ in range(POLICIES):
            # What no one may is what a list that is truncated hides best.
            texts = NOBODY if chance.random() < 0.7 else policy(chance), policy(chance)
            try:
                before, after = (planned(opa, text) for text in texts)
                if proved(one, (before, after), calls, solver, 1):
                    tried += 1
                    question = encode((one, one), (before, after), calls, request_of=1, looked_at=MOST)
                    goals = [question.allowed(1), neg(question.allowed(0))]
                    if Session(question, solver).candidate(goals).scenario is not None:
                        found.append(texts)
            except (NotFollowed, EngineUnavailable):
                # Not every policy that is drawn compiles.
                continue
    assert found == []
    assert tried > POLICIES // 20
