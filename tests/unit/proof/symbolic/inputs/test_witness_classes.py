"""When a point is of the kind of a witness: the same differences, whatever is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from entitlements.contract import parse_contract
from entitlements.model import Resource
from entitlements.proof.scenario import Scenario, Token
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.token_pair import make_token_pair
from entitlements.proof.symbolic.inputs.witness_classes import of_kind, single_differences
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import count
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from tests.shop import SHOP

ACTIONS, TYPES, OLD, NEW = ["read", "write"], ["item", "order"], ["a", "b"], ["a", "b", "c"]


def contract(version: str, roles: list[str]) -> object:
    document = {
        **SHOP,
        "version": version,
        "claims": {"role": {"required": True, "schema": {"enum": roles}}},
        "request": {"actions": ACTIONS, "resources": {name: {"properties": {}} for name in TYPES}},
    }
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


ALGEBRA = Algebra(Limits())
SIDES = make_token_pair(Inputs(ALGEBRA), contract("1.0.0", OLD), contract("1.1.0", NEW), request_of=1)  # type: ignore[arg-type]


def point(before: str, after: str, action: str, kind: str) -> Scenario:
    tokens = (Token("u_1", frozenset(), {"role": role}) for role in (before, after))
    return Scenario(*tokens, action, Resource(kind, "1", {}), {})


def assigned(before: str, after: str, action: str, kind: str) -> Assignment:
    choices = {
        "role": OLD.index(before),
        "role after": NEW.index(after),
        "action.name": ACTIONS.index(action),
        "resource.type": TYPES.index(kind),
    }
    return Assignment({}, choices, lambda *_: False, lambda _: "u_1")


WITNESS = ("a", "c", "read", "item")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (WITNESS, True),
        (("b", "c", "read", "item"), True),
        (("a", "b", "read", "item"), False),
        (("a", "a", "read", "item"), False),
        (("a", "c", "write", "item"), True),
        (("a", "c", "read", "order"), True),
    ],
    ids=str,
)
def test_point_is_of_the_kind_where_what_differs_is_the_same(other: tuple[str, str, str, str], same: bool) -> None:
    assert assigned(*other).of(of_kind(ALGEBRA, SIDES, point(*WITNESS))) is same


def test_witness_without_a_difference_is_of_the_class_of_points_without_one() -> None:
    condition = of_kind(ALGEBRA, SIDES, point("a", "a", "read", "item"))
    assert assigned("b", "b", "read", "item").of(condition) is True
    assert assigned("a", "b", "read", "item").of(condition) is False


@pytest.mark.parametrize(("roles", "number"), [(("a", "a"), 0), (("a", "b"), 1), (("b", "c"), 1)])
def test_differences_are_counted(roles: tuple[str, str], number: int) -> None:
    assert assigned(*roles, "read", "item").of(count(single_differences(ALGEBRA, SIDES))) == number
