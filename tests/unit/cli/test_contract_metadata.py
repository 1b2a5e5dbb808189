"""RFC 9728: what an API publishes about itself, made from its contract."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from entitlements.cli import main

ROOT = Path(__file__).resolve().parents[3]
TREE: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())
ALGORITHMS = ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]


def run(folder: Path, *arguments: str, **changes: Any) -> Result:
    file = folder / "orders/1.0.0.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump({**copy.deepcopy(TREE), **changes}))
    environment = {"ENTITLEMENTS_CONTRACTS": str(folder)}
    return CliRunner().invoke(main, ["contract", "metadata", "orders", *arguments], env=environment)


def document(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_metadata_says_whose_tokens_with_which_scopes(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert document(result) == {
        "resource": "https://orders.example.com",
        "authorization_servers": ["https://login.example.com"],
        "scopes_supported": sorted(TREE["scopes"]),
        "bearer_methods_supported": ["header"],
    }
    where = "https://orders.example.com/.well-known/oauth-protected-resource"
    assert result.stderr == f"publish it at {where}\n"


@pytest.mark.parametrize("value", ["permitted", "required"])
def test_metadata_says_that_bound_tokens_may_be_used(tmp_path: Path, value: str) -> None:
    access = {**TREE["tokens"]["access_token"], "sender_constrained": value}
    found = document(run(tmp_path, tokens={"access_token": access}))
    assert found["tls_client_certificate_bound_access_tokens"] is True
    assert found["dpop_signing_alg_values_supported"] == ALGORITHMS


def test_metadata_names_the_types_of_authorization_details(tmp_path: Path) -> None:
    items = {"type": "object", "properties": {"type": {"enum": ["payment", "account"]}}, "required": ["type"]}
    claim = {"schema": {"type": "array", "items": items, "maxItems": 3}}
    found = document(run(tmp_path, claims={**TREE["claims"], "authorization_details": claim}))
    assert found["authorization_details_types_supported"] == ["account", "payment"]


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        ("https://api.example.com/", "https://api.example.com/.well-known/oauth-protected-resource"),
        ("https://api.example.com/v1", "https://api.example.com/.well-known/oauth-protected-resource/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/.well-known/oauth-protected-resource/v1/"),
        ("https://api.example.com/v1?k=1", "https://api.example.com/.well-known/oauth-protected-resource/v1?k=1"),
        ("https://api.example.com:8443", "https://api.example.com:8443/.well-known/oauth-protected-resource"),
    ],
)
def test_address_follows_the_rfc(tmp_path: Path, resource: str, where: str) -> None:
    """RFC 9728 section 3.1: between host and path."""
    result = run(tmp_path, "--resource", resource)
    assert document(result)["resource"] == resource
    assert result.stderr == f"publish it at {where}\n"


@pytest.mark.parametrize(
    "audience", ["orders-api", "urn:example:orders", "http://127.0.0.1/x", "https://u@a.example", "https://a.example#f"]
)
def test_audience_that_is_no_resource_identifier_needs_one(tmp_path: Path, audience: str) -> None:
    refused = run(tmp_path, audience=audience)
    assert refused.exit_code == 2
    assert f"`{audience}` is not an https URL" in refused.output
    assert "--resource" in refused.output
    found = document(run(tmp_path, "--resource", "https://orders.example.com", audience=audience))
    assert found["resource"] == "https://orders.example.com"


def test_contract_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    run(tmp_path)
    refused = CliRunner().invoke(main, ["contract", "metadata", "no"], env={"ENTITLEMENTS_CONTRACTS": str(tmp_path)})
    assert refused.exit_code == 2
    assert "there is no contract `no`" in refused.output


@pytest.mark.parametrize("value", ["refused", "required"])
def test_show_tells_whether_bound_tokens_are_permitted(tmp_path: Path, value: str) -> None:
    run(tmp_path, tokens={"access_token": {**TREE["tokens"]["access_token"], "sender_constrained": value}})
    shown = CliRunner().invoke(main, ["contract", "show", "orders"], env={"ENTITLEMENTS_CONTRACTS": str(tmp_path)})
    assert shown.exit_code == 0
    assert ("bound       tokens bound to a key are required" in shown.output) == (value == "required")
