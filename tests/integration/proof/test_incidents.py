"""Changes of tokens that went wrong in the field, as a contract tells them: each is found, or shown to be harmless."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.checking.step import Report, Step, check_step
from entitlements.contract import load_file
from entitlements.engine import Opa
from tests.shop import SHOP

INCIDENTS = sorted((Path(__file__).parent / "incidents").glob("*.yaml"))


def contract_file(path: Path, version: str, incident: dict[str, Any], side: dict[str, Any]) -> None:
    document = {
        **SHOP,
        "version": version,
        "claims": side["claims"],
        "scopes": side.get("scopes", {}),
        "consumers": [{"name": "shop-api", "kind": "first-party", "relies_on": sorted(side["claims"])}],
        "request": {
            "actions": ["read"],
            "resources": {"item": {"properties": incident.get("resource", {})}},
            "context": {"properties": {}},
        },
    }
    path.write_text(yaml.safe_dump(document))


def report_on(incident: dict[str, Any], folder: Path, opa: Opa) -> Report:
    contracts, policies = folder / "contracts", folder / "policies"
    (contracts / "shop").mkdir(parents=True)
    (policies / "shop" / "authz").mkdir(parents=True)
    for version, side in (("1.0.0", "before"), ("2.0.0", "after")):
        contract_file(contracts / "shop" / f"{version}.yaml", version, incident, incident[side])
    text = f"package shop.authz\n\ndefault allow := false\n\n{incident['rego']}\n"
    (policies / "shop" / "authz" / "authz.rego").write_text(text)
    old, new = (load_file(contracts / "shop" / f"{version}.yaml") for version in ("1.0.0", "2.0.0"))
    return check_step(
        Step(old, new, (policies, policies), ("shop/authz/allow", "shop/authz/allow")),
        approvals=(),
        contracts=contracts,
        today=datetime.date(2026, 1, 1),
        opa=opa,
    )


@pytest.mark.parametrize("path", INCIDENTS, ids=lambda path: path.stem)
def test_an_incident_is_told_as_what_it_was(path: Path, tmp_path: Path, opa: Opa) -> None:
    incident = yaml.safe_load(path.read_text())
    wanted = incident["expect"]
    report = report_on(incident, tmp_path, opa)
    assert report.access.no_new_access.answer == wanted["new_access"]
    assert report.access.no_lost_access.answer == wanted["lost_access"]
    assert {finding.change.rule for finding in report.findings} == set(wanted["findings"])
    for answer in report.answers.values():
        for witness in answer.witnesses:
            assert set(witness.changed) <= set(wanted["changed"])


def test_there_are_incidents() -> None:
    assert len(INCIDENTS) >= 20
