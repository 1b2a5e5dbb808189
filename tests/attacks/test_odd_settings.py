"""Settings of whoever can set them wrongly: a start is refused in words, and no secret is repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devkit.service import Issuer, free_address
from entitlements.engine import Opa
from tests.attacks.real_commands import AttackedProject

SECRET = "hunter2-hunter2-hunter2"
ISSUER = "https://login.example.com"
ODD: dict[str, dict[str, str]] = {
    "unknown_name": {"ENTITLEMENTS_SKIP_VERIFY": "yes"},
    "name_of_another_case": {"ENTITLEMENTS_opa_url": "x"},
    "listen_port_beyond": {"ENTITLEMENTS_LISTEN": "127.0.0.1:99999"},
    "listen_no_port": {"ENTITLEMENTS_LISTEN": "127.0.0.1"},
    "listen_hex": {"ENTITLEMENTS_LISTEN": "127.0.0.1:0x50"},
    "listen_digits_of_another_script": {"ENTITLEMENTS_LISTEN": "127.0.0.1:\u0668\u0660\u0668\u0660"},
    "listen_two": {"ENTITLEMENTS_LISTEN": "127.0.0.1:8080,0.0.0.0:80"},
    "threads_exponent": {"ENTITLEMENTS_THREADS": "1e1"},
    "threads_full_width": {"ENTITLEMENTS_THREADS": "\uff18"},
    "threads_zero": {"ENTITLEMENTS_THREADS": "0"},
    "threads_huge": {"ENTITLEMENTS_THREADS": "9" * 5000},
    "leeway_nan": {"ENTITLEMENTS_LEEWAY": "nan"},
    "leeway_infinite": {"ENTITLEMENTS_LEEWAY": "inf"},
    "leeway_day": {"ENTITLEMENTS_LEEWAY": "86400"},
    "budget_below_zero": {"ENTITLEMENTS_BUDGET_MS": "-1"},
    "stale_infinite": {"ENTITLEMENTS_KEYS_MAX_STALE": "inf"},
    "opa_other_host": {"ENTITLEMENTS_OPA_URL": "http://10.0.0.1:8181"},
    "opa_user": {"ENTITLEMENTS_OPA_URL": f"https://opa:{SECRET}@127.0.0.1:8181"},
    "opa_loopback_as_user": {"ENTITLEMENTS_OPA_URL": "http://127.0.0.1@evil.example:8181"},
    "opa_loopback_as_prefix": {"ENTITLEMENTS_OPA_URL": "http://localhost.evil.example:8181"},
    "opa_loopback_by_fragment": {"ENTITLEMENTS_OPA_URL": "http://evil.example:8181#@127.0.0.1"},
    "opa_backslash": {"ENTITLEMENTS_OPA_URL": "http://evil.example\\@127.0.0.1:8181"},
    "opa_path": {"ENTITLEMENTS_OPA_URL": "http://127.0.0.1:8181/v1/../x"},
    "opa_query": {"ENTITLEMENTS_OPA_URL": "http://127.0.0.1:8181/?x=1"},
    "opa_file": {"ENTITLEMENTS_OPA_URL": "file:///etc/passwd"},
    "opa_socket_relative": {"ENTITLEMENTS_OPA_URL": "unix://opa.sock"},
    "opa_token_short": {"ENTITLEMENTS_OPA_URL": "http://127.0.0.1:8181", "ENTITLEMENTS_OPA_TOKEN": "hunter2"},
    "opa_token_line_end": {
        "ENTITLEMENTS_OPA_URL": "http://127.0.0.1:8181",
        "ENTITLEMENTS_OPA_TOKEN": f"{SECRET}\r\nX: y",
    },
    "opa_token_file_nowhere": {"ENTITLEMENTS_OPA_URL": "http://127.0.0.1:8181", "ENTITLEMENTS_OPA_TOKEN_FILE": "/gone"},
    "opa_token_file_device": {
        "ENTITLEMENTS_OPA_URL": "http://127.0.0.1:8181",
        "ENTITLEMENTS_OPA_TOKEN_FILE": "/dev/zero",
    },
    "opa_bin_shell": {"ENTITLEMENTS_OPA_BIN": "/bin/sh"},
    "opa_bin_folder": {"ENTITLEMENTS_OPA_BIN": "/tmp"},
    "opa_bin_device": {"ENTITLEMENTS_OPA_BIN": "/dev/null"},
    "release_key_nowhere": {"ENTITLEMENTS_RELEASE_KEY": "/gone.pem"},
    "release_key_device": {"ENTITLEMENTS_RELEASE_KEY": "/dev/zero"},
    "release_key_no_key": {"ENTITLEMENTS_RELEASE_KEY": "/etc/passwd"},
    "default_unknown": {"ENTITLEMENTS_DEFAULT_AUDIENCE": "https://evil.example"},
    "keys_metadata": {"ENTITLEMENTS_KEYS": f"{ISSUER}=http://169.254.169.254/keys"},
    "keys_user": {"ENTITLEMENTS_KEYS": f"{ISSUER}=https://me:{SECRET}@login.example.com/keys"},
    "keys_file_address": {"ENTITLEMENTS_KEYS": f"{ISSUER}=file:///etc/passwd"},
    "keys_no_key_set": {"ENTITLEMENTS_KEYS": f"{ISSUER}=/etc/passwd"},
    "keys_device": {"ENTITLEMENTS_KEYS": f"{ISSUER}=/dev/zero"},
    "keys_twice": {"ENTITLEMENTS_KEYS": f"{ISSUER}=/a {ISSUER}=/b"},
    "keys_other_issuer": {"ENTITLEMENTS_KEYS": f"{ISSUER}/=/etc/passwd"},
    "log_folder": {"ENTITLEMENTS_DECISION_LOG": "/tmp"},
    "log_nowhere": {"ENTITLEMENTS_DECISION_LOG": "/gone/log"},
    "log_terminal": {"ENTITLEMENTS_DECISION_LOG": "/dev/tty"},
    "mask_keys_nowhere": {"ENTITLEMENTS_LOG_MASK_KEYS": "/gone"},
    "mask_keys_open": {"ENTITLEMENTS_LOG_MASK_KEYS": "/etc/passwd"},
    "mask_keys_device": {"ENTITLEMENTS_LOG_MASK_KEYS": "/dev/zero"},
    "contracts_file": {"ENTITLEMENTS_CONTRACTS": "/etc/passwd"},
    "contracts_root": {"ENTITLEMENTS_CONTRACTS": "/proc"},
    "files_none": {"ENTITLEMENTS_MAX_FILES": "0"},
}


@pytest.fixture(scope="module")
def locked(opa: Opa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del opa
    project = AttackedProject(tmp_path_factory.mktemp("locked") / "project")
    project.start()
    project.lock()
    return project.folder


@pytest.fixture
def project(locked: Path) -> AttackedProject:
    return AttackedProject(locked)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_setting_stops_the_start_in_words(project: AttackedProject, issuer: Issuer, name: str) -> None:
    keys = {"ENTITLEMENTS_KEYS": f"{ISSUER}={issuer.jwks}", "ENTITLEMENTS_LISTEN": free_address()}
    project.environment |= {**keys, **ODD[name]}
    refused = project.command("serve", seconds=30)
    assert refused.exit_code in (1, 2), refused.output
    assert "error:" in refused.output
    assert "hunter2" not in refused.output


@pytest.mark.parametrize("kind", ["fifo", "link_to_itself", "link_to_a_device", "no_permission"])
def test_a_log_that_is_no_file_stops_the_start(
    project: AttackedProject, issuer: Issuer, tmp_path: Path, kind: str
) -> None:
    log = tmp_path / "log"
    if kind == "fifo":
        os.mkfifo(log)
    elif kind == "no_permission":
        log.mkdir()
    else:
        log.symlink_to({"link_to_itself": "log", "link_to_a_device": "/dev/tty"}[kind])
    project.environment["ENTITLEMENTS_DECISION_LOG"] = str(log)
    refused = project.serve(issuer)
    assert (refused.exit_code, "decision log" in refused.output) == (2, True), refused.output


def test_a_token_as_an_argument_is_not_repeated(project: AttackedProject) -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln"
    for command in (("token", "inspect", token), ("authorize", token), ("contract", "init", "x", token)):
        refused = project.command(*command)
        assert (refused.exit_code, token in refused.output) == (2, False), refused.output
