"""A policy that answers in another form: locked, served on both routes, and asked on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from devkit.service import Issuer
from entitlements.contract import load_catalog
from entitlements.engine import Opa
from tests.conftest import StartService
from tests.locked_project import AUDIENCE, LockedProject

POLICY = """\
package shop.authz

default decision := {"result": {"allowed": false}, "codes": ["not_granted"], "headers": {}}

decision := {"result": {"allowed": true}, "advice": [{"id": "log"}]} if input.subject.claims.role == "clerk"

decision := {"result": {"allowed": true}, "surprise": 1} if input.subject.claims.role == "user"
"""
ANSWER = "answer: {allow: [result, allowed], reasons: [codes], obligations: [advice], ignore: [[headers]]}"


@pytest.fixture
def project(tmp_path: Path, opa: Opa, monkeypatch: pytest.MonkeyPatch) -> LockedProject:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    project = LockedProject(tmp_path / "project").start()
    project.contract("1.0.0", "user, clerk, guest")
    file = project.contracts / "shop/1.0.0.yaml"
    file.write_text(file.read_text().replace("rule: decision}", f"rule: decision, {ANSWER}}}"))
    project.rego.write_text(POLICY)
    project.lock()
    return project


@pytest.mark.parametrize("lean", ["1", "0"])
def test_the_service_reads_the_decision_where_the_contract_says(
    project: LockedProject, issuer: Issuer, start_service: StartService, lean: str
) -> None:
    folders = {"ENTITLEMENTS_CONTRACTS": str(project.contracts), "ENTITLEMENTS_POLICIES": str(project.policies)}
    service = start_service({**folders, "ENTITLEMENTS_LEAN": lean})
    contract = load_catalog(project.contracts).candidates(AUDIENCE)[0]

    def asked(role: str) -> dict[str, Any]:
        answer = requests.post(
            "http://{}:{}/authorize".format(*service.address),
            headers={"Authorization": f"Bearer {issuer.token(contract, claims={'role': role}, scopes=[])}"},
            json={"audience": AUDIENCE, "action": "read", "resource": {"type": "item", "id": "1"}},
            timeout=30,
        )
        found: dict[str, Any] = answer.json()
        return found

    for role, decision, reasons in (
        ("clerk", True, []),
        ("guest", False, ["not_granted"]),
        ("user", False, ["policy_error"]),
    ):
        # The second answer is one that is known by its bytes.
        for found in (asked(role), asked(role)):
            assert (found["decision"], found["reasons"]) == (decision, reasons)
        obligations = [one["id"] for one in found["obligations"]]
        assert obligations == (["log"] if role == "clerk" else [])
