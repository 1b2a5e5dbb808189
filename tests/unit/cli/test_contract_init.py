"""`contract init`: a draft on the screen or in a new file, from tokens or claims, and plain refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.contract import load_contract, parse_contract
from entitlements.token import access_token_claims, generate_key, mint

ISSUER, AUDIENCE = "https://login.example.com", "https://documents.example.com"


def init(text: str, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["contract", "init", "documents", *arguments], input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def line(**claims: Any) -> str:
    return json.dumps({"iss": ISSUER, "aud": AUDIENCE, "plan": "free", **claims}) + "\n"


def test_claims_as_json_lines_become_a_contract_that_loads() -> None:
    result = init(line(exp=2000, iat=1000) + "\n" + line(aud=[AUDIENCE, "https://other.example.com"]))
    assert result.exit_code == 0
    contract = parse_contract(result.stdout, Path("documents/1.0.0.yaml"))
    assert (contract.profile.issuer, contract.profile.audience) == (ISSUER, AUDIENCE)
    assert contract.profile.max_lifetime == 1020
    assert set(contract.claims) == {"plan"}


def test_tokens_give_claims_and_algorithms() -> None:
    keys = [generate_key(algorithm) for algorithm in ("ES256", "EdDSA")]
    claims = access_token_claims(
        issuer=ISSUER, audience=AUDIENCE, subject="u_1", client_id="web", lifetime=600, now=1.0
    )
    tokens = [mint(key, {**claims, "level": number}) for number, key in enumerate(keys)]
    contract = parse_contract(init("\n".join(tokens)).stdout, Path("documents/1.0.0.yaml"))
    assert contract.profile.algorithms == ("ES256", "EdDSA")
    assert contract.profile.max_lifetime == 600
    assert contract.claims["level"].schema == {"type": "integer", "minimum": 0, "maximum": 1}


def test_a_new_file_is_written_and_an_old_one_never(tmp_path: Path) -> None:
    file = tmp_path / "contracts" / "documents" / "1.0.0.yaml"
    assert init(line(), "--out", str(file)).exit_code == 0
    assert load_contract(file).name == "documents"
    before = file.read_bytes()
    again = init(line(plan=1), "--out", str(file))
    assert again.exit_code == 2
    assert "exists already" in again.output
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no sample"),
        ("\n\n", "there is no sample"),
        (line() + "SECRET.SECRET", "line 2: the token is not three base64url parts"),
        ('{"a": 1, "a": 2}', "line 1: "),
        ('{"SECRET": ', "line 1: "),
        (line(iss="https://a.example.com") + line(), "name it with --issuer"),
        (line(aud="https://other.example.com") + line(), "name it with --audience"),
        (line(aud=["a", "b"]), "name it with --audience"),
        (line(iss=1), "name it with --issuer"),
    ],
)
def test_samples_that_say_too_little_are_refused_without_quoting_them(text: str, said: str) -> None:
    result = init(text)
    assert result.exit_code == 2
    assert said in result.output
    assert "SECRET" not in result.output


def test_issuer_and_audience_can_be_named() -> None:
    text = line(iss="https://a.example.com", aud=["a", "b"]) + line()
    result = init(text, "--issuer", ISSUER, "--audience", "b")
    assert result.exit_code == 0


def test_a_draft_that_would_not_load_is_refused_with_the_faults() -> None:
    result = init(line(iss="http://plain.example.com"))
    assert result.exit_code == 2
    assert "must be an absolute https URL" in result.output


FOLDER = Path(__file__).resolve().parents[2] / "fixtures/tokens"
RECORDED = {
    "keycloak/access-user-default": "keycloak",
    "keycloak/access-orders-realm": "keycloak",
    "hydra/access-client-top-level": "hydra",
    "spring/access-client-orders": "spring",
    "zitadel-oidc/access-client": "zitadel",
    "node-oidc-provider/access-user": "rfc9068",
}


def recorded(name: str) -> str:
    token: str = json.loads((FOLDER / f"{name}.json").read_text())["token"]
    return token + "\n"


@pytest.mark.parametrize("name", RECORDED)
def test_tokens_of_a_server_are_drafted_with_its_profile(name: str) -> None:
    result = init(recorded(name), "--audience", "https://api.example.com")
    assert result.exit_code == 0, result.output
    document = yaml.safe_load(result.stdout)
    assert document["tokens"]["access_token"]["profile"] == RECORDED[name]
    assert not {"azp", "typ", "sid", "acr", "scp"} & document["claims"].keys()


@pytest.mark.parametrize(
    "name", ["keycloak/id-token", "hydra/id-token", "keycloak/refresh-token", "keycloak/logout-token"]
)
def test_no_contract_is_drafted_from_other_tokens(name: str) -> None:
    result = init(recorded(name), "--audience", "https://api.example.com")
    assert result.exit_code == 2
    assert "a contract is drafted from access tokens" in result.output


@pytest.mark.parametrize("name", ["keycloak/access-client-default", "zitadel-oidc/access-client"])
def test_an_audience_of_other_apis_too_is_never_chosen(name: str) -> None:
    result = init(recorded(name))
    assert result.exit_code == 2
    assert "name it with --audience" in result.output


def test_samples_that_no_profile_accepts_are_told_with_the_reason() -> None:
    result = init(json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "role": "a"}) + "\n")
    assert result.exit_code == 0
    assert "not accepted as they are: 1 of the samples: the required claim `exp` is missing" in result.stderr
    assert "# review: 1 of the samples are not accepted as they are" in result.stdout


def test_member_names_that_look_like_data_are_marked_for_review() -> None:
    text = "".join(line(organization={name: {"id": "1"}}) for name in ("acme", "globex"))
    assert "the member names look like data" in init(text).stdout
    fixed = "".join(line(address={"street": "a", "city": "b"}) for _ in range(2))
    assert "look like data" not in init(fixed).stdout
