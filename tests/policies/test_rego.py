"""The gates of policy authors: format, strict types against the contracts' schemas, and tests that cover every line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from entitlements.contract import input_schema, load_catalog
from entitlements.engine import find_opa

ROOT = Path(__file__).resolve().parents[2]
POLICIES = ROOT / "policies"
PACKAGES = sorted(path.parent.relative_to(POLICIES).as_posix() for path in POLICIES.glob("*/authz/authz_test.rego"))


def opa(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = find_opa(
        configured=os.environ.get("ENTITLEMENTS_OPA_BIN", ""), tools=ROOT / ".tools", search_path=os.environ["PATH"]
    )
    return subprocess.run([str(found), *arguments], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    for contract in load_catalog(ROOT / "contracts").contracts:
        (folder / f"{contract.name}.json").write_text(json.dumps(input_schema(contract)))
    return folder


def test_policies_are_formatted() -> None:
    done = opa("fmt", "--fail", "--list", "policies", "entitlements/engine/lockdown")
    assert done.returncode == 0, done.stdout


def test_policies_read_only_what_their_contract_declares(schemas: Path) -> None:
    done = opa("check", "--strict", "--schema", str(schemas), "policies")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_a_claim_that_the_contract_does_not_declare_is_a_type_error(
    package: str, schemas: Path, tmp_path: Path
) -> None:
    text = (POLICIES / package / "authz.rego").read_text().replace("claims.suspended", "claims.suspnded")
    (tmp_path / "authz.rego").write_text(text)
    done = opa("check", "--strict", "--schema", str(schemas), str(tmp_path))
    assert done.returncode != 0
    assert "suspnded" in done.stderr


def test_every_line_of_the_policies_is_covered_by_their_tests() -> None:
    tested = opa("test", "--ignore", "system", "policies")
    assert tested.returncode == 0, tested.stdout
    covered = json.loads(opa("test", "--coverage", "--ignore", "system", "--format", "json", "policies").stdout)
    # Invariants are proved, not tested.
    files = {name: file for name, file in covered["files"].items() if not name.endswith("_invariant.rego")}
    missing = {name: file.get("not_covered") for name, file in files.items() if file.get("not_covered")}
    assert missing == {}
    assert {f"policies/{package}/authz.rego" for package in PACKAGES} <= set(covered["files"])


@pytest.mark.parametrize("package", PACKAGES)
def test_every_rule_that_denies_has_a_test_that_fails_without_it(package: str, tmp_path: Path) -> None:
    """Mutation: each `reasons contains` rule is taken out in turn, and the package's own tests must notice."""
    text = (POLICIES / package / "authz.rego").read_text()
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith("reasons contains")]
    assert starts
    for start in starts:
        changed = lines.copy()
        changed[start] = (
            changed[start].partition(" if ")[0] + " if 1 == 2\n"
            if "{" not in changed[start]
            else (changed[start].rstrip("\n") + "\n\t1 == 2\n")
        )
        folder = tmp_path / str(start) / package
        folder.mkdir(parents=True)
        (folder / "authz.rego").write_text("".join(changed))
        for name in ("authz_test.rego", "data.json"):
            (folder / name).write_text((POLICIES / package / name).read_text())
        done = opa("test", "--bundle", str(tmp_path / str(start)))
        assert done.returncode != 0, f"no test needs the rule at line {start + 1}"
        assert "FAIL" in done.stdout, done.stderr + done.stdout
