"""The default audience of silent callers: pinned at the start, and still where a later lock drops it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devkit.service import Issuer, environment, free_address
from entitlements.contract import load_catalog, read_lock
from entitlements.engine import Opa
from tests.child_opa import wait_until
from tests.conftest import ROOT, Reply, RunningService, StartService
from tests.locked_project import AUDIENCE, LockedProject

DESK = "https://desk.example.com"
RESOURCE = {"type": "item", "id": "1", "properties": {}}


@pytest.fixture
def project(tmp_path: Path, opa: Opa, monkeypatch: pytest.MonkeyPatch) -> LockedProject:
    """Two audiences with the same claims and policies: `shop` and `desk`."""
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    project = LockedProject(tmp_path / "project").start()
    desk(project, "1.0.0", DESK)
    project.lock()
    return project


def desk(project: LockedProject, version: str, audience: str) -> None:
    path = project.contracts / f"desk/{version}.yaml"
    path.parent.mkdir(exist_ok=True)
    text = (project.contracts / "shop/1.0.0.yaml").read_text().replace("contract: shop", "contract: desk")
    path.write_text(text.replace("version: 1.0.0", f"version: {version}").replace(AUDIENCE, audience))


def settings(project: LockedProject, default: str) -> dict[str, str]:
    return {
        "ENTITLEMENTS_CONTRACTS": str(project.contracts),
        "ENTITLEMENTS_POLICIES": str(project.policies),
        "ENTITLEMENTS_DEFAULT_AUDIENCE": default,
    }


def token(project: LockedProject, issuer: Issuer, audience: str) -> str:
    contract = load_catalog(project.contracts).candidates(AUDIENCE)[0]
    return issuer.token(contract, claims={"role": "clerk"}, scopes=[], changes={"aud": audience})


def ask(service: RunningService, bearer: str, **named: str) -> Reply:
    body = json.dumps({"action": "read", "resource": RESOURCE, **named}).encode()
    head = f"POST /authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {bearer}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return service.one(head.encode() + body)


def contracts_part(service: RunningService) -> Mapping[str, Any]:
    reply = service.one(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    part: Mapping[str, Any] = reply.json()["parts"]["contracts"]
    return part


def refused_start(project: LockedProject, issuer: Issuer, default: str) -> str:
    """What a start that must fail prints."""
    done = subprocess.run(
        [sys.executable, "-m", "entitlements", "serve"],
        cwd=ROOT,
        env={**environment(issuer, listen=free_address(), log="stdout"), **settings(project, default)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "serving on" in done.stderr) == (2, False), done.stderr
    return done.stderr


@pytest.mark.parametrize("default", ["https://nowhere.example.com", "shop", AUDIENCE + "/"])
def test_a_default_that_is_not_pinned_keeps_the_service_from_starting(
    project: LockedProject, issuer: Issuer, default: str
) -> None:
    said = refused_start(project, issuer, default)
    assert f"ENTITLEMENTS_DEFAULT_AUDIENCE: no contract is pinned for `{default}`" in said
    assert f"pinned are `{DESK}`, `{AUDIENCE}`" in said


def test_a_lock_that_drops_the_default_is_not_taken_up_by_a_running_service(
    project: LockedProject, issuer: Issuer, start_service: StartService
) -> None:
    service = start_service(settings(project, DESK))
    before = read_lock(project.contracts).release
    silent = token(project, issuer, DESK)
    assert ask(service, silent).allows
    desk(project, "1.1.0", "https://front.example.com")
    project.lock_approved(("1.0.0", "1.1.0"), "2031-01-31", contract="desk")
    assert DESK not in read_lock(project.contracts).pins
    wait_until(lambda: "ENTITLEMENTS_DEFAULT_AUDIENCE" in contracts_part(service).get("problem", ""))
    # The last good release decides on, for silent callers as for those that name their API.
    assert contracts_part(service)["release"] == before
    assert ask(service, silent).allows
    assert ask(service, token(project, issuer, AUDIENCE), audience=AUDIENCE).json()["policy"]["revision"] == before
    # A start would be refused for the same reason, so that a restart changes nothing silently.
    assert f"no contract is pinned for `{DESK}`" in refused_start(project, issuer, DESK)
    assert service.process.poll() is None


def test_a_lock_that_adds_a_second_audience_warns_of_silent_callers(project: LockedProject) -> None:
    project.lock_file.unlink()
    for path in (*project.contracts.glob("release/*"), project.contracts / "desk/1.0.0.yaml"):
        path.unlink()
    assert "warning:" not in project.lock().output, "one audience needs no name"
    desk(project, "1.0.0", DESK)
    told = project.lock("--dry-run").output
    assert project.lock().output == told.replace("nothing was written: --dry-run\n", "")
    assert f"warning: 2 audiences are pinned now (`{DESK}`, `{AUDIENCE}`)" in told
    for part in (
        "400 `audience_required`",
        "`audience` in the body",
        "POST /authorize/<contract>",
        "entitlements_silent_callers_total",
    ):
        assert part in told
    assert "ENTITLEMENTS_DEFAULT_AUDIENCE" in told
    desk(project, "1.1.0", DESK)
    assert "warning:" not in project.lock().output, "two were pinned before"


def test_a_first_lock_of_two_audiences_warns(project: LockedProject) -> None:
    project.lock_file.unlink()
    for path in project.contracts.glob("release/*"):
        path.unlink()
    assert "warning: 2 audiences are pinned now" in project.lock().output
