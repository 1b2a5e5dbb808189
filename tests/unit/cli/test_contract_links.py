"""Lint and check refuse a `renamed_from` that is not followed, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.engine import Opa
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role:
    required: true
    schema: {{enum: [user, admin]}}
{more}""",
    rule="allow",
)
COPY = "  rank:\n    required: true\n    renamed_from: role\n    schema: {enum: [user, admin]}\n"


@pytest.fixture
def project(tmp_path: Path, opa: Opa, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    shop = tmp_path / "contracts" / "shop"
    shop.mkdir(parents=True)
    (shop / "1.0.0.yaml").write_text(CONTRACT.format(version="1.0.0", more=""))
    (shop / "1.1.0.yaml").write_text(CONTRACT.format(version="1.1.0", more=COPY))
    policy = tmp_path / "policies" / "shop" / "authz" / "authz.rego"
    policy.parent.mkdir(parents=True)
    policy.write_text('package shop.authz\n\nallow if input.subject.claims.role == "admin"\n')
    return tmp_path


def run(project: Path, *arguments: str) -> Result:
    environment = {
        "ENTITLEMENTS_CONTRACTS": str(project / "contracts"),
        "ENTITLEMENTS_POLICIES": str(project / "policies"),
    }
    return CliRunner().invoke(main, ["contract", *arguments], env=environment)


@pytest.mark.parametrize("command", ["lint", "lint the file", "check"])
def test_a_value_under_two_names_is_refused_with_file_and_line(project: Path, command: str) -> None:
    file = project / "contracts" / "shop" / "1.1.0.yaml"
    arguments = ["lint", str(file)] if command == "lint the file" else [command]
    refused = run(project, *arguments)
    assert (refused.exit_code, f"{file}:14" in refused.output) == (2, True), refused.output


def test_an_older_version_that_says_it_is_left_alone(project: Path) -> None:
    (project / "contracts" / "shop" / "1.2.0.yaml").write_text(CONTRACT.format(version="1.2.0", more=""))
    assert run(project, "lint").exit_code == 0


def test_a_read_of_a_registered_claim_is_told_with_the_place_to_read(project: Path) -> None:
    (project / "contracts" / "shop" / "1.1.0.yaml").write_text(CONTRACT.format(version="1.1.0", more=""))
    policy = project / "policies" / "shop" / "authz" / "authz.rego"
    policy.write_text('package shop.authz\n\nallow if input.subject.claims.sub == "u"\n')
    told = run(project, "check").output
    assert f"{policy}:3: `input.subject.claims.sub` is never there" in told
    assert "read `input.subject.id`" in told
