"""`token inspect` of tokens of real servers: every reason at once, each with what to set, before anything is locked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.token import generate_key, mint

FOLDER = Path(__file__).resolve().parents[2] / "fixtures/tokens"
CLAIMS = {"tenant": {"required": True, "schema": {"type": "string", "maxLength": 20}}}


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


class Desk:
    """A folder with one contract that nobody locked, and the key set of its issuer."""

    def __init__(self, folder: Path, issuer: str, jwks: Any, **access_token: Any) -> None:
        self.folder = folder
        self.write("shop", issuer, **access_token)
        (folder / "jwks.json").write_text(json.dumps(jwks))
        self.environment = {
            "ENTITLEMENTS_CONTRACTS": str(folder / "contracts"),
            "ENTITLEMENTS_KEYS": f"{issuer}={folder / 'jwks.json'}",
        }

    def write(self, name: str, issuer: str, **access_token: Any) -> None:
        document = {
            "contract": name,
            "version": "1.0.0",
            "issuer": issuer,
            "audience": f"https://{name}.example.com",
            "policy": {"package": f"{name}.authz", "rule": "decision"},
            "tokens": {
                "access_token": {
                    "profile": "rfc9068",
                    "algorithms": ["RS256", "ES256"],
                    "max_lifetime": 3600,
                    **access_token,
                }
            },
            "claims": CLAIMS,
        }
        (self.folder / "contracts" / name).mkdir(parents=True)
        (self.folder / "contracts" / name / "1.0.0.yaml").write_text(yaml.safe_dump(document))

    def run(self, *arguments: str, text: str) -> Result:
        result = CliRunner().invoke(main, arguments, input=text, env=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def told(self, text: str, *options: str) -> dict[str, Any]:
        result = self.run("token", "inspect", "--contract", "shop", "--format", "json", *options, text=text)
        found: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == (0 if found["accepted"] else 3)
        return found


def desk(folder: Path, name: str, **access_token: Any) -> Desk:
    file = recorded(name)
    return Desk(folder, file["payload"]["iss"], file["jwks"], **access_token)


def test_every_reason_is_told_at_once_with_what_to_set_on_that_server(tmp_path: Path) -> None:
    told = desk(tmp_path, "keycloak/access-user-default").told(recorded("keycloak/access-user-default")["token"])
    assert told["signature"] == "holds"
    found = {(one["code"], one["claim"]): one["remedy"] for one in told["reasons"]}
    assert "access.token.header.type.rfc9068" in found["type_not_access_token", None]
    assert "hardcoded claim `client_id`" in found["claim_missing", None]
    assert "audience mapper" in found["audience_mismatch", None]
    assert "get a new token" in found["token_expired", None]
    assert "`access.token.claim`" in found["claim_missing", "tenant"]
    assert all(found.values())


def test_the_text_names_a_remedy_under_each_reason(tmp_path: Path) -> None:
    asked = desk(tmp_path, "spring/access-client", profile="spring")
    result = asked.run("token", "inspect", "--contract", "shop", text=recorded("spring/access-client")["token"])
    lines = result.stdout.splitlines()
    told = [number for number, line in enumerate(lines) if line.startswith(("refused", "violation"))]
    assert len(told) > 2
    assert all(lines[number + 1].startswith("  remedy") for number in told)
    assert "an OAuth2TokenCustomizer sets the API's identifier" in result.stdout


@pytest.mark.parametrize("name", ["keycloak/id-token", "hydra/id-token", "spring/id-token"])
def test_an_id_token_is_refused_as_one_though_its_signature_holds(name: str, tmp_path: Path) -> None:
    told = desk(tmp_path, name, profile=name.partition("/")[0]).told(recorded(name)["token"])
    assert told["signature"] == "holds"
    assert any("send the access token" in one["remedy"] for one in told["reasons"])
    assert {"id_token", "type_not_access_token"} & {one["code"] for one in told["reasons"]}


def test_an_accepted_token_has_no_reason(tmp_path: Path) -> None:
    key = generate_key("ES256", "k")
    asked = Desk(tmp_path, "https://login.example.com", {"keys": [key.public_jwk()]})
    claims = {
        **{"iss": "https://login.example.com", "aud": "https://shop.example.com", "sub": "u_1", "client_id": "web"},
        **{"iat": int(time.time()), "exp": int(time.time()) + 600, "jti": "j", "tenant": "t_1"},
    }
    told = asked.told(mint(key, claims))
    assert (told["accepted"], told["reasons"]) == (True, [])
    told = asked.told(mint(key, {**claims, "iat": 1}))
    assert [one["code"] for one in told["reasons"]] == ["lifetime_too_long"]
    assert "max_lifetime" in told["reasons"][0]["remedy"]


def test_without_a_lock_a_contract_has_to_be_named(tmp_path: Path) -> None:
    asked = desk(tmp_path, "keycloak/access-user-default")
    unnamed = asked.run("token", "inspect", text=recorded("keycloak/access-user-default")["token"])
    assert (unnamed.exit_code, "there is no lock" in unnamed.output) == (2, True)
    unknown = asked.run("token", "inspect", "--contract", "none", text="x.y.z")
    assert unknown.exit_code in (2, 3)


def test_show_names_the_profile_that_applies(tmp_path: Path) -> None:
    asked = desk(tmp_path, "keycloak/access-user-default", profile="keycloak", opaque={"prefix": "op_"})
    shown = asked.run("contract", "show", "shop", text="").stdout
    assert "access tokens (profile keycloak), ES256, RS256" in shown
    assert "header typ jwt or at+jwt; `typ` `Bearer` or `DPoP`" in shown
    assert "tokens that begin with op_ are introspected" in shown
    assert "RFC 9068" not in shown
