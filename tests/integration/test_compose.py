"""docker-compose.yml: valid by the compose specification, and its commands work as plain processes."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from check_jsonschema import main as check_jsonschema

from devkit.cases import AGENT, ORDER, ORDERS_SCOPES
from devkit.service import contracts, free_address
from entitlements.engine import OPA_VERSION, find_opa
from entitlements.token import access_token_claims, from_jwk, mint

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_the_file_is_valid_by_the_compose_specification(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check_jsonschema(["--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")])
    assert ended.value.code in (0, None), capsys.readouterr()


def test_the_schema_check_notices_a_wrong_file(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("services: {opa: {image: 1, comand: []}}")
    with pytest.raises(SystemExit) as ended:
        check_jsonschema(["--builtin-schema", "vendor.compose-spec", str(tmp_path / "docker-compose.yml")])
    assert ended.value.code == 1


def test_opa_is_pinned_to_the_version_that_everything_else_uses() -> None:
    assert SERVICES["opa"]["image"] == f"openpolicyagent/opa:{OPA_VERSION}-static"
    assert f"OPA_VERSION := {OPA_VERSION}\n" in (ROOT / "Makefile").read_text()


def test_opa_serves_the_release_and_the_lockdown_and_mounts_their_folder() -> None:
    """A file that is mounted by itself would stay the old one after the next lock."""
    command = SERVICES["opa"]["command"]
    bundles = [value for option, value in pairwise(command) if option == "--bundle"]
    assert bundles == ["/release/bundle.tar.gz", "/release/lockdown.tar.gz"]
    assert SERVICES["opa"]["volumes"] == ["./contracts/release:/release:ro"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    for volume in service.get("volumes", []):
        assert volume.endswith(":ro") or name == "development-keys", f"{name} can write to {volume}"


def test_opa_is_reached_by_the_service_only() -> None:
    assert "ports" not in SERVICES["opa"]
    assert SERVICES["opa"]["networks"] == ["engine"]
    assert COMPOSE["networks"]["engine"]["internal"] is True
    assert SERVICES["entitlements"]["ports"] == ["127.0.0.1:8080:8080"]


def test_what_serves_unlocked_is_published_on_loopback_only_and_never_by_default() -> None:
    unlocked = {name for name, service in SERVICES.items() if "--unlocked" in service.get("command", [])}
    assert unlocked == {"edit"}
    assert SERVICES["edit"]["profiles"] == ["edit"]
    assert SERVICES["edit"]["ports"] == ["127.0.0.1:8081:8080"]


def test_the_private_key_reaches_neither_the_service_nor_opa() -> None:
    holders = {name for name, service in SERVICES.items() if any("issuer:" in v for v in service.get("volumes", []))}
    assert holders == {"development-keys", "issuer"}


def test_the_image_runs_as_an_ordinary_user_and_watches_its_own_health() -> None:
    text = (ROOT / "Dockerfile").read_text()
    final = text.partition(" AS service\n")[2].partition("\nFROM ")[0]
    assert text.rstrip().endswith("FROM service"), "an image without a target is the service alone"
    assert f"COPY --from=openpolicyagent/opa:{OPA_VERSION}-static" in text
    assert re.search(r"^USER 10001$", final, re.MULTILINE)
    assert "HEALTHCHECK" in final
    # Whether the process answers: a problem that every replica shares must not end them all.
    assert "/healthz" in final
    assert "/readyz" not in text
    assert "--require-hashes" in text
    assert re.search(r"^FROM python:3\.1[1-9]-slim", text, re.MULTILINE)


class Plain:
    """The containers of the file as plain processes: paths and addresses mapped, everything else as written."""

    def __init__(self, work: Path) -> None:
        self.opa_address, self.address = free_address(), free_address()
        self.work = work
        for name in ("issuer", "keys", "empty"):
            (work / name).mkdir()
        shutil.copytree(ROOT / "policies", work / "policies")
        shutil.copytree(ROOT / "contracts", work / "contracts")

    def text(self, value: str) -> str:
        value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        value = re.sub(r"^/release\b", f"{self.work}/contracts/release", value)
        for folder in ("issuer", "keys", "policies"):
            value = re.sub(rf"(^|=)/{folder}\b", rf"\g<1>{self.work}/{folder}", value)
        value = value.replace("127.0.0.1:8181", self.opa_address).replace("0.0.0.0:8181", self.opa_address)
        return value.replace("opa:8181", self.opa_address).replace("0.0.0.0:8080", self.address)

    def command(self, name: str) -> list[str]:
        program = [str(self.opa)] if name == "opa" else [sys.executable, "-m", "entitlements"]
        return [*program, *map(self.text, SERVICES[name]["command"])]

    def environment(self, name: str) -> dict[str, str]:
        given = {key: self.text(value) for key, value in SERVICES[name].get("environment", {}).items()}
        # /srv is the image's working directory, with contracts and policies mounted below it
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given}

    @property
    def opa(self) -> Path:
        configured = os.environ.get("ENTITLEMENTS_OPA_BIN", "")
        return find_opa(configured=configured, tools=ROOT / ".tools", search_path=os.environ["PATH"])

    def start(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(name), env=self.environment(name), cwd=self.work)

    def health_check(self) -> int:
        test = [self.text(part) for part in SERVICES["opa"]["healthcheck"]["test"]]
        assert test[:2] == ["CMD", "/opa"]
        return subprocess.run([str(self.opa), *test[2:]], capture_output=True, timeout=60, check=False).returncode


def eventually(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    world = Plain(tmp_path_factory.mktemp("compose"))
    assert world.health_check() != 0, "nothing listens yet"
    with ExitStack() as running:
        for name in ("opa", "development-keys", "entitlements"):
            process = world.start(name)
            running.callback(lambda process=process: (process.terminate(), process.wait(20)))
            if name == "opa":
                eventually(lambda: world.health_check() == 0)
            if name == "development-keys":
                assert process.wait(30) == 0
        eventually(lambda: ready(world)[0] == 200)
        yield world


def ready(world: Plain) -> tuple[int, dict[str, Any]]:
    try:
        answer = requests.get(f"http://{world.address}/readyz", timeout=5)
    except requests.ConnectionError:
        return 0, {}
    return answer.status_code, answer.json()


def request(world: Plain, asked: dict[str, Any] | None = None, **changes: Any) -> requests.Response:
    """Ask with a token of an agent, with `changes` of its claims. asked: the body, where a test has one."""
    rules = contracts()["orders"]
    resource = {"type": "order", "id": "1", "properties": dict(ORDER)}
    key = from_jwk(json.loads((world.work / "issuer" / "signing.jwk").read_text()))
    payload = access_token_claims(
        issuer=rules.profile.issuer,
        audience=rules.profile.audience,
        subject="u_1",
        client_id="web",
        now=time.time(),
        lifetime=300,
        claims={**AGENT, **changes},
        scopes=ORDERS_SCOPES,
    )
    body = {"audience": rules.profile.audience, "action": "read", "resource": resource}
    return requests.post(
        f"http://{world.address}/authorize",
        headers={"Authorization": f"Bearer {mint(key, payload)}"},
        json=asked or body,
        timeout=10,
    )


def ask(world: Plain, **changes: Any) -> dict[str, Any]:
    answer = request(world, **changes)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_commands_allow_and_deny(plain: Plain) -> None:
    assert ask(plain)["decision"] is True
    assert ask(plain, suspended=True)["reasons"] == ["subject_suspended"]


def test_the_private_key_is_the_owners_alone(plain: Plain) -> None:
    assert (plain.work / "issuer" / "signing.jwk").stat().st_mode & 0o077 == 0
    assert not (plain.work / "keys" / "signing.jwk").exists()


def test_keys_are_made_once(plain: Plain) -> None:
    before = (plain.work / "keys" / "jwks.json").read_bytes()
    assert plain.start("development-keys").wait(30) == 0
    assert (plain.work / "keys" / "jwks.json").read_bytes() == before


@pytest.mark.parametrize("path", ["/v1/policies", "/v1/data", "/v1/data/system", "/v1/config"])
def test_opa_tells_nothing_but_decisions(plain: Plain, path: str) -> None:
    token = plain.environment("opa")["ENTITLEMENTS_OPA_TOKEN"]
    for headers in ({}, {"Authorization": f"Bearer {token}"}):
        answer = requests.get(f"http://{plain.opa_address}{path}", headers=headers, timeout=5)
        assert answer.status_code in (401, 403)


def test_an_edit_is_served_once_it_is_locked_without_a_restart(plain: Plain) -> None:
    policy = plain.work / "policies" / "orders" / "authz" / "authz.rego"
    text = policy.read_text()
    revision = ask(plain)["policy"]["revision"]
    try:
        policy.write_text(text.replace('"subject_suspended"', '"subject_on_hold"'))
        eventually(lambda: "contract lock" in ready(plain)[1]["parts"]["contracts"].get("problem", ""))
        # The locked release serves on, and no balancer takes the service away.
        assert ready(plain)[0] == 200
        assert ask(plain, suspended=True)["reasons"] == ["subject_suspended"]
        locked = contract(plain, "lock")
        # That a reason has another name is proved to give no one access.
        assert locked.returncode == 0, locked.stdout + locked.stderr
        # OPA may have it a moment before the service has: no decision is made meanwhile.
        eventually(lambda: request(plain).json().get("policy", {}).get("revision", revision) != revision)
        assert ask(plain, suspended=True)["reasons"] == ["subject_on_hold"]
        eventually(lambda: ready(plain)[1]["degraded"] == [])
    finally:
        policy.write_text(text)


@pytest.mark.parametrize("content", [b"garbage", b"", None], ids=["garbage", "empty", "missing"])
def test_a_release_that_cannot_be_used_leaves_the_last_one_serving(plain: Plain, content: bytes | None) -> None:
    bundle = plain.work / "contracts/release/bundle.tar.gz"
    good, revision = bundle.read_bytes(), ask(plain)["policy"]["revision"]

    def broken() -> list[str]:
        # An edit of another test may stand unlocked.
        degraded = ready(plain)[1]["degraded"]
        return [one["part"] for one in degraded if one["code"] != "policy_not_locked"]

    try:
        bundle.unlink()
        if content is not None:
            bundle.write_bytes(content)
        eventually(broken)
        assert set(broken()) == {"contracts"}
        assert ready(plain)[0] == 200
        assert ask(plain)["policy"]["revision"] == revision
        assert ask(plain, suspended=True)["decision"] is False
    finally:
        bundle.write_bytes(good)
    eventually(lambda: not broken())
    assert ask(plain)["policy"]["revision"] == revision


def test_an_edit_answers_without_a_lock_in_the_profile_for_edits(plain: Plain) -> None:
    other, address = plain.work / "policies" / "orders" / "authz" / "authz.rego", free_address()
    text = other.read_text()
    environment = {**plain.environment("edit"), "ENTITLEMENTS_LISTEN": address, "ENTITLEMENTS_OPA_BIN": str(plain.opa)}
    process = subprocess.Popen(plain.command("edit"), env=environment, cwd=plain.work)
    edited = replace_address(plain, address)
    try:
        eventually(lambda: ready(edited)[0] == 200)
        other.write_text(text.replace('"subject_suspended"', '"subject_on_hold"'))
        eventually(lambda: ask(edited, suspended=True)["reasons"] == ["subject_on_hold"])
        assert ready(edited)[1]["parts"]["contracts"]["unlocked"] is True
    finally:
        other.write_text(text)
        process.terminate()
        process.wait(20)


def replace_address(world: Plain, address: str) -> Plain:
    other = copy.copy(world)
    other.address = address
    return other


def contract(world: Plain, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**world.environment("development-keys"), "ENTITLEMENTS_OPA_BIN": str(world.opa)}
    command = [sys.executable, "-m", "entitlements", "contract", *arguments]
    return subprocess.run(
        command, cwd=world.work, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_request_that_the_file_shows_is_answered_and_names_its_api(plain: Plain) -> None:
    head = (ROOT / "docker-compose.yml").read_text().partition("\nname:")[0]
    shown = re.search(r"-d '(\{.*\})'", head)
    assert shown is not None
    body = json.loads(shown[1])
    assert body["audience"] == contracts()["orders"].profile.audience
    assert request(plain, body).json()["decision"] is True
    del body["audience"]
    assert request(plain, body).json()["code"] == "audience_required"
