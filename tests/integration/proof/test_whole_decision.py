"""Whether decisions are equal as a whole, reasons and obligations of denials included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.contract import load_file
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, UNKNOWN, Effort, Side, compare_access
from entitlements.proof.symbolic.whole_decision import WholeDecision
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [user, admin]}}}}
  roles: {{required: true, schema: {{type: array, maxItems: 9, items: {{enum: [a, b]}}}}}}
  tags: {{required: true, schema: {{type: array, maxItems: 40, items: {{type: string, maxLength: 9}}}}}}
  level: {{required: true, schema: {{type: integer, minimum: 0, maximum: 4}}}}
""",
    rule="decision",
).format(version="1.0.0")
HEAD = "package shop.authz\n\n"
C = "input.subject.claims"
PLAIN = f"""{HEAD}default allow := false

allow if {C}.role == "admin"

decision := {{"allow": allow, "reasons": reasons, "obligations": obligations}}

reasons contains "not_an_admin" if not allow

obligations contains {{"id": "log"}} if {C}.level > 2
"""
SAME = PLAIN.replace("if not allow\n", f'if {C}.role != "admin"\n').replace("> 2", ">= 3")
GROUNDS = "if not allow\n"
CHANGES = {
    "reason of a denial": (PLAIN.replace("not_an_admin", "no_admin"), "reasons"),
    "reason that is gone for some": (PLAIN.replace(GROUNDS, f"if {{ not allow; {C}.level > 0 }}\n"), "reasons"),
    "reason of an allow": (f'{PLAIN}\nreasons contains "is_admin" if allow\n', "reasons"),
    "obligation of a denial": (f'{PLAIN}\nobligations contains {{"id": "tell"}} if not allow\n', "obligations"),
    "obligation of an allow": (PLAIN.replace('"log"', '"audit"'), "obligations"),
    "access": (PLAIN.replace("role == ", "role != "), "allow"),
    "no decision for a denial": (PLAIN.replace("default allow := false", ""), "reasons"),
}


def compared(folder: Path, opa: Opa, old: str, new: str) -> WholeDecision:
    folder.mkdir(exist_ok=True)
    file = folder / "1.0.0.yaml"
    file.write_text(CONTRACT)
    contract = load_file(file, named=False).contract
    sides = []
    for name, policy in (("old", old), ("new", new)):
        (folder / name / "shop" / "authz").mkdir(parents=True)
        (folder / name / "shop" / "authz" / "authz.rego").write_text(policy)
        sides.append(Side(contract, folder / name, contract.decision_path))
    found = compare_access(sides[0], sides[1], opa=opa, effort=Effort(budget=200, whole=True)).whole
    assert found is not None
    return found


def test_the_same_written_otherwise_is_proved_equal(tmp_path: Path, opa: Opa) -> None:
    found = compared(tmp_path, opa, PLAIN, SAME)
    assert (found.answer, found.differs, found.reason) == (PROVED, (), "")


@pytest.mark.parametrize("name", [*CHANGES])
def test_member_that_differs_is_shown_as_opa_gives_it(name: str, tmp_path: Path, opa: Opa) -> None:
    new, member = CHANGES[name]
    found = compared(tmp_path, opa, PLAIN, new)
    assert found.answer == REFUTED
    assert member in found.differs
    assert found.example is not None
    assert found.before != found.after


FEW = f"count({C}.tags) < 39"
UNFOLLOWED = {
    "reasons of a long list": (
        f"contains t if some t in {C}.tags",
        f'contains t if {{ some t in {C}.tags; t != "x" }}',
    ),
    "reasons and a size": (f"contains r if some r in {C}.roles", f"contains r if {{ some r in {C}.roles; {FEW} }}"),
    "malformed": ("contains 1 if not allow", f"contains 1 if {{ not allow; {C}.level > 0 }}"),
    "may fail": (f'contains "odd" if 1 / {C}.level > 9', f'contains "odd" if 1 / {C}.level > 8'),
}


@pytest.mark.parametrize("name", [*UNFOLLOWED])
def test_what_is_not_followed_is_not_called_equal(name: str, tmp_path: Path, opa: Opa) -> None:
    old, new = (f"{PLAIN}\nreasons {more}\n" for more in UNFOLLOWED[name])
    found = compared(tmp_path, opa, old, new)
    assert found.answer in (UNKNOWN, REFUTED)
    assert found.reason or found.differs


def test_command_tells_what_differs_and_fails(tmp_path: Path, opa: Opa) -> None:
    for name, policy in (("old", PLAIN), ("new", CHANGES["reason of a denial"][0])):
        (tmp_path / name / "shop" / "authz").mkdir(parents=True)
        (tmp_path / name / "shop" / "authz" / "authz.rego").write_text(policy)
    (tmp_path / "contracts" / "shop").mkdir(parents=True)
    (tmp_path / "contracts" / "shop" / "1.0.0.yaml").write_text(CONTRACT)
    environment = {"ENTITLEMENTS_CONTRACTS": str(tmp_path / "contracts"), "ENTITLEMENTS_OPA_BIN": str(opa)}

    def run(*options: str) -> Result:
        command = ["policy", "check", str(tmp_path / "old"), str(tmp_path / "new"), *options]
        return CliRunner().invoke(main, command, env=environment)

    assert run().exit_code == 0
    told = run("--whole")
    assert (told.exit_code, "decisions are equal as a whole: refuted: reasons differ" in told.output) == (3, True)
    document: Any = json.loads(run("--whole", "--format", "json").output)[0]["whole_decision"]
    assert (document["answer"], document["differs"]) == ("refuted", ["reasons"])
    assert document["decisions"]["before"]["reasons"] == ["not_an_admin"]
