"""Lists whose contract changes (docs/proof-bounds.md) against every pair of small lists: related by the independent
relation, decided by OPA.

Each question starts with one element of each list, so that what is proved rests on the count alone.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.engine import BatchEngine, Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof.migration import ABSENT, ClaimStep, claim_steps, related_claim
from entitlements.proof.symbolic.encode import Policy, Question, encode
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver
from entitlements.proof.symbolic.terms.term import neg
from tests.shop import SHOP

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
TRIED = int(os.environ.get("LISTS", "1500" if NIGHTLY else "12"))
LONGEST = 4 if NIGHTLY else 3
RULES = {
    "nobody": "allow := false",
    "everybody": "allow := true",
    "held": "allow if L",
    "not held": "allow if not L",
    "a member": "allow if 1 in L",
    "no member": "allow if not 3 in L",
    "no member, held": "allow if { L; not 3 in L }",
    "two members": "allow if { 1 in L; 2 in L }",
    "all members": "allow if { every x in [1, 2, 3] { x in L } }",
    "one without the other": "allow if { 2 in L; not 1 in L }",
    "some greater": "allow if { some x in L; x > 1 }",
    "two that differ": "allow if { some x in L; some y in L; x != y }",
    "every": "allow if { every x in L { x > 1 } }",
    "not every": "allow if not a\n\na if { every x in L { x < 3 } }",
    "empty": "allow if L == []",
    "equal": "allow if L == [1, 2]",
    "counted": "allow if count(L) > 2",
    "counted, one member": "allow if { count(L) > 2; 1 in L }",
    "counted less, one member": "allow if { count(L) < 3; not 2 in L }",
    "counted exactly": "allow if { count(L) == 3; every x in L { x > 1 } }",
    "counted members": "allow if count({x | some x in L}) == 2",
    "by position": "allow if L[1] == 2",
    "a set": "allow if { 2 in m; not 3 in m }\n\nm contains x if some x in L",
    "a set of pairs": "allow if { 3 in m }\n\nm contains x + y if { some x in L; some y in L; x < y }",
    "a rule that may fail": "allow if a != 3\n\na := x if some x in L",
    "a comprehension": "allow if count([x | some x in L; x > 1]) > 1",
    "sum": "allow if sum(L) > 5",
}
if not NIGHTLY:
    RULES = {name: RULES[name] for name in [*RULES][2::3]}


@dataclass(frozen=True)
class Decided:
    """A policy: its plan, and which lists of the domain it allows."""

    policy: Policy
    allowed: Mapping[str, bool]


def documents() -> Iterator[Any]:
    yield ABSENT
    for size in range(LONGEST + 1):
        yield from map(list, itertools.product((1, 2, 3), repeat=size))


def key(value: Any) -> str:
    return "" if value is ABSENT else json.dumps(value)


def source(rules: str, list_of: str) -> str:
    return f"package shop.authz\n\n{rules.replace('L', list_of)}\n"


def decided(opa: Opa, folder: Path, rules: str, place: Sequence[str]) -> Decided:
    text = source(rules, ".".join(["input.subject.claims", *place])).encode()
    file = folder / "shop" / "authz" / "authz.rego"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text)
    values = [*documents()]
    inputs = [{"subject": {"claims": claims(place, value)}} for value in values]
    with BatchEngine(opa, folder, "shop/authz/allow") as engine:
        verdicts = engine.decide(inputs)
    allowed = {key(v): one is not None and one.allow for v, one in zip(values, verdicts, strict=True)}
    return Decided(Policy(build_plan(opa, {"a.rego": text}, "shop/authz/allow")), allowed)


def claims(place: Sequence[str], value: Any) -> dict[str, Any]:
    if value is ABSENT:
        return {} if len(place) == 1 else {place[0]: {}}
    return {place[0]: value} if len(place) == 1 else {place[0]: claims(place[1:], value)}


def contract(version: str, place: Sequence[str], schema: Mapping[str, Any], *, required: bool) -> Contract:
    claim: dict[str, Any] = {"required": required, "schema": schema}
    if len(place) > 1:
        inner = {"type": "object", "properties": {place[1]: schema}, "required": [place[1]] if required else []}
        claim = {"required": True, "schema": inner}
    document = {
        **SHOP,
        "version": version,
        "claims": {place[0]: claim},
        "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
    }
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


def drawn(chance: random.Random) -> tuple[dict[str, Any], bool]:
    low, high = chance.choice([(1, 3), (1, 2), (2, 3), (1, 3)])
    if chance.random() < 0.35:
        items: dict[str, Any] = {"enum": [*range(low, high + 1)]}
    else:
        items = {"type": "integer", "minimum": low, "maximum": high}
    most = chance.choice([2, *range(3, LONGEST + 1), LONGEST])
    schema = {"type": "array", "items": items, "maxItems": most}
    if chance.random() < 0.25:
        schema["minItems"] = chance.randint(1, most)
    if chance.random() < 0.3:
        schema["uniqueItems"] = True
    return schema, chance.random() < 0.6


def pairs(steps: Sequence[ClaimStep], place: Sequence[str]) -> list[tuple[str, str]]:
    """Every two lists that one principal may hold."""
    (step,) = steps
    found = []
    for one, other in itertools.product(documents(), repeat=2):
        values = [claims(place, value).get(place[0], ABSENT) for value in (one, other)]
        if related_claim(step, values[0], values[1], released=(True, True)):
            found.append((key(one), key(other)))
    return found


@pytest.fixture(scope="module", params=[("one",), ("one", "two")], ids=["claim", "property"])
def world(request: pytest.FixtureRequest, opa: Opa, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("policies")
    return request.param, {name: decided(opa, folder, rules, request.param) for name, rules in RULES.items()}


def proves(question: Question, solver: Solver) -> bool:
    allowed = question.possibly_allowed(1) if any(one.errors for one in question.executed) else question.allowed(1)
    session = Session(question, solver)
    answer = session.solve([allowed, neg(question.allowed(0))])[1].answer
    assert answer in (SAT, UNSAT)
    return answer == UNSAT and not question.short_lists and not session.barren


def test_no_change_of_a_list_is_proved_that_some_pair_of_lists_refutes(opa: Opa, world: Any) -> None:
    place, policies = world
    seed = os.environ.get("SEED", "1")
    chance, calls, found, proved, decided_so = random.Random(seed), BuiltinCalls(opa), [], 0, 0
    with Solver(seconds=20) as solver:
        for _ in range(TRIED):
            (before, after) = drawn(chance), drawn(chance)
            if chance.random() < 0.3:
                after = after[0] if chance.random() < 0.3 else {**before[0], "maxItems": after[0]["maxItems"]}, after[1]
            after[0]["minItems"] = min(after[0].get("minItems", 0), after[0]["maxItems"])
            contracts = (
                contract("1.0.0", place, before[0], required=before[1]),
                contract("2.0.0", place, after[0], required=after[1]),
            )
            rules = chance.choice([*RULES]), chance.choice([*RULES])
            rules = (rules[0], rules[0]) if chance.random() < 0.4 else rules
            old, new = (policies[name] for name in rules)
            related = pairs(claim_steps(*contracts), place)
            widens = any(not old.allowed[one] and new.allowed[other] for one, other in related)
            question = encode(contracts, (old.policy, new.policy), calls, request_of=1, looked_at=1)
            said = proves(question, solver)
            proved += said
            decided_so += said or widens
            if said and widens:
                found.append((before, after, rules))
    assert found == []
    assert proved > TRIED // 20
