"""An allow that lost an obligation is new access, one that gained one is lost access: proved, refuted or unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from entitlements.contract.loader import parse_contract
from entitlements.engine import Opa
from entitlements.proof import METHOD, PROOF, PROVED, REFUTED, UNKNOWN, Access, Effort, Side, compare_access
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [{roles}]}}}}
  level: {{required: true, schema: {{type: integer, minimum: 0, maximum: 2}}}}
request:
  actions: [read]
  resources: {{item: {{properties: {{owner: {{enum: [a, b]}}}}}}}}
""",
    rule="decision",
)
HEAD = "package shop.authz\n\n"
ALWAYS = HEAD + 'decision := {"allow": true, "obligations": [{"id": "step_up", "level": 2}]}\n'
PROPERTY = HEAD + 'decision := {"allow": true, "obligations": [{"id": "step_up", "level": 1}]}\n'
NONE = HEAD + 'decision := {"allow": true}\n'
EMPTY = HEAD + 'decision := {"allow": true, "obligations": []}\n'
BOTH = HEAD + 'decision := {"allow": true, "obligations": [{"id": "log"}, {"level": 2, "id": "step_up"}]}\n'
CONDITIONAL = (
    HEAD
    + """decision := {"allow": true, "obligations": obligations}

obligations contains {"id": "step_up", "level": 2} if input.subject.claims.role == "admin"
"""
)
CLAIM = (
    HEAD
    + """decision := {"allow": true, "obligations": [{"id": "limit", "most": input.subject.claims.level}]}
"""
)
DENIES = HEAD + 'decision := {"allow": false, "obligations": []}\n'
COMPUTED = (
    HEAD
    + """decision := {"allow": true, "obligations": [{"id": crypto.sha256(input.resource.properties.owner)}]}
"""
)


@pytest.fixture
def compare(tmp_path: Path, opa: Opa) -> Any:
    def compared(old: str, new: str, roles: tuple[str, str] = ("user, admin",) * 2, method: str = PROOF) -> Access:
        sides = []
        for number, policy in enumerate((old, new)):
            folder = tmp_path / f"p{number}"
            (folder / "shop" / "authz").mkdir(parents=True, exist_ok=True)
            (folder / "shop" / "authz" / "authz.rego").write_text(policy)
            text = CONTRACT.format(version=f"{number + 1}.0.0", roles=roles[number])
            contract = parse_contract(text, Path("c.yaml"), named=False)
            sides.append(Side(contract, folder, contract.decision_path))
        return compare_access(*sides, opa=opa, effort=Effort(method))

    return compared


STEPS = {
    "the same": (ALWAYS, ALWAYS, PROVED, PROVED),
    "gone": (ALWAYS, NONE, REFUTED, PROVED),
    "gone, an empty list": (ALWAYS, EMPTY, REFUTED, PROVED),
    "comes": (NONE, ALWAYS, PROVED, REFUTED),
    "a property changes": (ALWAYS, PROPERTY, REFUTED, REFUTED),
    "one more, in another order": (ALWAYS, BOTH, PROVED, REFUTED),
    "only under a condition": (ALWAYS, CONDITIONAL, REFUTED, PROVED),
    "the same condition": (CONDITIONAL, CONDITIONAL, PROVED, PROVED),
    "a claim within": (CLAIM, CLAIM, PROVED, PROVED),
    "allowed no more": (ALWAYS, DENIES, PROVED, REFUTED),
}


@pytest.mark.parametrize("method", [PROOF, METHOD])
@pytest.mark.parametrize("name", STEPS)
def test_what_an_allow_demands_is_part_of_the_answer(compare: Any, name: str, method: str) -> None:
    old, new, gained, lost = STEPS[name]
    access = compare(old, new, method=method)
    assert (access.no_new_access.answer, access.no_lost_access.answer) == (gained, lost)


def test_the_witness_shows_the_obligation_that_vanished(compare: Any) -> None:
    access = compare(ALWAYS, CONDITIONAL)
    (witness,) = access.no_new_access.witnesses
    assert witness.kind == "obligation"
    assert (witness.obligations_before, witness.obligations_after) == (({"id": "step_up", "level": 2},), ())
    assert witness.scenario.after.claims["role"] == "user"


def test_a_change_of_claims_that_leaves_a_duty_behind_is_new_access(compare: Any) -> None:
    access = compare(CONDITIONAL, CONDITIONAL, ("admin", "admin, user"))
    assert access.no_new_access.answer == REFUTED
    assert {one.kind for one in access.no_new_access.witnesses} == {"obligation"}


def test_an_obligation_that_cannot_be_followed_is_not_proved(compare: Any) -> None:
    access = compare(COMPUTED, ALWAYS)
    assert access.no_new_access.answer in (REFUTED, UNKNOWN)


def test_access_and_a_duty_are_two_witnesses_and_access_keeps_its_fingerprint(compare: Any) -> None:
    first = HEAD + 'decision := {"allow": input.subject.claims.role == "admin"}\n'
    second = HEAD + 'decision := {"allow": input.subject.claims.level == 2}\n'
    plain = compare(first, second).no_new_access.witnesses
    with_duty = compare(
        first.replace('"admin"}', '"admin", "obligations": [{"id": "log"}]}'), second
    ).no_new_access.witnesses
    assert {one.kind for one in plain} == {"access"}
    assert {one.kind for one in with_duty} == {"access", "obligation"}
    assert {one.fingerprint for one in plain} <= {one.fingerprint for one in with_duty}
