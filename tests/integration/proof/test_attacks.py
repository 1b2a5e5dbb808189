"""Changes that widen access in ways that are easily overlooked: none of them may be answered `proved`.

Each stands beside a near miss that is harmless and has to stay proved.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.errors import StartupFault
from entitlements.proof import (
    DEFAULT_EFFORT,
    METHOD,
    PROVED,
    REFUTED,
    UNKNOWN,
    WITHIN_BOUNDS,
    Answer,
    Effort,
    Side,
    compare_access,
)
from tests.shop import SHOP

BASE: dict[str, Any] = {
    **SHOP,
    "claims": {"role": {"required": True, "schema": {"enum": ["user", "guest"]}}},
    "scopes": {"read": {"claims": []}, "admin": {"claims": []}},
    "request": {
        "actions": ["read"],
        "resources": {"item": {"properties": {"state": {"enum": ["open", "shut"]}}}},
        "context": {"properties": {}},
    },
}


def contract(**parts: Any) -> Contract:
    return parse_contract(yaml.safe_dump(copy.deepcopy(BASE) | parts), Path("shop.yaml"), named=False)


def answer(
    old: Contract,
    new: Contract,
    folder: Path,
    opa: Opa,
    rule: str,
    rule_after: str = "",
    effort: Effort = DEFAULT_EFFORT,
) -> Answer:
    """Whether anyone gains access, under one policy or from one to another."""
    sides = []
    for one, text, name in ((old, rule, "before"), (new, rule_after or rule, "after")):
        place = folder / (name if rule_after else "same")
        (place / "shop/authz").mkdir(parents=True, exist_ok=True)
        (place / "shop/authz/authz.rego").write_text(f"package shop.authz\n\ndefault allow := false\n\n{text}\n")
        sides.append(Side(one, place, one.decision_path))
    return compare_access(*sides, opa=opa, effort=effort).no_new_access


def identity(name: str, *values: str) -> dict[str, Any]:
    return {**BASE["claims"], name: {"schema": {"enum": [*values]}}}


@pytest.mark.parametrize(("claim", "place"), [("sub", "id"), ("client_id", "client_id")])
def test_a_registered_claim_that_may_hold_more_widens_where_policy_reads_it(
    claim: str, place: str, opa: Opa, tmp_path: Path
) -> None:
    old, new = contract(claims=identity(claim, "a", "b")), contract(claims=identity(claim, "a", "b", "root"))
    found = answer(old, new, tmp_path / "root", opa, f'allow if input.subject.{place} == "root"')
    assert found.answer == REFUTED
    assert found.witnesses[0].changed == (claim,)
    assert found.witnesses[0].as_json()["claims_after"] == {"role": "guest", claim: "root"}
    near = answer(old, new, tmp_path / "near", opa, f'allow if input.subject.{place} == "a"')
    assert near.answer == PROVED


def test_a_registered_claim_that_another_policy_grants_is_found(opa: Opa, tmp_path: Path) -> None:
    one = contract()
    never = 'allow if input.subject.id == "nobody"'
    found = answer(one, one, tmp_path, opa, never, 'allow if input.subject.id in {"nobody", "root"}')
    assert found.answer == REFUTED
    assert found.witnesses[0].scenario.after.subject == "root"


def test_a_registered_claim_is_never_among_the_claims_that_policy_sees(opa: Opa, tmp_path: Path) -> None:
    """It is stripped from them, so a rule that looks for it there decides the same for everybody."""
    old, new = contract(claims=identity("sub", "a")), contract(claims=identity("sub", "a", "root"))
    found = answer(old, new, tmp_path, opa, 'allow if input.subject.claims.sub == "root"')
    assert found.answer == PROVED


def test_a_request_that_only_the_new_contract_lets_through_counts(opa: Opa, tmp_path: Path) -> None:
    def typed(*states: str) -> Contract:
        request = copy.deepcopy(BASE["request"])
        request["resources"]["item"]["properties"]["state"]["enum"] = [*states]
        return contract(request=request)

    rule = 'allow if input.subject.claims.role == "user"'
    found = answer(typed("open", "shut"), typed("open", "shut", "gone"), tmp_path / "more", opa, rule)
    assert found.answer == REFUTED
    assert found.witnesses[0].scenario.resource.properties == {"state": "gone"}
    fewer = answer(typed("open", "shut"), typed("open"), tmp_path / "fewer", opa, rule)
    assert fewer.answer == PROVED


def test_a_scope_whose_tokens_cannot_be_made_up_is_not_passed_over(opa: Opa, tmp_path: Path) -> None:
    """The claim is not read, but no value of it can be found: tokens with that scope were not looked at."""

    def with_claim(schema: dict[str, Any]) -> Contract:
        claims = {**BASE["claims"], "code": {"required": True, "schema": schema}}
        return contract(claims=claims, scopes={"read": {"claims": []}, "admin": {"claims": ["code"]}})

    never, now = 'allow if input.subject.claims.role == "x"', 'allow if "admin" in input.subject.scopes'
    odd = with_claim({"type": "string", "pattern": r"^\p{Lu}{3}\p{Nd}$"})
    assert answer(odd, odd, tmp_path / "odd", opa, never, now).answer in (REFUTED, UNKNOWN)
    plain = with_claim({"type": "string", "maxLength": 3})
    assert answer(plain, plain, tmp_path / "plain", opa, never, now).answer == REFUTED


MANY_OBJECTS = {"type": "array", "maxItems": 1}


def grants(*required: str, **properties: Any) -> Contract:
    items = {"type": "object", "properties": properties, "required": [*required]}
    return contract(claims={"grants": {"required": True, "schema": {**MANY_OBJECTS, "items": items}}})


KIND, FLAG = {"enum": ["read", "write"]}, {"type": "boolean"}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        pytest.param(
            grants("kind", kind=KIND, only_own=FLAG),
            grants("kind", kind=KIND),
            "allow if {\n\tsome g in input.subject.claims.grants\n\tnot g.only_own\n\tnot restricted\n}\n\n"
            "restricted if input.subject.claims.grants[_].only_own",
            id="property removed",
        ),
        pytest.param(
            grants("kind", kind=KIND, only_own=FLAG),
            grants("kind", "only_own", kind=KIND, only_own=FLAG),
            "allow if input.subject.claims.grants[_].only_own",
            id="property made required",
        ),
        pytest.param(
            grants("kind", kind={"enum": ["read", "write", "all"]}),
            grants("kind", kind=KIND),
            'allow if input.subject.claims.grants[_].kind == "write"',
            id="property value removed",
        ),
    ],
)
def test_objects_in_a_list_change_property_by_property(
    old: Contract, new: Contract, rule: str, opa: Opa, tmp_path: Path
) -> None:
    assert answer(old, new, tmp_path / "there", opa, rule).answer == REFUTED
    assert answer(old, old, tmp_path / "same", opa, rule).answer == PROVED


def test_whole_numbers_that_become_numbers_may_become_any(opa: Opa, tmp_path: Path) -> None:
    def level(**schema: Any) -> Contract:
        return contract(claims={"level": {"required": True, "schema": schema}})

    whole, any_number = level(type="integer", minimum=0, maximum=3), level(type="number", minimum=0, maximum=3)
    rule = "allow if input.subject.claims.level == 3"
    assert answer(whole, any_number, tmp_path, opa, rule).answer == REFUTED


@pytest.mark.parametrize(
    "call",
    [
        "time.now_ns() > 0",
        'rand.intn("x", 2) == 1',
        'io.jwt.decode_verify(input.subject.id, {"secret": "x"})[0]',
        "crypto.x509.parse_and_verify_certificates(input.subject.id)[0]",
        "opa.runtime().env.HOME",
    ],
)
def test_a_policy_that_does_not_decide_by_its_input_alone_is_compared_with_nothing(
    call: str, opa: Opa, tmp_path: Path
) -> None:
    """A clock or a chance would decide otherwise tomorrow than it did for the proof."""
    with pytest.raises(StartupFault) as refused:
        answer(contract(), contract(), tmp_path, opa, f"allow if {call}")
    assert refused.value.code == "policy_invalid"
    assert call.partition("(")[0] in str([str(fault) for fault in refused.value.faults])


UNCHECKABLE = {
    "policy_invalid": ["data.system.decision_paths", 'data["system"].decision_paths'],
    "comprehension_alone": [
        "[to_number(x) | some x in [input.action.name]]",
        "{x | x := to_number(input.action.name)}",
    ],
}


@pytest.mark.parametrize(("code", "body"), [(code, body) for code, bodies in UNCHECKABLE.items() for body in bodies])
def test_a_policy_of_which_not_all_can_be_seen_is_refused(code: str, body: str, opa: Opa, tmp_path: Path) -> None:
    with pytest.raises(StartupFault) as refused:
        answer(contract(), contract(), tmp_path, opa, f"allow if {{\n\t{body}\n}}")
    assert {fault.code for fault in refused.value.faults} == {code}


FAILS_FIRST = """\
denied if {
\tto_number(input.resource.id) == 1
\tinput.contract.version == "1.0.0"
}

denied if input.action.name == "write"

allow if not denied
"""


def test_the_same_failure_on_both_sides_is_no_proof_where_the_input_differs(opa: Opa, tmp_path: Path) -> None:
    """OPA leaves out a rule whose constants do not fit, and what would fail in it: then there is a decision."""
    found = answer(contract(), contract(version="1.1.0"), tmp_path, opa, FAILS_FIRST)
    assert found.answer != PROVED
    assert answer(contract(), contract(), tmp_path / "same", opa, FAILS_FIRST).answer == PROVED


INDICES = ["roles[1e0]", "roles[0.1e1]", "roles[data.shop.i]"]


@pytest.mark.parametrize("index", INDICES)
def test_an_index_with_an_exponent_is_never_taken_for_the_whole_number(index: str, opa: Opa, tmp_path: Path) -> None:
    """To OPA `[1e0]` is no element, although `1e0 == 1`."""
    roles = {"required": True, "schema": {"type": "array", "items": {"enum": ["x", "z"]}, "maxItems": 2}}
    old = contract(claims={"roles": roles})
    (tmp_path / "after/shop").mkdir(parents=True)
    (tmp_path / "after/shop/data.json").write_text('{"i": 1e0}')
    rare = 'input.action.name == "read"\n\tinput.resource.id == "r1"\n\tinput.subject.id == "u7"'
    body = f'{rare}\n\tinput.subject.claims.roles[1] == "x"\n\tnot input.subject.claims.{index}'
    found = answer(old, old, tmp_path, opa, "allow if 1 == 2", f"allow if {{\n\t{body}\n}}")
    assert found.answer != PROVED


TAGS = {"type": "array", "items": {"type": "string", "pattern": "^t[a-z]*$", "maxLength": 9}, "maxItems": 20}
MARKS = {**TAGS, "items": {"type": "string", "pattern": "^p[0-9]$", "maxLength": 9}}
FOUR = "\n\t".join(f'"p{number}" in xs' for number in range(4))
OF_TAGS, OF_MARKS = "some x in input.subject.claims.tags", "some x in input.subject.claims.marks"


@pytest.mark.parametrize(
    "rule",
    [
        f"allow if {{\n\txs := array.concat(input.subject.claims.tags, input.subject.claims.marks)\n\t{FOUR}\n}}",
        f"allow if {{\n\txs := {{x | {OF_TAGS}}} | {{x | {OF_MARKS}}}\n\t{FOUR}\n}}",
        f"allow if {{\n\t{FOUR}\n}}\n\nxs contains x if {OF_TAGS}\n\nxs contains x if {OF_MARKS}",
    ],
    ids=["joined", "union", "rules of a set"],
)
def test_what_is_made_of_two_long_lists_hangs_on_both(rule: str, opa: Opa, tmp_path: Path) -> None:
    claims = {name: {"required": True, "schema": schema} for name, schema in (("tags", TAGS), ("marks", MARKS))}
    one = contract(claims={**BASE["claims"], **claims})
    assert answer(one, one, tmp_path, opa, "allow if false", rule).answer == REFUTED


NUMBERS = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 1000}, "maxItems": 20}
OF_NUMBERS = "some y in input.subject.claims.nums; y + 100 in input.subject.claims.nums"
FURTHER = "y + 200 in input.subject.claims.nums; y + 300 in input.subject.claims.nums"
MADE = f"m contains y if {{ {OF_NUMBERS} }}\n\n"
LOOPS = "some a in m; some b in m; some c in m; a == 1; b == 2; c == 3"
AGAIN = "n contains y if { some y in m; y + 10 in m }"
OBJECT = f"m[y] := 1 if {{ {OF_NUMBERS} }}"


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (f"{MADE}allow if {{ m[1]; m[2]; m[3] }}", {REFUTED}),
        (f"{MADE}allow if {{ 1 in m; 2 in m; 3 in m }}", {REFUTED}),
        (f"{MADE}allow if {{ every c in [1, 2, 3] {{ c in m }} }}", {REFUTED}),
        (
            f"{MADE}allow if {{ {LOOPS} }}",
            {REFUTED},
        ),
        (f"allow if {{ m := [y | {OF_NUMBERS}]; 1 in m; 2 in m; 3 in m }}", {REFUTED}),
        (f"allow if {{ m := {{y | {OF_NUMBERS}}} | {{7}}; 1 in m; 2 in m; 3 in m }}", {REFUTED}),
        (f"{OBJECT}\n\nallow if m[1] + m[2] + m[3] == 3", {REFUTED}),
        (f"m contains y if {{ {OF_NUMBERS}; {FURTHER} }}\n\nallow if {{ 1 in m; 2 in m }}", {REFUTED, WITHIN_BOUNDS}),
        (
            f"{MADE}{AGAIN}\n\nallow if {{ 1 in n; 2 in n }}",
            {REFUTED, WITHIN_BOUNDS},
        ),
    ],
)
def test_what_is_made_of_several_elements_hangs_on_all_of_them(
    rule: str, wanted: set[str], opa: Opa, tmp_path: Path
) -> None:
    """Each element of the collection needs two elements of the list, or more, and each use of it needs its own."""
    one = contract(claims={**BASE["claims"], "nums": {"required": True, "schema": NUMBERS}})
    assert answer(one, one, tmp_path, opa, "allow if false", rule).answer in wanted


def test_a_policy_that_takes_too_long_to_follow_is_given_up(opa: Opa, tmp_path: Path) -> None:
    pairs = "pairs[x][y] := true if { some x in input.subject.claims.tags; some y in input.subject.claims.tags }"
    claims = {**BASE["claims"], "tags": {"required": True, "schema": TAGS}}
    one = contract(claims=claims)
    changed = f'{pairs}\n\nallow if {{ input.subject.claims.role == "user"; pairs["ta"]["tb"] }}'
    found = answer(one, one, tmp_path, opa, "allow if false", changed, Effort(budget=100, seconds=1))
    assert (found.method, "takes too long" in found.reason or found.answer == REFUTED) == (METHOD, True), found.reason
