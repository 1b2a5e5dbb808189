"""Requests that the policies read alike are one witness, and an approval of it covers no other request."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.checking.words import sentence
from entitlements.contract import Contract, parse_contract
from entitlements.engine import BatchEngine, Opa
from entitlements.model import Resource
from entitlements.proof import DEFAULT_EFFORT, METHOD, REFUTED, Answer, Effort, Side, compare_access
from entitlements.proof.requests import ANY, IS, LIKE, RequestKind, one_request
from entitlements.proof.scenario import Scenario, Token, policy_input_of
from tests.shop import SHOP

UNREAD = "allow if not input.subject.claims.banned"


def contract(version: str, *, required: bool, **more: Any) -> Contract:
    claims = {"banned": {"required": required, "schema": {"type": "boolean"}}}
    document = {**copy.deepcopy(SHOP), "version": version, "claims": claims, **more}
    return parse_contract(yaml.safe_dump(document), Path("shop.yaml"), named=False)


def answer(opa: Opa, folder: Path, rules: str, effort: Effort = DEFAULT_EFFORT, **more: Any) -> Answer:
    """What a claim that becomes optional does to a policy that denies by it."""
    (folder / "shop/authz").mkdir(parents=True)
    (folder / "shop/authz/authz.rego").write_text(f"package shop.authz\n\ndefault allow := false\n\n{rules}\n")
    sides = contract("1.0.0", required=True, **more), contract("2.0.0", required=False, **more)
    found = compare_access(*(Side(one, folder, one.decision_path) for one in sides), opa=opa, effort=effort)
    assert found.no_new_access.answer == REFUTED
    return found.no_new_access


def marks(found: Answer) -> set[str]:
    return {one.fingerprint for one in found.witnesses}


def approved(found: Answer, accepted: set[str]) -> list[bool]:
    return [one.judged_by(accepted).approved for one in found.witnesses]


def where(*conditions: str) -> str:
    return "\n\n".join(f"allow if {{\n\tnot input.subject.claims.banned\n\t{one}\n}}" for one in conditions)


def test_what_the_policies_do_not_read_is_one_witness_of_any_request(opa: Opa, tmp_path: Path) -> None:
    found = answer(opa, tmp_path, UNREAD)
    assert (len(found.witnesses), found.reason) == (1, "")
    assert "may now take any action on a resource of any type (denied before)" in sentence(found.witnesses[0])
    assert approved(found, marks(found)) == [True]


NOT_DELETE, NOT_APP, NOT_LAB = (
    where('input.action.name != "delete"'),
    where('not startswith(input.action.name, "app:")'),
    where('not startswith(input.action.name, "lab:")'),
)


@pytest.mark.parametrize(
    ("rules", "told", "later"),
    [
        (NOT_DELETE, "an action such as `{}` (any but `delete`) on a resource of any type", UNREAD),
        (NOT_APP, "an action such as `{}` (any that the policies read alike) on a resource of any type", NOT_LAB),
        (where('input.action.name in {"a", "b", "c", "d"}'), "`a`, `b`, `c` or `d` a resource of any type", NOT_DELETE),
    ],
    ids=["all-but-one", "a-prefix", "a-list"],
)
def test_an_approval_does_not_cover_a_request_that_is_let_in_later(
    rules: str, told: str, later: str, opa: Opa, tmp_path: Path
) -> None:
    first = answer(opa, tmp_path / "first", rules)
    (witness,) = first.witnesses
    assert told.format(witness.scenario.action) in sentence(witness)
    assert approved(first, marks(first)) == [True]
    then = answer(opa, tmp_path / "later", later)
    assert not any(approved(then, marks(first)))
    assert not any(approved(first, marks(then)))


def test_a_handful_of_requests_that_the_policies_name_is_told_one_by_one(opa: Opa, tmp_path: Path) -> None:
    found = answer(opa, tmp_path, where('input.action.name in {"a", "b"}\n\tinput.resource.type == "doc"'))
    told = sorted(sentence(one) for one in found.witnesses)
    assert ["may now `a` a `doc`" in told[0], "may now `b` a `doc`" in told[1]] == [True, True]
    for one in found.witnesses:
        assert sorted(approved(found, {one.fingerprint})) == [False, True]


def test_an_enumeration_tells_more_than_a_handful_of_one_cause_as_one(opa: Opa, tmp_path: Path) -> None:
    actions = {"actions": [f"do_{number}" for number in range(5)]}
    request = {**actions, "resources": {"item": {"properties": {}}}, "context": {"properties": {}}}
    found = answer(opa, tmp_path, UNREAD, Effort(METHOD), request=request)
    (witness,) = found.witnesses
    assert len(witness.together) == 5
    assert "may now `do_0`, `do_1`, `do_2`, `do_3` or `do_4` an `item`" in sentence(witness)
    assert approved(found, {one.fingerprint for one in witness.together}) == [True]
    assert approved(found, {one.fingerprint for one in witness.together[1:]}) == [False]


ACTIONS, TYPES = ["a", "b", "ab", "ba", "a:x", "doc", "item", "other"], ["doc", "item", "a", "other"]


def says(term: Any, names: dict[str, str]) -> Any:
    """What a term of the proof, as JSON, is for a request."""
    match term:
        case ["var", name]:
            return names[name]
        case ["const", value]:
            return value
        case ["on_text", "prefix", parameter, subject]:
            return says(subject, names).startswith(parameter)
        case ["on_text", "segments", parameter, subject]:
            delimiter, least = json.loads(parameter)
            return len(says(subject, names).split(delimiter)) >= int(least)
        case ["part", "segment", parameter, subject]:
            delimiter, place = json.loads(parameter)
            return [*says(subject, names).split(delimiter), *[""] * 9][place]
        case ["=", one, other]:
            return says(one, names) == says(other, names)
    raise AssertionError(term)


def tells(kind: RequestKind, action: str, of: str) -> bool:
    """Whether a request is one of a kind."""
    names = {"action.name": action, "resource.type": of}
    for label, name in ((kind.action, action), (kind.type, of)):
        listed = {IS: name == label.example, ANY: not label.names or name in label.names, LIKE: name not in label.names}
        if not listed[label.how]:
            return False
    asked = [*kind.action.asked, *kind.type.asked, *kind.both]
    return all(says(json.loads(condition), names) is holds for condition, holds in asked)


@pytest.mark.parametrize(
    "rules",
    [
        where('input.action.name == "a"', 'startswith(input.action.name, "b")'),
        where('input.action.name != "a"\n\tinput.resource.type == "doc"', 'input.resource.type == "item"'),
        where("input.action.name == input.resource.type"),
        where("input.action.name == input.subject.id"),
        where('split(input.action.name, ":")[0] == "a"\n\tinput.resource.type in {"doc", "item", "x", "y"}'),
    ],
    ids=["name-and-prefix", "all-but-one-and-any", "both-equal", "subject", "segment"],
)
def test_the_witnesses_tell_every_request_that_turns(rules: str, opa: Opa, tmp_path: Path) -> None:
    found = answer(opa, tmp_path, rules)
    assert found.reason == ""
    told: list[RequestKind] = []
    for one in [each for witness in found.witnesses for each in witness.together or (witness,)]:
        told += one.requests or [one_request(one.scenario.action, one.scenario.resource.type)]
    turned = turning(opa, tmp_path)
    assert turned
    assert [request for request in turned if not any(tells(kind, *request) for kind in told)] == []


def turning(opa: Opa, folder: Path) -> list[tuple[str, str]]:
    """The requests that OPA denies who is banned, and allows once that is not said any more."""
    sides = contract("1.0.0", required=True), contract("2.0.0", required=False)
    tokens = [Token("a", frozenset(), claims) for claims in ({"banned": True}, {})]
    requests = [*itertools.product(ACTIONS, TYPES)]
    points = [Scenario(*tokens, action, Resource(of, "1", {}), {}) for action, of in requests]
    with BatchEngine(opa, folder, sides[0].decision_path) as engine:
        verdicts = [
            engine.decide([policy_input_of(side, token, point) for point in points])
            for side, token in zip(sides, tokens, strict=True)
        ]
    allowed = [[one is not None and one.allow is True for one in side] for side in verdicts]
    return [request for request, was, is_now in zip(requests, *allowed, strict=True) if is_now and not was]


@pytest.mark.parametrize(
    ("claims", "rules"),
    [
        (
            {"role": {"required": True, "schema": {"enum": ["admin", "guest"]}}},
            '[input.subject.claims.role, input.action.name] in {["admin", "a"], ["admin", "b"], ["guest", "ab"]}',
        ),
        (
            {"level": {"required": True, "schema": {"type": "integer", "minimum": 0, "maximum": 9}}},
            '[input.subject.claims.level, input.action.name] in {[4, "a"], [4, "b"], [4, "ab"], [9, "ba"]}',
        ),
        ({}, '[input.resource.properties.of, input.action.name] in {["x", "a"], ["x", "b"], ["x", "ab"], ["y", "ba"]}'),
    ],
    ids=["role", "level", "property"],
)
def test_the_tokens_of_a_witness_turn_each_of_its_requests(
    claims: dict[str, Any], rules: str, opa: Opa, tmp_path: Path
) -> None:
    banned = {"schema": {"type": "boolean"}}
    sides = [
        contract(version, required=True, claims={"banned": {**banned, "required": must}, **claims})
        for version, must in (("1.0.0", True), ("2.0.0", False))
    ]
    (tmp_path / "shop/authz").mkdir(parents=True)
    body = f"package shop.authz\n\ndefault allow := false\n\n{where(rules)}\n"
    (tmp_path / "shop/authz/authz.rego").write_text(body)
    found = compare_access(*(Side(one, tmp_path, one.decision_path) for one in sides), opa=opa).no_new_access
    told = {one.fingerprint: one for witness in found.witnesses for one in witness.together or (witness,)}.values()
    points = [
        replace(one.scenario, action=action, resource=replace(one.scenario.resource, type=of))
        for one in told
        for action, of in itertools.product(ACTIONS, TYPES)
        if any(tells(kind, action, of) for kind in one.requests or [one_request(one.scenario.action, "doc")])
    ]
    assert points
    with BatchEngine(opa, tmp_path, sides[0].decision_path) as engine:
        asked = [
            [policy_input_of(side, getattr(point, which), point) for point in points]
            for side, which in zip(sides, ("before", "after"), strict=True)
        ]
        was, is_now = ([one is not None and one.allow is True for one in engine.decide(each)] for each in asked)
    assert (any(was), all(is_now)) == (False, True)
