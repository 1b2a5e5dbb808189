"""`entitlements issuer check` against a server on loopback: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.token import generate_key
from tests.conftest import lock_as_first_versions
from tests.integration.keys.test_discovery import OPENID, IssuerServer

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    running = IssuerServer()
    yield running
    running.close()


@pytest.fixture
def contracts(server: IssuerServer, tmp_path: Path) -> Path:
    """The contract `orders` of the server's issuer, and another one of someone else's."""
    folder = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", folder)
    file = folder / "orders" / "1.0.0.yaml"
    file.write_text(file.read_text().replace("issuer: https://login.example.com", f"issuer: {server.issuer}"))
    for old in folder.glob("*.lock"):
        old.unlink()
    lock_as_first_versions(folder, policy_digest="sha256:" + "0" * 64)
    return folder


def check(contracts: Path, *arguments: str, **settings: str) -> Result:
    environment = {"ENTITLEMENTS_CONTRACTS": str(contracts), **settings}
    return CliRunner().invoke(main, ["issuer", "check", *arguments], env=environment)


def test_server_that_honours_its_contracts_is_told_so(server: IssuerServer, contracts: Path) -> None:
    server.describe(OPENID)
    result = check(contracts, server.issuer)
    assert result.exit_code == 0, result.output
    assert "orders@" in result.output
    assert "payments@" not in result.output
    assert "holds    algorithms    keys for ES256" in result.output


def test_server_that_does_not_is_told_what_to_set(server: IssuerServer, contracts: Path) -> None:
    server.describe(OPENID, jwks_uri=f"{server.origin}/realms/a/protocol/openid-connect/certs")
    server.publish(generate_key("ES384", "k").public_jwk(), path="/realms/a/protocol/openid-connect/certs")
    result = check(contracts, server.issuer, "--contract", "orders", "--format", "json")
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told["honours"] is False
    (fails,) = [one for one in told["contracts"][0]["findings"] if one["state"] == "fails"]
    assert fails["check"] == "algorithms"
    assert fails["remedy"].startswith("client > Advanced")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issuer": "http://localhost/realms/a"}, "names another issuer than the pinned one"),
        ({"jwks_uri": "https://keys.example/jwks"}, "ENTITLEMENTS_ISSUER_HOSTS"),
        ({"jwks_uri": None}, "names no `jwks_uri`"),
    ],
    ids=range(3),
)
def test_metadata_that_is_not_believed_is_told(
    server: IssuerServer, contracts: Path, changes: dict[str, Any], said: str
) -> None:
    server.describe(OPENID, **changes)
    result = check(contracts, server.issuer)
    assert result.exit_code == 3
    assert said in result.output


def test_private_key_in_the_set_is_told_and_not_shown(server: IssuerServer, contracts: Path) -> None:
    private = generate_key("ES256", "given-away").to_jwk()
    server.describe(OPENID)
    server.publish(private)
    result = check(contracts, server.issuer)
    assert result.exit_code == 3
    assert "the private part of given-away is published" in result.output
    assert str(private["d"]) not in result.output


def test_key_set_that_is_set_by_hand_needs_no_metadata(server: IssuerServer, contracts: Path) -> None:
    keys = f"{server.issuer}={server.origin}/realms/a/jwks"
    assert check(contracts, server.issuer, ENTITLEMENTS_KEYS=keys).exit_code == 0
    assert check(contracts, server.issuer).exit_code == 3


def test_server_that_is_not_there_is_no_answer(server: IssuerServer, contracts: Path) -> None:
    server.close()
    result = check(contracts, server.issuer)
    assert result.exit_code == 4
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "url", ["", "login.example.com", "http://login.example.com", "https://u:secret@login.example.com"]
)
def test_url_that_must_not_be_asked_is_a_usage_error(contracts: Path, url: str) -> None:
    result = check(contracts, url)
    assert result.exit_code == 2
    assert "secret" not in result.output


def test_contract_that_is_not_there_is_a_usage_error(server: IssuerServer, contracts: Path) -> None:
    result = check(contracts, server.issuer, "--contract", "invoices")
    assert result.exit_code == 2
    assert "orders@" in result.output
