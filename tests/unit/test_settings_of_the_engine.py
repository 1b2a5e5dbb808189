"""Where an OPA server may be, and where its token may stand (R12)."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.errors import StartupFault
from entitlements.settings import Settings, load_settings

TOKEN = "a-token-of-the-engine"


def faults(**environment: str) -> str:
    with pytest.raises(StartupFault) as fault:
        load_settings({f"ENTITLEMENTS_{name}": value for name, value in environment.items()})
    return "; ".join(map(str, fault.value.faults))


def settings(**environment: str) -> Settings:
    return load_settings({f"ENTITLEMENTS_{name}": value for name, value in environment.items()})


def test_plain_http_to_another_host_needs_its_setting() -> None:
    assert "ENTITLEMENTS_OPA_PLAIN_HTTP=yes" in faults(OPA_URL="http://opa:8181")
    assert settings(OPA_URL="http://opa:8181", OPA_PLAIN_HTTP="yes").opa_plain_http is True
    assert "must be `yes` or `no`" in faults(OPA_PLAIN_HTTP="true")
    for url in ("https://opa:8181", "http://127.0.0.1:8181", "http://localhost:1", "http://[::1]:1", "unix:///x/y"):
        assert settings(OPA_URL=url).opa_plain_http is False


def test_a_socket_has_an_absolute_path_of_a_hundred_bytes() -> None:
    assert settings(OPA_URL="unix:///run/opa.sock").opa_url == "unix:///run/opa.sock"
    for url in ("unix://run/opa.sock", "unix:///" + "x" * 100):
        assert "absolute path of 100 bytes" in faults(OPA_URL=url)


def test_the_token_is_read_from_a_file_that_not_everybody_reads(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    for mode in (0o600, 0o640, 0o400):
        file.chmod(mode)
        assert settings(OPA_TOKEN_FILE=str(file)).opa_token == TOKEN
    for mode in (0o644, 0o604, 0o660):
        file.chmod(mode)
        told = faults(OPA_TOKEN_FILE=str(file))
        assert "chmod 640" in told
        assert TOKEN not in told


def test_the_operators_token_is_read_as_strictly(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o640)
    found = settings(OPERATOR_TOKEN_FILE=str(file))
    assert found.operator_token == TOKEN
    assert TOKEN not in repr(found)
    file.chmod(0o644)
    assert "ENTITLEMENTS_OPERATOR_TOKEN_FILE" in faults(OPERATOR_TOKEN_FILE=str(file))
    file.chmod(0o600)
    file.write_text("short")
    assert "16 or more" in faults(OPERATOR_TOKEN_FILE=str(file))


def test_a_token_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert "cannot be read" in faults(OPA_TOKEN_FILE=str(file))
    file.write_text("")
    file.chmod(0o600)
    assert "is empty" in faults(OPA_TOKEN_FILE=str(file))
    file.write_text("short")
    assert "16 or more" in faults(OPA_TOKEN_FILE=str(file))
    file.write_text(TOKEN)
    assert "set one of them" in faults(OPA_TOKEN_FILE=str(file), OPA_TOKEN=TOKEN)
