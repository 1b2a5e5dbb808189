"""Claims that stand deeper, at the command line: drafted from samples, shown, minted, inspected."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.contract import Admitted, Lock, Pin, admit, load_contract, parse_contract, write_lock
from entitlements.model import VerifiedClaims
from entitlements.token import from_jwk, mint

KEYCLOAK = Path(__file__).resolve().parents[2] / "fixtures/tokens/keycloak"
TREE: dict[str, Any] = yaml.safe_load((Path(__file__).resolve().parents[3] / "contracts/orders/1.0.0.yaml").read_text())
LISTED = {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3}
CLAIMS: dict[str, Any] = {
    "roles": {"source": ["realm_access", "roles"], "as": "set", "schema": {**LISTED, "uniqueItems": True}},
    "mail": {"source": ["profile", "mail"], "sensitivity": "pii", "schema": {"type": "string"}},
    "words": {"as": "words", "schema": LISTED},
    "groups": {"as": {"member": "value"}, "schema": LISTED},
}


def run(folder: Path, *arguments: str, text: str | None = None) -> Result:
    environment = {
        "ENTITLEMENTS_CONTRACTS": str(folder / "contracts"),
        "ENTITLEMENTS_KEYS": f"{TREE['issuer']}={folder / 'jwks.json'}",
    }
    result = CliRunner().invoke(main, arguments, env=environment, input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "contracts/orders"
    place.mkdir(parents=True)
    tree = {**TREE, "claims": CLAIMS, "scopes": {}, "consumers": [], "removed": []}
    file = place / "1.0.0.yaml"
    file.write_text(json.dumps(tree))
    digest = load_contract(file).ref.digest
    pin = Pin(TREE["audience"], "orders", "1.0.0", digest, (), "sha256:" + "0" * 64, "first_version")
    lock = Lock({pin.audience: pin}, {"orders": {"1.0.0": digest}}, release="sha256:" + "0" * 64)
    write_lock(tmp_path / "contracts", lock)
    assert run(tmp_path, "token", "keygen", "--out", str(tmp_path)).exit_code == 0
    return tmp_path


def minted(folder: Path, *claims: str) -> str:
    given = [part for claim in claims for part in ("--claim", claim)]
    key = str(folder / "signing.jwk")
    result = run(folder, "token", "mint", "--key", key, "--contract", "orders", *given)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_a_minted_token_holds_claims_where_the_contract_reads_them(folder: Path) -> None:
    token = minted(folder, 'roles=["a"]', "mail=a@b.example", 'words=["x","y"]', 'groups=["g"]', "other=1")
    found = payload(token)
    assert found["realm_access"] == {"roles": ["a"]}
    assert found["profile"] == {"mail": "a@b.example"}
    assert (found["words"], found["groups"], found["other"]) == ("x y", [{"value": "g"}], 1)
    assert run(folder, "token", "inspect", text=token).exit_code == 0


def test_inspect_names_what_is_read_and_hides_what_stands_around_personal_data(folder: Path) -> None:
    token = minted(folder, 'roles=["a"]', "mail=personal@b.example", 'mail2="x"')
    shown = run(folder, "token", "inspect", text=token).output
    assert "read for roles" in shown
    assert "personal" not in shown
    as_json = run(folder, "token", "inspect", "--format", "json", text=token).stdout
    assert "personal" not in as_json
    assert json.loads(as_json)["claims"]["realm_access"]["value"] == {"roles": ["a"]}


def test_show_tells_how_a_claim_is_read(folder: Path) -> None:
    shown = run(folder, "contract", "show", "orders").output
    assert "from realm_access > roles; as a set" in shown
    assert "member value" in shown


def test_a_draft_of_default_tokens_of_keycloak_reads_roles_where_they_stand() -> None:
    fixture = json.loads((KEYCLOAK / "access-user-default.json").read_text())
    arguments = ["contract", "init", "orders", "--audience", "orders-api"]
    result = CliRunner().invoke(main, arguments, input=fixture["token"])
    assert result.exit_code == 0, result.output
    drafted = parse_contract(result.stdout, Path("orders/1.0.0.yaml"))
    values = fixture["payload"]
    answer = admit(drafted, VerifiedClaims(values, values["iss"], "orders-api", "RS256", 1.0, 300.0, "jwt"))
    assert isinstance(answer, Admitted), answer
    assert answer.principal.claims["realm_roles"] == ["viewer", "agent"]
    assert answer.principal.claims["orders-api_roles"] == ["refunder"]
    assert "account_roles" not in drafted.claims


def test_a_draft_of_tokens_with_the_servers_own_roles_alone_has_no_claim_for_them() -> None:
    fixture = json.loads((KEYCLOAK / "access-client-default.json").read_text())
    arguments = ["contract", "init", "orders", "--audience", "orders-api"]
    result = CliRunner().invoke(main, arguments, input=fixture["token"])
    assert result.exit_code == 0, result.output
    assert "source:" not in result.stdout


def test_inspect_holds_a_token_for_another_audience_against_the_one_contract_of_its_issuer(folder: Path) -> None:
    """A lightweight token of Keycloak has no audience at all: what it lacks is told by its server's profile."""
    key = from_jwk(json.loads((folder / "signing.jwk").read_text()))
    claims = {**payload(minted(folder, 'roles=["a"]')), "aud": "https://other.example"}
    result = run(folder, "token", "inspect", "--format", "json", text=mint(key, claims))
    told = json.loads(result.stdout)
    assert (result.exit_code, told["contract"]) == (3, "orders@1.0.0")
    assert [one["claim"] for one in told["violations"]] == ["aud"]
    assert any("audience" in refusal for refusal in told["refusals"])
    elsewhere = mint(key, {**claims, "iss": "https://other.example"})
    assert json.loads(run(folder, "token", "inspect", "--format", "json", text=elsewhere).stdout)["contract"] is None
