"""What `sub` and `client_id` may be before and after, as the relation permits it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.proof.enumeration.identities import identity_pairs
from entitlements.proof.enumeration.values import Pool
from tests.shop import SHOP

POOL = Pool(("named",), ())
ROLE = {"role": {"required": True, "schema": {"enum": ["a", "b"]}}}


def contract(name: str, *values: str) -> Contract:
    narrowed: dict[str, Any] = {name: {"required": True, "schema": {"enum": [*values]}}} if values else {}
    return parse_contract(json.dumps({**SHOP, "claims": {**ROLE, **narrowed}}), Path("shop.yaml"), named=False)


@pytest.mark.parametrize("name", ["sub", "client_id"])
def test_identity_that_no_contract_narrows_stays(name: str) -> None:
    pairs = identity_pairs(contract(name), contract(name), name, ("u_1", "u_2"), POOL)
    assert {("u_1", "u_1"), ("u_2", "u_2"), ("named", "named")} <= {*pairs}
    assert all(one == other for one, other in pairs)


@pytest.mark.parametrize("name", ["sub", "client_id"])
def test_identity_may_become_what_is_newly_permitted(name: str) -> None:
    pairs = identity_pairs(contract(name, "x", "y"), contract(name, "x", "y", "z"), name, ("u_1",), POOL)
    assert {*pairs} == {("x", "x"), ("y", "y"), ("x", "z"), ("y", "z")}


@pytest.mark.parametrize("name", ["sub", "client_id"])
def test_identity_that_is_not_permitted_any_more_may_become_any(name: str) -> None:
    pairs = identity_pairs(contract(name, "x", "y", "z"), contract(name, "x", "y"), name, ("u_1",), POOL)
    assert {*pairs} == {("x", "x"), ("y", "y"), ("z", "x"), ("z", "y")}
