"""`renamed_from` onto a name that exists, a shift and a swap: followed by both readings of the relation, or refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, changes, link_faults, link_faults_of_step, parse_contract, successors
from entitlements.errors import ContractsInvalid
from entitlements.proof.migration import claim_steps, related
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.token_pair import make_token_pair
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from tests.shop import SHOP

WORDS = {"required": True, "schema": {"enum": ["u", "v"]}}
NONE: frozenset[str] = frozenset()


def contract(version: str = "1.0.0", **sources: str | None) -> Contract:
    """A contract with these claims, each renamed from the one that is named."""
    claims: dict[str, Any] = {
        name: {**WORDS, **({"renamed_from": source} if source else {})} for name, source in sources.items()
    }
    document = {**SHOP, "version": version, "claims": claims, "scopes": {}}
    return parse_contract(json.dumps(document), Path("x.yaml"), named=False)


OLD = contract(role=None, role_v2=None)
STEPS: dict[str, tuple[Contract, Contract, dict[str, str]]] = {
    "onto a name that exists": (OLD, contract("2.0.0", role="role_v2"), {"role": "role_v2"}),
    "shift": (
        OLD,
        contract("2.0.0", legacy_role="role", role="role_v2"),
        {"legacy_role": "role", "role": "role_v2"},
    ),
    "swap": (OLD, contract("2.0.0", role="role_v2", role_v2="role"), {"role": "role_v2", "role_v2": "role"}),
    "ring": (
        contract(a=None, b=None, c=None),
        contract("2.0.0", a="b", b="c", c="a"),
        {"a": "b", "b": "c", "c": "a"},
    ),
    "plain": (contract(role=None), contract("2.0.0", rank="role"), {"rank": "role"}),
    "followed before": (
        contract(role="role_v2", role_v2="role"),
        contract("2.0.0", role="role_v2", role_v2="role"),
        {"role": "role", "role_v2": "role_v2"},
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_each_claim_holds_what_its_source_held_and_nothing_else(name: str) -> None:
    """The row `renamed` of docs/proof.md, on every pair of tokens of a small world."""
    old, new, sources = STEPS[name]
    for before in worlds(old):
        for after in worlds(new):
            wanted = all(after[target] == before[source] for target, source in sources.items())
            assert related(old, new, (NONE, before), (NONE, after)) is wanted, (before, after)


@pytest.mark.parametrize("name", STEPS)
def test_the_symbolic_sides_hold_one_value_where_the_predicate_demands_it(name: str) -> None:
    old, new, sources = STEPS[name]
    sides = make_token_pair(Inputs(Algebra(Limits())), old, new, request_of=1)
    before, after = sides.tokens
    assert {*before.claims} == {*old.claims}
    assert {*after.claims} == {*new.claims}
    for target, source in sources.items():
        assert after.claims[target] == before.claims[source], target


def worlds(one: Contract) -> list[dict[str, str]]:
    return [dict(zip(one.claims, values, strict=True)) for values in itertools.product("uv", repeat=len(one.claims))]


def test_a_source_that_the_older_version_lacks_leaves_the_name_to_any_value() -> None:
    new = contract("2.0.0", role="rank")
    old = contract(role=None)
    assert successors(old, new) == {}
    assert all(
        related(old, new, (NONE, {"role": one}), (NONE, {"role": two})) for one, two in itertools.product("uv", "uv")
    )


def test_a_changed_value_under_a_link_changes_as_its_row_says() -> None:
    wider = {"required": True, "schema": {"enum": ["v", "w"]}, "renamed_from": "role_v2"}
    document = {**SHOP, "version": "2.0.0", "claims": {"role": wider}, "scopes": {}}
    new = parse_contract(json.dumps(document), Path("x.yaml"), named=False)
    found = {
        (one, two)
        for one, two in itertools.product("uv", "vw")
        if related(OLD, new, (NONE, {"role": "u", "role_v2": one}), (NONE, {"role": two}))
    }
    assert found == {("u", "v"), ("u", "w"), ("v", "v"), ("v", "w")}


def test_the_name_that_another_claim_takes_is_told_beside_the_renaming() -> None:
    rules = {(one.rule, one.claim) for one in changes(*STEPS["shift"][:2])}
    assert {("claim_renamed", "role"), ("claim_renamed", "role_v2"), ("claim_replaced", "role")} <= rules


REFUSED: dict[str, tuple[dict[str, str | None], str]] = {
    "itself": ({"role": "role"}, "role"),
    "still declared": ({"role": None, "rank": "role"}, "rank"),
    "twice": ({"a": "role", "b": "role"}, "b"),
    "registered source": ({"uid": "sub"}, "uid"),
    "registered name": ({"client_id": "role"}, "client_id"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_followed_is_refused_at_its_place(name: str) -> None:
    sources, place = REFUSED[name]
    new = contract("2.0.0", **sources)
    assert [path for path, _ in link_faults(new)] == [f"claims.{place}.renamed_from"]
    assert f"claims.{place}.renamed_from" in {one.path for one in link_faults_of_step(OLD, new)}


@pytest.mark.parametrize("name", STEPS)
def test_what_is_followed_is_not_refused(name: str) -> None:
    old, new, _ = STEPS[name]
    assert not link_faults(new)
    assert not link_faults_of_step(old, new)


def test_a_value_under_two_names_has_no_steps() -> None:
    with pytest.raises(ContractsInvalid, match="`role`"):
        claim_steps(OLD, contract("2.0.0", role=None, rank="role"))
