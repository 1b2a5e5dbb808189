"""When a token may be presented: as the verifier decides it, with the largest leeway."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.errors import TokenRejected
from entitlements.proof.enumeration.moments import moments, sees_times, zones_of
from entitlements.proof.enumeration.values import Pool
from entitlements.proof.migration import claim_steps
from entitlements.proof.symbolic.inputs.clock import SECONDS, token_facts
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.terms.term import INT, variable
from entitlements.proof.symbolic.values.value import NUMBER, of_leaf, scalar
from entitlements.proof.token_times import LEEWAY, longer_lived, seen_times, valid_at
from entitlements.token.claims import Times
from entitlements.token.verifier_faults import MAX_LEEWAY
from tests.shop import SHOP

NOW = 1_800_000_000
STEPS = (-700, -601, -600, -599, -61, -60, -59, 0, 59, 60, 61, 540, 541, 600)


def contract(claims: Any = None, zone: str | None = "UTC", lifetime: int = 600, **access: Any) -> Contract:
    times = {name: {"schema": {"type": "integer"}} for name in ("iat", "exp")}
    document = {
        **SHOP,
        "tokens": {"access_token": {**SHOP["tokens"]["access_token"], "max_lifetime": lifetime, **access}},
        "claims": times if claims is None else claims,
        **({"time": {"zone": zone}} if zone else {}),
    }
    return parse_contract(json.dumps(document), Path("shop/1.0.0.yaml"))


def taken(issued: int, expires: int) -> bool:
    """Whether the service takes it at some moment within the second, by its own check."""
    if expires < issued or (issued and expires - issued > 600):
        return False
    for now in (NOW, NOW + 0.999):
        try:
            Times(issued, 0, expires).check(now, MAX_LEEWAY)
        except TokenRejected:
            continue
        return True
    return False


def test_leeway_of_the_proof_is_the_largest_of_the_service() -> None:
    assert LEEWAY == MAX_LEEWAY


def test_both_twins_say_what_the_service_says_of_a_token() -> None:
    one = contract()
    names = {"iat": variable("iat", INT), "exp": variable("exp", INT)}
    facts = [*token_facts(one, {name: of_leaf(scalar(NUMBER, term)) for name, term in names.items()})]
    for issued, expires in itertools.product([0, -1, *(NOW + step for step in STEPS)], [NOW + step for step in STEPS]):
        values = {"iat": issued, "exp": expires, SECONDS.args[0]: NOW}
        assignment = Assignment(values, {}, lambda *_: False, lambda _: 0)
        held = all(assignment.of(fact) for fact in facts)
        assert held == valid_at(one, {"iat": issued, "exp": expires}, NOW), (issued - NOW, expires - NOW)
        assert held or issued < 0 or not taken(issued, expires), (issued - NOW, expires - NOW)


def test_what_the_service_refuses_at_every_leeway_is_not_valid() -> None:
    one = contract()
    assert not valid_at(one, {"exp": NOW - 60}, NOW)
    assert valid_at(one, {"exp": NOW - 59}, NOW)
    assert not valid_at(one, {"exp": NOW + 100, "iat": NOW + 61}, NOW)
    assert not valid_at(one, {"exp": NOW + 601, "iat": NOW}, NOW)
    assert valid_at(one, {"exp": NOW - 60}, None)


def test_of_times_that_policies_do_not_see_nothing_is_said() -> None:
    assert seen_times(contract(zone=None)) == frozenset()
    assert seen_times(contract({"exp": {"schema": {"type": "number"}}})) == frozenset()
    assert valid_at(contract(zone=None), {"exp": 1}, NOW)


@pytest.mark.parametrize(
    ("other", "longer"),
    [
        (contract(), False),
        (contract(zone="Europe/Berlin"), False),
        (contract(lifetime=601), True),
        (contract(profile="keycloak"), True),
        (contract(opaque={}), True),
    ],
)
def test_times_stay_only_where_tokens_live_as_long_and_are_of_one_kind(other: Contract, longer: bool) -> None:
    assert longer_lived(contract(), other) is longer
    for step in claim_steps(contract(), other):
        assert (step.same, step.unfollowed) == (not longer, longer)


def test_times_that_the_profile_demands_are_always_there() -> None:
    required = {step.name_after: step.after.required for step in claim_steps(contract(), contract()) if step.after}
    assert required == {"iat": True, "exp": True}
    answered = contract(opaque={})
    required = {step.name_after: step.after.required for step in claim_steps(answered, answered) if step.after}
    assert required == {"iat": False, "exp": True}


def test_registered_times_are_claims_only_beside_the_time() -> None:
    assert claim_steps(contract(zone=None), contract(zone=None)) == ()
    (step, _) = claim_steps(contract(zone=None), contract())
    assert step.before is None
    assert sees_times(contract(zone=None), contract())
    assert not sees_times(contract({"staff": {"schema": {"type": "boolean"}}}), contract(zone=None))


def test_moments_are_those_of_the_zones_and_none_without_one() -> None:
    untimed = contract(zone=None)
    assert zones_of(untimed, contract()) == ["UTC"]
    assert moments(untimed, untimed, Pool((), ()), read=True) == [None]
    assert len(moments(contract(), contract(), Pool((), ()), read=True)) > 20
    staff = contract({"staff": {"schema": {"type": "boolean"}}})
    assert len(moments(staff, staff, Pool((), ()), read=False)) == 1
