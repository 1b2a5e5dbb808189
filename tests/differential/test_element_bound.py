"""The element bound (docs/proof-bounds.md) against exhaustive enumeration: every list of a small domain, by OPA.

Each question starts with one element of each list, takes as many as are counted, and has to come to the answer that
all lists give. With one element fewer it would not: that is tested, too, so that the count is seen to be needed.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.engine import BatchEngine, Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof.symbolic.encode import Policy, Question, encode, encode_within
from entitlements.proof.symbolic.session import Session
from entitlements.proof.symbolic.smt.solver import SAT, UNSAT, Solver
from entitlements.proof.symbolic.terms.term import neg
from tests.shop import SHOP

VALUES, LONGEST = (1, 2, 3), 3
NUMBERS = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 3}, "maxItems": LONGEST}
ROWS = {
    "type": "array",
    "maxItems": 3,
    "items": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 2}, "maxItems": 2},
}
NOBODY = "allow := false"

TWO_LISTS = {
    "membership": "allow if { 1 in L; 2 in L }",
    "three members": "allow if { 1 in L; 2 in L; 3 in L }",
    "members of both": "allow if { 1 in L; 2 in L; 3 in K }",
    "some, twice": "allow if { some x in L; some y in L; x > y + 1 }",
    "some of one in the other": "allow if { some x in L; x in K; x != 2 }",
    "every": "allow if { every x in L { x > 1 } }",
    "not every": "allow if not a\n\na if { every x in L { x > 1 } }",
    "every of one in the other": "allow if { every x in L { x in K } }",
    "every constant": "allow if { every x in [1, 2, 3] { x in L } }",
    "every constant within a loop": "allow if { some k in K; k == 2; every x in [1, 2, 3] { x in L } }",
    "not": "allow if { not 1 in L; 2 in L; 3 in L }",
    "not of a loop": "allow if { 1 in K; not a }\n\na if { some x in L; not x in K }",
    "count": "allow if count(L) > 2",
    "count of a set": "allow if count({x | some x in L}) == 3",
    "count, and one is a member": "allow if { count(L) == 3; not 1 in L }",
    "by position": "allow if L[2] == 1",
    "a set of two lists": "allow if { 1 in m; 3 in m }\n\nm contains x if some x in L\n\nm contains x if some x in K",
    "a set whose elements need two": "allow if { 2 in m; 3 in m }\n\nm contains x if { some x in L; x - 1 in L }",
    "a set met with constants": "allow if { s := {1, 2, 3} & m; s[1]; s[2]; s[3] }\n\nm contains x if some x in L",
    "constants without a set": "allow if { s := {1, 2, 3} - m; not s[1]; not s[3] }\n\nm contains x if some x in L",
    "lookups in one statement": "allow if { some k in K; y := m; [y[1], y[2], y[3]] == [1, 2, 3] }\n\n"
    "m contains x if some x in L",
    "an object": "allow if { m[1] == m[2]; m[3] }\n\nm[x] := true if some x in L",
    "a rule with one value": "allow if a == 2\n\na := x if some x in L",
    "two values of a rule": "allow if { 1 in L; not a }\n\na := x if some x in L",
    "two values by way of a set": "allow if { m; a == 1 }\n\na := x if { some x in m; x < 3 }\n\n"
    "m contains x if some x in L",
    "two values of one key": "allow if m.k == 1\n\nm.k := x if some x in L",
    "a function": "allow if { f(1); f(2); not f(3) }\n\nf(x) if x in L",
    "a list of two": "allow if { xs := array.concat(L, K); 1 in xs; 2 in xs; 3 in xs }",
    "a sum": "allow if sum(L) == 8",
    "the greatest": "allow if { max(L) == 2; 1 in L }",
}
NESTED = {
    "some of some": "allow if { some xs in L; some x in xs; x == 2 }",
    "members of one row": "allow if { some xs in L; 1 in xs; 2 in xs }",
    "members of two rows": "allow if { some xs in L; some ys in L; 1 in xs; not 1 in ys }",
    "every row": "allow if { every xs in L { 1 in xs } }",
    "some row without": "allow if { some xs in L; not 1 in xs; 2 in xs }",
    "a set of all": "allow if { 1 in m; 2 in m }\n\nm contains x if { some xs in L; some x in xs }",
    "rows by size": "allow if { some xs in L; count(xs) == 2; some ys in L; count(ys) == 0 }",
}
CHANGES = [
    ("membership", "three members"),
    ("three members", "membership"),
    ("members of both", "membership"),
    ("a set whose elements need two", "membership"),
    ("every constant", "a function"),
    ("count of a set", "three members"),
    ("not every", "every"),
    ("a rule with one value", "two values of a rule"),
]
TIGHT = ["membership", "three members", "some, twice", "members of both"]
"""Policies of which the count is the least that suffices."""


def contract(claims: Mapping[str, Any]) -> Contract:
    document = {
        **SHOP,
        "claims": {name: {"required": True, "schema": schema} for name, schema in claims.items()},
        "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
    }
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


def lists(values: Sequence[Any], longest: int) -> Iterator[list[Any]]:
    for size in range(longest + 1):
        yield from map(list, itertools.product(values, repeat=size))


@dataclass
class World:
    """One contract and every token that it permits. allowed: which of them a policy allows, as OPA decides."""

    opa: Opa
    folder: Path
    contract: Contract
    inputs: list[dict[str, Any]]
    names: Mapping[str, str]

    def source(self, rules: str) -> str:
        for mark, name in self.names.items():
            rules = rules.replace(mark, f"input.subject.claims.{name}")
        return f"package shop.authz\n\n{rules}\n"

    def allowed(self, rules: str) -> list[bool]:
        file = self.folder / "shop" / "authz" / "authz.rego"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.source(rules))
        with BatchEngine(self.opa, self.folder, "shop/authz/allow") as engine:
            return [verdict is not None and verdict.allow for verdict in engine.decide(self.inputs)]

    def widened(self, old: str, new: str) -> bool:
        """Whether some token is denied before and allowed after: the truth."""
        return any(not before and after for before, after in zip(self.allowed(old), self.allowed(new), strict=True))

    def policy(self, rules: str) -> Policy:
        return Policy(build_plan(self.opa, {"a.rego": self.source(rules).encode()}, "shop/authz/allow"))

    def question(self, old: str, new: str) -> Question:
        """With one element of each list to begin with, and as many as are counted in the end."""
        policies = (self.policy(old), self.policy(new))
        return encode((self.contract, self.contract), policies, self.calls, request_of=1, looked_at=1)

    def within(self, old: str, new: str, bounds: Mapping[str, int]) -> Question:
        """With so many elements, whether or not they suffice."""
        policies = (self.policy(old), self.policy(new))
        asked = (1, frozenset[str](), 1, True)
        return encode_within((self.contract, self.contract), policies, self.calls, asked, set(), bounds, math.inf)

    @cached_property
    def calls(self) -> BuiltinCalls:
        return BuiltinCalls(self.opa)


@pytest.fixture
def numbers(opa: Opa, tmp_path: Path) -> World:
    pairs = itertools.product(lists(VALUES, LONGEST), repeat=2)
    inputs = [{"subject": {"claims": {"one": one, "two": two}}} for one, two in pairs]
    return World(opa, tmp_path, contract({"one": NUMBERS, "two": NUMBERS}), inputs, {"L": "one", "K": "two"})


@pytest.fixture
def rows(opa: Opa, tmp_path: Path) -> World:
    inputs = [{"subject": {"claims": {"rows": found}}} for found in lists([*lists((1, 2), 2)], 3)]
    return World(opa, tmp_path, contract({"rows": ROWS}), inputs, {"L": "rows"})


def gained(question: Question) -> str:
    """The solver's answer: whether some token is denied before and allowed after."""
    with Solver(seconds=20) as solver:
        goals = [question.allowed(1), neg(question.allowed(0))]
        return Session(question, solver).solve(goals)[1].answer


def answers(question: Question) -> bool:
    """Whether some token gains access, where the question was answered for lists of any permitted length."""
    answer = gained(question)
    assert answer in (SAT, UNSAT)
    assert answer == SAT or not question.short_lists
    return answer == SAT


@pytest.mark.parametrize("name", TWO_LISTS)
def test_as_many_elements_as_are_counted_decide_like_every_list_there_is(numbers: World, name: str) -> None:
    rules = TWO_LISTS[name]
    assert answers(numbers.question(NOBODY, rules)) == numbers.widened(NOBODY, rules)


@pytest.mark.parametrize("name", NESTED)
def test_lists_of_lists_are_decided_like_every_one_there_is(rows: World, name: str) -> None:
    assert answers(rows.question(NOBODY, NESTED[name])) == rows.widened(NOBODY, NESTED[name])


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_changes_are_decided_like_all_pairs_there_are(numbers: World, old: str, new: str) -> None:
    pair = TWO_LISTS[old], TWO_LISTS[new]
    assert answers(numbers.question(*pair)) == numbers.widened(*pair)


@pytest.mark.parametrize("name", TIGHT)
def test_one_element_fewer_than_counted_would_prove_what_is_false(numbers: World, name: str) -> None:
    rules = TWO_LISTS[name]
    counted = numbers.question(NOBODY, rules).inputs.sizes
    assert gained(numbers.within(NOBODY, rules, counted)) == SAT
    for origin in [one for one, size in counted.items() if size > 1]:
        fewer = numbers.within(NOBODY, rules, {**counted, origin: counted[origin] - 1})
        assert gained(fewer) == UNSAT
        assert origin in fewer.short_lists


ROLES = {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 40}
NAMES = {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{1,9}$", "maxLength": 9}, "maxItems": 40}


@pytest.mark.parametrize("schema", [ROLES, NAMES], ids=["enum", "open"])
@pytest.mark.parametrize(
    "member",
    ['"reasons": R', '"reasons": [r | some r in R]', '"obligations": [{"id": r} | some r in R]'],
    ids=["claim", "reasons", "obligations"],
)
def test_a_decision_that_may_list_too_much_is_not_proved_alike(
    opa: Opa, tmp_path: Path, schema: Mapping[str, Any], member: str
) -> None:
    """33 times one role is one member of a set, and more than a decision may hold: the service denies then."""
    inputs = [{"subject": {"claims": {"roles": ["a"] * size}}} for size in (1, 33)]
    world = World(opa, tmp_path, contract({"roles": schema}), inputs, {"R": "roles"})
    old, new = f'allow := {{"allow": true, {member}}}', "allow := true"
    assert world.widened(old, new)
    assert gained(world.question(old, new)) == SAT


APART = {
    **ROWS,
    "minItems": 5,
    "maxItems": 5,
    "uniqueItems": True,
    "items": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "maxItems": 30},
}


def test_lists_that_keep_elements_apart_are_not_shortened(opa: Opa, tmp_path: Path) -> None:
    """Five lists of ones differ by their length alone, so that one of them has five elements."""
    inputs = [{"resource": {"properties": {"rows": [[1] * size for size in range(1, 6)]}}}]
    request = {"actions": ["read"], "resources": {"item": {"properties": {"rows": APART}, "required": ["rows"]}}}
    document = {**SHOP, "claims": {"one": {"schema": NUMBERS}}, "request": {**request, "context": {"properties": {}}}}
    one = parse_contract(json.dumps(document), Path("shop.yaml"), named=False)
    world = World(opa, tmp_path, one, inputs, {})
    rules = "allow if { every xs in input.resource.properties.rows { 1 in xs; every x in xs { x == 1 } } }"
    assert world.widened(NOBODY, rules)
    question = world.question(NOBODY, rules)
    assert gained(question) == SAT or question.short_lists


ONCE = {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2, "uniqueItems": True}
AGAIN = {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2}


def tagged(version: str, claim: Mapping[str, Any], tags: Mapping[str, Any]) -> Contract:
    item = {"properties": {"tags": tags}}
    document = {
        **SHOP,
        "version": version,
        "claims": {"roles": {"schema": claim}},
        "request": {"actions": ["read"], "resources": {"item": item}, "context": {"properties": {}}},
    }
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


@pytest.mark.parametrize(
    ("claims", "requests", "rules"),
    [
        ((ONCE, AGAIN), (AGAIN, AGAIN), 'allow if "a" in input.subject.claims.roles'),
        ((ONCE, {**AGAIN, "maxItems": 200}), (AGAIN, AGAIN), 'allow if "a" in input.subject.claims.roles'),
        ((AGAIN, AGAIN), (ONCE, AGAIN), 'allow if "a" in input.resource.properties.tags'),
    ],
    ids=["claim", "long claim", "request"],
)
def test_a_list_that_may_repeat_a_value_is_none_without_repetitions(
    opa: Opa, claims: Sequence[Mapping[str, Any]], requests: Sequence[Mapping[str, Any]], rules: str
) -> None:
    """`[a, a]` is refused before, so that a token may gain it, and a request with it is let through."""
    contracts = tagged("1.0.0", claims[0], requests[0]), tagged("2.0.0", claims[1], requests[1])
    policy = Policy(build_plan(opa, {"a.rego": f"package shop.authz\n\n{rules}\n".encode()}, "shop/authz/allow"))
    assert gained(encode(contracts, (policy, policy), BuiltinCalls(opa), request_of=1)) == SAT
