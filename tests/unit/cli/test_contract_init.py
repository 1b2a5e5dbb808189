"""`contract init`: a draft on the screen or in a new file, from tokens or claims, and plain refusals."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
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
    "name",
    [
        *(
            "keycloak/id-token",
            "hydra/id-token",
            "spring/id-token",
            "node-oidc-provider/id-token",
        ),
        *("keycloak/refresh-token", "keycloak/logout-token", "keycloak/dpop-proof", "node-oidc-provider/logout-token"),
    ],
)
def test_no_contract_is_drafted_from_other_tokens(name: str) -> None:
    result = init(recorded(name), "--audience", "https://api.example.com")
    assert result.exit_code == 2
    assert "a contract is drafted from access tokens" in result.output


@pytest.mark.parametrize(
    "name", ["keycloak/access-client-default", "zitadel-oidc/access-client", "spring/access-client"]
)
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


def token(typ: str = "JWT", **claims: Any) -> str:
    """One that Hydra, zitadel, Auth0 and PingOne could have issued."""
    common = access_token_claims(
        issuer=ISSUER, audience=AUDIENCE, subject="u_1", client_id="web", lifetime=600, now=1.0, scopes=("read",)
    )
    return mint(KEY, {**common, **claims}, typ=typ) + "\n"


KEY = generate_key("ES256")
SEVERAL = ("hydra", "zitadel", "auth0", "pingone")


def test_samples_that_fit_several_profiles_are_refused_with_the_list_where_nobody_can_be_asked() -> None:
    result = init(token())
    assert result.exit_code == 2
    assert f"name it with --profile, one of {', '.join(f'`{name}`' for name in SEVERAL)}" in result.output
    for name in SEVERAL:
        named = init(token(), "--profile", name)
        assert yaml.safe_load(named.stdout)["tokens"]["access_token"]["profile"] == name
        assert "1 of 1 samples are admitted by the draft" in named.stderr


def test_who_sits_at_a_terminal_is_asked(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.write_text(token(aud=[AUDIENCE, "https://other.example.com"]))
    ours, theirs = pty.openpty()
    os.write(ours, b"nothing\nzitadel\nhttps://other.example.com\n")
    command = [sys.executable, "-m", "entitlements", "contract", "init", "documents", str(samples)]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60, check=False)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0, done.stderr
    document = yaml.safe_load(done.stdout)
    assert document["tokens"]["access_token"]["profile"] == "zitadel"
    assert document["audience"] == "https://other.example.com"
    assert "fit more than one profile" in done.stderr


@pytest.mark.parametrize(
    ("changes", "profile"),
    [({"typ": "at+jwt"}, "rfc9068"), ({"scp": ["read"]}, "hydra"), ({"iss": "https://acme.eu.auth0.com/"}, "auth0")],
    ids=["header", "scopes", "issuer"],
)
def test_a_mark_decides_between_profiles(changes: dict[str, Any], profile: str) -> None:
    typ = changes.pop("typ", "JWT")
    result = init(token(typ, **changes))
    assert yaml.safe_load(result.stdout)["tokens"]["access_token"]["profile"] == profile


@pytest.mark.parametrize("name", RECORDED)
def test_a_draft_admits_the_token_that_it_was_made_from(name: str) -> None:
    file = json.loads((FOLDER / f"{name}.json").read_text())
    audience = file["payload"]["aud"]
    named = audience if isinstance(audience, str) else audience[0]
    result = init(recorded(name), "--audience", named)
    admitted = 0 if name == "zitadel-oidc/access-client" else 1
    assert f"{admitted} of 1 samples are admitted by the draft" in result.stderr
    assert admitted or "is not for the audience" in result.stderr


def test_what_the_draft_does_not_admit_is_told_with_the_reason() -> None:
    lightweight = init(recorded("keycloak/access-lightweight"), "--audience", "https://api.example.com")
    assert "0 of 1 samples are admitted by the draft" in lightweight.stderr
    assert "the required claim `sub` is missing" in lightweight.stderr
    mixed = init(token("at+jwt", plan="free") + token("at+jwt", plan="free") + token("at+jwt", plan=3))
    assert "2 of 3 samples are admitted by the draft" in mixed.stderr
    assert "1 of the samples: plan is none of the permitted values: string is wanted, integer was found" in mixed.stderr
    assert "# review: 1 of the samples are not accepted as they are: plan" in mixed.stdout


def test_a_long_lifetime_is_drafted_as_it_was_seen_and_marked() -> None:
    result = init(token("at+jwt", exp=10 * 86400))
    assert yaml.safe_load(result.stdout)["tokens"]["access_token"]["max_lifetime"] == 10 * 86400
    assert "# review: tokens live up to 864000 seconds" in result.stdout
    assert "1 of 1 samples are admitted" in result.stderr
    beyond = init(token("at+jwt", exp=90 * 86400))
    assert yaml.safe_load(beyond.stdout)["tokens"]["access_token"]["max_lifetime"] == 30 * 86400
    assert "the token lives longer than the contract permits" in beyond.stderr


def test_claims_without_a_header_are_told_to_be_a_guess() -> None:
    assert "# review: no sample has a header" in init(line()).stdout
    assert "no sample has a header" not in init(token("at+jwt")).stdout


def test_audiences_to_choose_from_are_listed() -> None:
    result = init(line(aud=["https://a.example.com", "https://b.example.com"]))
    assert "one of `https://a.example.com`, `https://b.example.com`" in result.output
    assert "no `aud` of an API" in init(line(aud="account")).output


@pytest.mark.parametrize(
    "audience",
    [
        *("realm-management", "00000003-0000-0000-c000-000000000000", "https://acme.eu.auth0.com/api/v2/", "web"),
        *(f"{ISSUER}/", f"{ISSUER}/oidc/userinfo"),
    ],
)
def test_audiences_of_the_server_itself_are_never_chosen(audience: str) -> None:
    result = init(token("at+jwt", aud=audience))
    assert (result.exit_code, "no `aud` of an API" in result.output) == (2, True)
    beside = init(token("at+jwt", aud=[audience, AUDIENCE]))
    assert yaml.safe_load(beside.stdout)["audience"] == AUDIENCE


def test_a_name_that_may_be_the_clients_is_not_chosen_where_no_client_is_named() -> None:
    unnamed = {name: value for name, value in json.loads(line(exp=9, iat=1, jti="j")).items() if name != "plan"}
    result = init(json.dumps({**unnamed, "aud": "web", "sub": "alice", "scope": ["read"]}))
    assert (result.exit_code, "no `aud` of an API" in result.output) == (2, True)


def test_an_introspection_answer_is_no_access_token() -> None:
    result = init(line(active=True, exp=9))
    assert (result.exit_code, "this is an introspection answer" in result.output) == (2, True)
    opaque = init("ory_at_abc\n")
    assert "give the claims of its introspection answer" in opaque.output
    assert "ory_at" not in opaque.output
