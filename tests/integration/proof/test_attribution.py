"""A witness names rules that ended on one side alone and whose value differs, and the first whose value does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from entitlements.contract.loader import parse_contract
from entitlements.engine import Opa
from entitlements.proof import REFUTED, Access, Side, compare_access
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [{roles}]}}}}
  level: {{required: true, schema: {{type: integer, minimum: 0, maximum: {level}}}}}
request:
  actions: [read]
  resources: {{item: {{properties: {{}}}}}}
  context: {{properties: {{}}}}
""",
    rule="allow",
)
HEAD = "package shop.authz\n\ndefault allow := false\n\n"
Compare = Callable[..., Access]


@pytest.fixture
def compare(tmp_path: Path, opa: Opa) -> Compare:
    def compared(old: str, new: str = "", *, roles: tuple[str, str], level: tuple[int, int] = (2, 2)) -> Access:
        sides = []
        for number, policy in enumerate((old, new or old)):
            folder = tmp_path / f"p{number}" / "shop" / "authz"
            folder.mkdir(parents=True)
            (folder / "authz.rego").write_text(policy)
            text = CONTRACT.format(version=f"{number + 1}.0.0", roles=roles[number], level=level[number])
            contract = parse_contract(text, Path("c.yaml"), named=False)
            sides.append(Side(contract, tmp_path / f"p{number}", contract.decision_path))
        return compare_access(*sides, opa=opa)

    return compared


def rules(access: Access, *, widening: bool = True) -> set[str]:
    found = access.no_new_access if widening else access.no_lost_access
    assert found.answer == REFUTED
    return {witness.rule.replace("shop/authz/authz.rego:", "") for witness in found.witnesses}


GAINS_ROOT = ("user", "user, root")


def test_a_rule_on_one_line_that_never_denies_is_not_named(compare: Compare) -> None:
    policy = HEAD + (
        'allow if input.subject.claims.role == "root"\n\n'
        "allow if frozen\n\n"
        'frozen if input.subject.claims.role == "nobody"\n'
    )
    access = compare(policy, roles=GAINS_ROOT)
    assert rules(access) == {"grants: 5 allow"}
    # As it was while `allow` was said to deny no longer: what a person approved stays approved.
    assert [witness.fingerprint for witness in access.no_new_access.witnesses] == ["fa9edab6ba5bd85c"]


def test_a_helper_that_holds_on_both_sides_is_not_named(compare: Compare) -> None:
    policy = HEAD + (
        'allow if {\n\tinput.subject.claims.role == "root"\n\tcalm\n}\n\ncalm if {\n\tinput.action.name == "read"\n}\n'
    )
    assert rules(compare(policy, roles=GAINS_ROOT)) == {"grants: 5 allow"}


def test_a_denial_on_one_line_is_named_where_it_ends(compare: Compare) -> None:
    policy = HEAD + (
        "allow if not denied\n\n"
        'denied if input.subject.claims.role == "guest"\n\n'
        'denied if input.subject.claims.role == "nobody"\n'
    )
    found = rules(compare(policy, roles=("guest", "user")))
    assert found == {"differs first: 7 denied; grants: 5 allow; no longer denies: 7 denied"}


def test_a_value_that_differs_where_the_rule_ends_on_both_sides_is_named_first(compare: Compare) -> None:
    policy = HEAD + "allow if limit > 2\n\nlimit := input.subject.claims.level + 1\n"
    found = rules(compare(policy, roles=("user", "user"), level=(1, 3)))
    assert found == {"differs first: 7 limit; grants: 5 allow"}


def test_an_else_that_takes_over_is_named_as_the_first_to_differ(compare: Compare) -> None:
    policy = HEAD + (
        'allow if grade in {"high", "top"}\n\n'
        'grade := "low" if {\n\tinput.subject.claims.role == "user"\n} else := "high" if {\n'
        '\tinput.subject.claims.role == "root"\n}\n'
    )
    found = rules(compare(policy, roles=("user", "root")))
    assert found == {"differs first: 7 grade; grants: 5 allow"}


def test_a_policy_that_moved_down_in_its_file_names_only_what_changed(compare: Compare) -> None:
    old = HEAD + 'calm if input.action.name == "read"\n\nallow if {\n\tcalm\n\tinput.subject.claims.role == "user"\n}\n'
    new = old.replace("calm if", "# moved\n\ncalm if").replace("}\n", "}\n\nallow if calm\n")
    assert rules(compare(old, new, roles=("user, root",) * 2)) == {"grants: 14 allow"}


def test_lost_access_names_the_denial_that_comes(compare: Compare) -> None:
    policy = HEAD + 'allow if not denied\n\ndenied if input.subject.claims.role == "guest"\n'
    found = rules(compare(policy, roles=("user", "user, guest")), widening=False)
    assert found == {"differs first: 7 denied; no longer grants: 5 allow; now denies: 7 denied"}
