"""`contract lint` warns where whoever comes without an optional claim may gain access, or lose an obligation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.locked_project import LockedProject
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [user, clerk]}}}}
  suspended: {{schema: {{type: boolean}}}}
  guest: {{schema: {{type: boolean}}}}
""",
    rule="decision",
).format(version="1.0.0")


def warned(tmp_path: Path, opa: Path, monkeypatch: pytest.MonkeyPatch, rules: str) -> list[str]:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    project = LockedProject(tmp_path).start()
    (project.contracts / "shop/1.0.0.yaml").write_text(CONTRACT)
    project.rego.write_text(f"package shop.authz\n\n{rules}\n")
    done = project.run("lint")
    assert done.exit_code == 0, done.output
    return [line for line in done.output.splitlines() if "claim_loss_widens" in line]


def test_a_denial_by_an_optional_claim_is_warned_of(tmp_path: Path, opa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = 'decision if {\n\tinput.subject.claims.role == "clerk"\n\tnot input.subject.claims.suspended\n}'
    (line,) = warned(tmp_path, opa, monkeypatch, rules)
    assert "shop/1.0.0.yaml:10: claims.suspended: is optional, and who comes without it may gain access: " in line
    assert "whose `suspended` goes from `true` to absent" in line


def test_a_demand_for_an_optional_claim_is_not(tmp_path: Path, opa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = "decision if {\n\tinput.subject.claims.suspended == false\n\tinput.subject.claims.guest == false\n}"
    assert warned(tmp_path, opa, monkeypatch, rules) == []


def test_an_obligation_that_is_lost_is_warned_of(tmp_path: Path, opa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = (
        'decision := {"allow": true, "obligations": [{"id": "log"}]} if input.subject.claims.guest\n'
        'else := {"allow": true} if true'
    )
    (line,) = warned(tmp_path, opa, monkeypatch, rules)
    assert "claims.guest" in line


def test_what_cannot_be_followed_is_left_to_the_commands_that_prove(
    tmp_path: Path, opa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = 'decision if {\n\tx := json.marshal(input.subject)\n\tcontains(x, "clerk")\n\tinput.subject.claims.guest\n}'
    assert warned(tmp_path, opa, monkeypatch, rules) == []
