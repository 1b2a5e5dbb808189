"""A service that cannot serve does not start: it ends with exit code 2 and names every fault together."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from devkit.service import environment, free_address, new_issuer

ROOT = Path(__file__).resolve().parents[2]


class World:
    """A folder with good contracts, policies and keys, to be broken by a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("contracts", "policies"):
            shutil.copytree(ROOT / name, folder / name)
        self.settings = environment(new_issuer(folder), listen=free_address(), log=str(folder / "log"))
        self.settings |= {
            "PYTHONPATH": str(ROOT),
            "ENTITLEMENTS_OPA_BIN": self.settings.get("ENTITLEMENTS_OPA_BIN", ""),
        }
        self.settings["ENTITLEMENTS_OPA_BIN"] = self.settings["ENTITLEMENTS_OPA_BIN"] or str(ROOT / ".tools" / "opa")

    def start(self, changes: Mapping[str, str] | None = None) -> str:
        """What a start that must fail prints."""
        done = subprocess.run(
            [sys.executable, "-m", "entitlements", "serve"],
            cwd=self.folder,
            env={**self.settings, **(changes or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "serving on" not in done.stderr
        return done.stderr


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_malformed_contract_is_named_with_line_and_path(world: World) -> None:
    file = world.folder / "contracts" / "orders" / "1.0.0.yaml"
    text = file.read_text().replace("type: boolean", "type: flag").replace("required: true", "required: yes", 1)
    file.write_text(text)
    printed = world.start()
    assert printed.count("contracts/orders/1.0.0.yaml:") == 1
    assert "`yes` is ambiguous" in printed
    file.write_text(text.replace("required: yes", "required: true"))
    line = 1 + text.splitlines().index("    schema: {type: flag}")
    assert f"contracts/orders/1.0.0.yaml:{line}: claims.suspended.schema.type" in world.start()


def test_faults_of_several_parts_are_told_at_once(world: World) -> None:
    (world.folder / "policies" / "orders" / "authz" / "authz.rego").write_text("package orders.authz\nallow if {\n")
    printed = world.start({"ENTITLEMENTS_KEYS": ""})
    assert "no key set is set for the issuer `https://login.example.com`" in printed
    assert "policies/orders/authz/authz.rego:" in printed


def test_a_lock_that_does_not_match_is_refused(world: World) -> None:
    file = world.folder / "contracts" / "orders" / "1.0.0.yaml"
    file.write_text(file.read_text().replace("maximum: 5", "maximum: 9", 1))
    assert "contracts/orders/1.0.0.yaml: the published version was changed" in world.start()


def test_an_absent_lock_is_refused_with_its_cure(world: World) -> None:
    (world.folder / "contracts" / "contracts.lock").unlink()
    assert "run `entitlements contract lock`" in world.start()


@pytest.mark.parametrize("content", ["", "{}", "no json", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}]}'])
def test_an_unusable_key_set_is_refused_without_its_content(world: World, content: str) -> None:
    (world.folder / "jwks.json").write_text(content)
    printed = world.start()
    assert f"{world.folder / 'jwks.json'}: ENTITLEMENTS_KEYS: " in printed
    assert "needed for the issuer `https://login.example.com`" in printed
    assert "AAAA" not in printed


def test_an_absent_key_set_is_refused(world: World) -> None:
    (world.folder / "jwks.json").unlink()
    assert "ENTITLEMENTS_KEYS" in world.start()


def test_a_contract_without_its_decision_rule_is_refused(world: World) -> None:
    shutil.rmtree(world.folder / "policies" / "payments")
    assert "no policy has the rule `data.payments.authz.decision`" in world.start()


def test_an_unreadable_policy_folder_is_refused(world: World) -> None:
    shutil.rmtree(world.folder / "policies")
    (world.folder / "policies").mkdir()
    assert "policies: holds no policy, no file is named `*.rego`" in world.start()
    (world.folder / "policies" / "a.rego").symlink_to("/etc/hostname")
    assert "policies/a.rego: is a link to `/etc/hostname`, out of the folder" in world.start()
    (world.folder / "policies" / "a.rego").unlink()
    (world.folder / "policies" / "a.rego").mkdir()
    assert "policies/a.rego: is a folder where a file is expected" in world.start()


def test_an_absent_folder_of_contracts_is_refused_with_its_setting(world: World) -> None:
    assert "nowhere: there is no such folder, see ENTITLEMENTS_CONTRACTS" in world.start(
        {"ENTITLEMENTS_CONTRACTS": "nowhere"}
    )


def test_a_policy_that_asks_the_network_is_refused(world: World) -> None:
    file = world.folder / "policies" / "orders" / "authz" / "authz.rego"
    file.write_text(file.read_text() + '\nleak := http.send({"method": "get", "url": "http://example.com"})\n')
    printed = world.start()
    assert "http.send" in printed
    assert "authz.rego:" in printed


def test_an_absent_opa_is_refused_with_its_cure(world: World, tmp_path: Path) -> None:
    printed = world.start({"ENTITLEMENTS_OPA_BIN": str(tmp_path / "nowhere")})
    assert "entitlements opa install" in printed


def test_another_version_of_opa_is_refused(world: World, tmp_path: Path) -> None:
    other = tmp_path / "opa"
    other.write_text("#!/bin/sh\necho 'Version: 0.1.0'\n")
    other.chmod(0o755)
    assert "OPA 0.1.0" in world.start({"ENTITLEMENTS_OPA_BIN": str(other)})


def test_a_port_in_use_is_refused_with_its_cure(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        printed = world.start({"ENTITLEMENTS_LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"})
    assert "already in use" in printed
    assert "ENTITLEMENTS_LISTEN" in printed


def test_a_decision_log_that_cannot_be_opened_is_refused(world: World) -> None:
    assert "decision log" in world.start({"ENTITLEMENTS_DECISION_LOG": "/nowhere/log"})


def test_every_wrong_setting_is_named_at_once(world: World) -> None:
    printed = world.start({"ENTITLEMENTS_LEEWAY": "90", "ENTITLEMENTS_LISTEN": "here", "ENTITLEMENTS_LEWAY": "1"})
    for name in ("ENTITLEMENTS_LEEWAY", "ENTITLEMENTS_LISTEN", "ENTITLEMENTS_LEWAY"):
        assert name in printed


def test_the_environment_of_the_tests_has_a_real_opa(world: World) -> None:
    assert os.access(world.settings["ENTITLEMENTS_OPA_BIN"], os.X_OK)
