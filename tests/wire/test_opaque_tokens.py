"""A real service that has opaque tokens introspected, before an endpoint that answers as it is told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from entitlements.engine import Opa
from tests.integration.introspection.endpoints import FakeIssuer, says
from tests.locked_project import AUDIENCE, LockedProject

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService, StartService

ISSUER = "https://login.example.com"
TOKEN, SECRET = "at_kilo-lima-mike", "november-oscar"
BODY = json.dumps({"audience": AUDIENCE, "action": "read", "resource": {"type": "item", "id": "1"}}).encode()


def active(**changes: Any) -> dict[str, Any]:
    found = {"active": True, "token_type": "Bearer", "iss": ISSUER, "aud": AUDIENCE, "sub": "u_1", "client_id": "web"}
    now = int(time.time())
    return {**found, "exp": now + 500, "iat": now - 50, "role": "clerk", **changes}


@pytest.fixture(scope="module")
def authority() -> Iterator[FakeIssuer]:
    found = FakeIssuer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def service(
    authority: FakeIssuer, start_service: StartService, tmp_path_factory: pytest.TempPathFactory
) -> RunningService:
    folder = tmp_path_factory.mktemp("opaque")
    project = LockedProject(folder).start()
    contract = project.contracts / "shop/1.0.0.yaml"
    contract.write_text(contract.read_text().replace("max_lifetime:", "opaque: {prefix: at_}, max_lifetime:"))
    assert "opaque" in contract.read_text()
    project.lock()
    client = folder / "client.json"
    client.touch(mode=0o600)
    client.write_text(json.dumps({"client_id": "entitlements", "client_secret": SECRET}))
    return start_service(
        {
            "ENTITLEMENTS_CONTRACTS": str(project.contracts),
            "ENTITLEMENTS_POLICIES": str(project.policies),
            "ENTITLEMENTS_INTROSPECTION": f"{ISSUER}={authority.url}",
            "ENTITLEMENTS_INTROSPECTION_CLIENTS": f"{ISSUER}={client}",
            "ENTITLEMENTS_BUDGET_MS": "10000",
        }
    )


def ask(service: RunningService, token: str = TOKEN) -> Reply:
    head = [
        b"POST /authorize HTTP/1.1",
        b"Host: x",
        b"Connection: close",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(BODY),
        b"Authorization: Bearer " + token.encode(),
        b"",
    ]
    return service.one(b"\r\n".join([*head, BODY]))


def get(service: RunningService, path: str) -> Reply:
    return service.one(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


def test_opaque_token_is_decided_by_the_answer_of_its_issuer(service: RunningService, authority: FakeIssuer) -> None:
    before = len(authority.asked)
    authority.answer = says(active())
    assert ask(service).allows
    authority.answer = says(active(role="user"))
    assert ask(service, "at_user").json()["decision"] is False
    authority.answer = says(active(role="owner"))
    broken = ask(service, "at_owner").json()
    assert [violation["code"] for violation in broken["violations"]] == ["value_not_permitted"]
    # Within the half minute that an answer counts.
    assert ask(service).allows
    assert [asked.form["token"] for asked in authority.asked[before:]] == [TOKEN, "at_user", "at_owner"]


@pytest.mark.parametrize(
    ("token", "answer", "code"),
    [
        ("at_inactive", lambda: {"active": False}, "token_inactive"),
        ("at_refresh", lambda: active(token_type=None), "type_not_access_token"),
        ("at_elsewhere", lambda: active(aud="https://other.example.com"), "audience_mismatch"),
        ("at_long", lambda: active(exp=int(time.time()) + 9000), "lifetime_too_long"),
        ("other_prefix", active, "token_malformed"),
    ],
    ids=["inactive", "refresh", "elsewhere", "long", "other_prefix"],
)
def test_other_token_is_401_with_its_cause_in_the_log(
    service: RunningService, authority: FakeIssuer, token: str, answer: Callable[[], dict[str, Any]], code: str
) -> None:
    # Made now, as it would run out while other tests run.
    authority.answer = says(answer())
    reply = ask(service, token)
    assert (reply.status, reply.json()["error"]) == (401, "invalid_token")
    assert service.rows()[-1]["refusal"] == code


def test_trouble_of_the_endpoint_is_503_and_told_until_an_answer_comes(
    service: RunningService, authority: FakeIssuer
) -> None:
    authority.answer = says({"error": "invalid_client"}, 401)
    reply = ask(service, "at_trouble")
    assert (reply.status, reply.json()["code"]) == (503, "introspection_client_refused")
    assert "decision" not in reply.json()
    ready, metrics = get(service, "/readyz"), get(service, "/metrics")
    assert ready.status == 200
    assert ("introspection", "introspection_client_refused") in [
        (one["part"], one["code"]) for one in ready.json()["degraded"]
    ]
    sample = b'entitlements_degraded{code="introspection_client_refused",part="introspection"} 1.0'
    assert sample in metrics.body.splitlines()
    authority.answer = says(active())
    assert ask(service, "at_trouble").allows
    assert get(service, "/readyz").json()["degraded"] == []


def test_neither_token_nor_credentials_reach_log_or_terminal(service: RunningService, authority: FakeIssuer) -> None:
    authority.answer = says(f"<html>{TOKEN}</html>".encode())
    assert ask(service, TOKEN + "-2").status == 503
    told = service.said() + service.log.read_text(encoding="utf-8") + get(service, "/readyz").body.decode()
    assert "kilo-lima" not in told
    assert SECRET not in told


def test_service_does_not_start_without_an_endpoint_for_the_opaque_tokens_that_it_permits(
    service: RunningService, opa: Opa
) -> None:
    settings = {
        name: value for name, value in service.settings.items() if not name.startswith("ENTITLEMENTS_INTROSPECTION")
    }
    done = subprocess.run(
        [sys.executable, "-m", "entitlements", "serve"], env=settings, capture_output=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert b"no introspection endpoint is set for the issuer" in done.stderr
