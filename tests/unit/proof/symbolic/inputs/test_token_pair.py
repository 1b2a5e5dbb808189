"""Both tokens of a question: what each contract declares, and nothing else."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from entitlements.contract import Contract, parse_contract
from entitlements.proof.migration import related_scopes
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.token_pair import TokenPair, make_token_pair
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.precision import Limits
from tests.shop import SHOP

ROLE = {"role": {"required": True, "schema": {"enum": ["a", "b"]}}}


def contract(*scopes: str, **parts: Any) -> Contract:
    document = {**SHOP, "claims": ROLE, "scopes": {name: {"claims": []} for name in scopes}, **parts}
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


def sides(old: Contract, new: Contract) -> TokenPair:
    return make_token_pair(Inputs(Algebra(Limits())), old, new, request_of=1)


def test_scope_that_is_gone_is_held_before_only() -> None:
    pair = sides(contract("read", "admin"), contract("read"))
    assert [sorted(token.scopes) for token in pair.tokens] == [["admin", "read"], ["read"]]


def test_scopes_that_are_the_same_are_one_condition() -> None:
    before, after = sides(contract("read"), contract("read", version="1.1.0")).tokens
    assert before.scopes["read"] is after.scopes["read"]


def test_scopes_before_and_after_are_related_as_the_predicate_says() -> None:
    old, new = contract("read", "admin"), contract("read", "write")
    pair = sides(old, new)
    bits = {name: term.args[0] for token in pair.tokens for name, term in token.scopes.items() if term.op == "var"}
    names = [(token, name) for token in (0, 1) for name in sorted(pair.tokens[token].scopes)]
    assert bits
    for held in itertools.product((True, False), repeat=len(names)):
        chosen = dict(zip(names, held, strict=True))
        variables = {pair.tokens[token].scopes[name].args[0]: value for (token, name), value in chosen.items()}
        assignment = Assignment(variables, {}, lambda *_: False, lambda _: "x")
        before, after = (
            frozenset(name for (token, name), value in chosen.items() if token == side and value) for side in (0, 1)
        )
        assert assignment.of(pair.related) is related_scopes(old, new, before, after), (before, after)


def test_claim_of_the_same_specification_is_one_value() -> None:
    before, after = sides(contract("read"), contract("read", version="1.1.0")).tokens
    assert before.claims["role"] is after.claims["role"]
    other = contract("read", version="2.0.0", claims={"role": {"schema": {"enum": ["a", "b"]}}})
    before, after = sides(contract("read"), other).tokens
    assert before.claims["role"] is not after.claims["role"]
