"""B1 to B7 over the wire: a bound token needs its proof in the body, and answers say how to ask better."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from devkit.service import ROOT
from entitlements.cli import main
from entitlements.engine import Opa
from entitlements.token import SigningKey, generate_key
from tests.unit.token.proofs import CERTIFICATE, OTHER_CERTIFICATE, jkt, proof_jwt

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService, StartService
    from tests.wire.conftest import Wire

URL = "https://orders.example.com/orders/42"
ALGORITHMS = "ES256 ES384 ES512 EdDSA Ed25519 PS256 PS384 PS512 RS256 RS384 RS512"


def locked(folder: Path, sender_constrained: str) -> dict[str, str]:
    """The contracts and policies of the repository, with bound tokens for orders, locked as first versions."""
    contracts, policies = folder / "contracts", folder / "policies"
    shutil.copytree(ROOT / "contracts", contracts, ignore=shutil.ignore_patterns("release", "*.lock", "*.proof.json"))
    shutil.copytree(ROOT / "policies", policies)
    file = contracts / "orders/1.0.0.yaml"
    text = file.read_text().replace(
        "max_lifetime: 3600", f"max_lifetime: 3600, sender_constrained: {sender_constrained}"
    )
    assert sender_constrained in text
    file.write_text(text)
    settings = {"ENTITLEMENTS_CONTRACTS": str(contracts), "ENTITLEMENTS_POLICIES": str(policies)}
    done = CliRunner().invoke(main, ["contract", "lock"], env=settings)
    assert done.exit_code == 0, done.output
    return settings


@pytest.fixture(scope="module")
def permitting(start_service: StartService, tmp_path_factory: pytest.TempPathFactory) -> RunningService:
    return start_service(locked(tmp_path_factory.mktemp("permitted"), "permitted"))


@pytest.fixture(scope="module")
def requiring(start_service: StartService, tmp_path_factory: pytest.TempPathFactory) -> RunningService:
    return start_service(locked(tmp_path_factory.mktemp("required"), "required"))


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return generate_key("ES256")


class Client:
    """Asks as an API does for a client that holds a key."""

    def __init__(self, service: RunningService, wire: Wire, key: SigningKey) -> None:
        self.service, self.wire, self.key = service, wire, key
        self.token = wire.token_of("u_1", changes={"cnf": {"jkt": jkt(key)}})
        self.nonce = ""
        self._made = 0

    def jwt(self, **claims: Any) -> str:
        """A new proof, with the nonce that was given last."""
        self._made += 1
        nonce = {"nonce": self.nonce} if self.nonce else {}
        members = {"now": time.time(), "jti": f"{id(self)}-{self._made}", **nonce, **claims}
        return proof_jwt(self.key, self.token, **{"url": URL, **members})

    def ask(self, proof: Any, *lines: bytes, token: str | None = None) -> Reply:
        """proof: the body's member, None for none."""
        body = self.wire.body(**({} if proof is None else {"proof": proof}))
        bearer = f"Authorization: Bearer {token or self.token}".encode()
        return self.service.one(self.wire.ask(*lines, body=body, bearer=bearer))

    def dpop(self, jwt: str | None = None, *, method: str = "GET", url: str = URL) -> Reply:
        """Ask with a proof, and once more with a new one where a nonce is wanted."""
        reply = self.ask({"dpop": {"jwt": jwt or self.jwt(), "method": method, "url": url}})
        if jwt is None and "dpop-nonce" in reply.headers:
            (self.nonce,) = reply.headers["dpop-nonce"]
            return self.dpop(self.jwt(), method=method, url=url)
        return reply

    def refusal(self) -> str:
        return str(self.service.rows()[-1]["refusal"])


@pytest.fixture
def client(permitting: RunningService, wire: Wire, key: SigningKey) -> Client:
    return Client(permitting, wire, key)


def challenge(scheme: str, error: str, description: str) -> str:
    algorithms = f', algs="{ALGORITHMS}"' if scheme == "DPoP" else ""
    return f'{scheme} realm="entitlements", error="{error}", error_description="{description}"{algorithms}'


NOT_VALID = "the access token is not valid"


def test_a_bound_token_is_accepted_with_its_proof_once(client: Client) -> None:
    """B3."""
    assert client.dpop().allows
    jwt = client.jwt()
    assert client.dpop(jwt).allows
    again = client.dpop(jwt)
    assert (again.status, again.json()["error"], client.refusal()) == (401, "invalid_dpop_proof", "proof_replayed")
    assert again.headers["www-authenticate"] == [challenge("DPoP", "invalid_dpop_proof", "the DPoP proof is not valid")]


def test_a_proof_sent_many_times_at_once_is_good_for_one(client: Client) -> None:
    """B3."""
    client.dpop()
    jwt = client.jwt()
    with ThreadPoolExecutor(16) as pool:
        replies = [*pool.map(lambda _: client.dpop(jwt), range(16))]
    assert sorted(reply.allows for reply in replies) == [False] * 15 + [True]


def test_a_bound_token_as_a_bearer_token_is_refused(client: Client) -> None:
    """B1: without a proof, and with one anywhere else than in the body."""
    jwt = client.jwt()
    for lines in ((), (b"DPoP: " + jwt.encode(),), (b"X-DPoP: " + jwt.encode(),)):
        reply = client.ask(None, *lines)
        assert (reply.status, reply.json()["decision"], client.refusal()) == (401, False, "proof_missing")
        assert reply.headers["www-authenticate"] == [challenge("DPoP", "invalid_token", NOT_VALID)]


def test_a_token_under_the_scheme_dpop_is_no_credential_of_the_question(client: Client, wire: Wire) -> None:
    """The header of the question is between the API and this service."""
    scheme = f"Authorization: DPoP {client.token}".encode()
    reply = client.service.one(wire.ask(body=wire.body(), bearer=scheme))
    assert (reply.status, client.refusal()) == (401, "token_missing")
    assert reply.headers["www-authenticate"] == [
        f'DPoP realm="entitlements", algs="{ALGORITHMS}"',
        'Bearer realm="entitlements"',
    ]


def test_a_proof_for_another_request_is_refused(client: Client) -> None:
    """B5."""
    client.dpop()
    for jwt, options in (
        (client.jwt(method="POST"), {}),
        (client.jwt(), {"method": "POST"}),
        (client.jwt(), {"url": "https://orders.example.com/orders/43"}),
        (client.jwt(ath="x"), {}),
        (client.jwt(iat=time.time() - 600), {}),
        ("not.a.proof", {}),
        (client.token, {}),
        (f"{client.jwt()}, {client.jwt()}", {}),
    ):
        reply = client.dpop(jwt, **options)
        assert (reply.status, client.refusal()) == (401, "proof_invalid")
        assert reply.json()["error"] == "invalid_dpop_proof"
        assert jwt.encode()[:40] not in reply.body


def test_a_proof_by_another_key_is_refused(client: Client, wire: Wire) -> None:
    other = Client(client.service, wire, generate_key("ES256"))
    client.dpop()
    reply = client.dpop(proof_jwt(other.key, client.token, url=URL, now=time.time(), jti="other"))
    assert (reply.status, reply.json()["error"], client.refusal()) == (401, "invalid_token", "proof_mismatch")
    assert reply.headers["www-authenticate"] == [challenge("DPoP", "invalid_token", NOT_VALID)]


def test_a_certificate_bound_token_is_accepted_with_its_certificate_only(client: Client, wire: Wire) -> None:
    """B7: and no header of the question represents it."""
    token = wire.token_of("u_1", changes={"cnf": {"x5t#S256": CERTIFICATE}})
    assert client.ask({"mtls": {"x5t#S256": CERTIFICATE}}, token=token).allows
    assert client.ask({"mtls": {"x5t#S256": CERTIFICATE}}, token=token).allows
    spoofed = [
        f"{name}: {CERTIFICATE}".encode() for name in ("X-SSL-Client-Cert", "Client-Cert", "X-Client-Thumbprint")
    ]
    for reply in (
        client.ask({"mtls": {"x5t#S256": OTHER_CERTIFICATE}}, token=token),
        client.ask(None, *spoofed, token=token),
        client.ask({"dpop": {"jwt": client.jwt(), "method": "GET", "url": URL}}, token=token),
    ):
        assert (reply.status, reply.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("proof", "fields"),
    [
        ({}, ["proof"]),
        ([], ["proof"]),
        ("x", ["proof"]),
        ({"dpop": None}, ["proof.dpop"]),
        ({"dpop": {}}, ["proof.dpop.jwt", "proof.dpop.method", "proof.dpop.url"]),
        ({"dpop": {"jwt": 1, "method": "GET", "url": URL}}, ["proof.dpop.jwt"]),
        ({"dpop": {"jwt": ["a.b.c"], "method": "GET", "url": URL}}, ["proof.dpop.jwt"]),
        ({"dpop": {"jwt": "a.b.c", "method": "GET ", "url": URL}}, ["proof.dpop.method"]),
        ({"dpop": {"jwt": "a.b.c", "method": "GET", "url": URL, "x": 1}}, ["proof.dpop.x"]),
        ({"mtls": {"x5t#S256": CERTIFICATE[:-1]}}, ["proof.mtls.x5t#S256"]),
        ({"mtls": {"x5t#S256": CERTIFICATE, "x": 1}}, ["proof.mtls.x"]),
        ({"mtls": {"certificate": "x"}}, ["proof.mtls.certificate", "proof.mtls.x5t#S256"]),
        ({"tls": {}}, ["proof.tls"]),
        (
            {"mtls": {"x5t#S256": CERTIFICATE}, "dpop": {"jwt": "a.b.c", "method": "GET", "url": URL}},
            ["proof"],
        ),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_a_malformed_proof_is_400_with_its_field(client: Client, proof: Any, fields: list[str]) -> None:
    reply = client.ask(proof)
    assert (reply.status, reply.json()["code"]) == (400, "request_malformed")
    assert sorted(reply.json()["details"]) == fields


def test_an_unbound_token_is_accepted_where_both_are_permitted(client: Client, wire: Wire) -> None:
    assert client.ask(None, token=wire.token).allows
    assert client.ask({"mtls": {"x5t#S256": CERTIFICATE}}, token=wire.token).allows
    reply = client.ask({"dpop": {"jwt": client.jwt(), "method": "GET", "url": URL}}, token=wire.token)
    assert (reply.status, client.refusal()) == (401, "proof_unexpected")


def test_an_unbound_token_is_refused_where_a_bound_one_is_demanded(
    requiring: RunningService, wire: Wire, key: SigningKey
) -> None:
    client = Client(requiring, wire, key)
    reply = client.ask(None, token=wire.token)
    assert (reply.status, client.refusal()) == (401, "token_not_bound")
    assert reply.headers["www-authenticate"] == [
        challenge(scheme, "invalid_token", NOT_VALID) for scheme in ("DPoP", "Bearer")
    ]
    assert client.dpop().allows


def test_bound_tokens_are_refused_where_the_contract_does_not_permit_them(
    service: RunningService, wire: Wire, key: SigningKey
) -> None:
    client = Client(service, wire, key)
    reply = client.dpop()
    assert (reply.status, client.refusal()) == (401, "sender_constrained")


def test_a_restart_forgets_no_proof(start_service: StartService, wire: Wire, key: SigningKey, tmp_path: Path) -> None:
    """B3: the next process has not seen the proof and refuses it; with a nonce of its own the client goes on."""
    settings = locked(tmp_path, "required")
    first = start_service(settings)
    client = Client(first, wire, key)
    assert client.dpop().allows
    jwt = client.jwt()
    assert client.dpop(jwt).allows
    without_nonce = client.nonce
    client.nonce = ""
    unused = client.jwt()
    client.nonce = without_nonce
    client.service = start_service(settings)
    for old in (jwt, unused):
        reply = client.dpop(old)
        assert (reply.status, reply.json()["error"], client.refusal()) == (401, "use_dpop_nonce", "proof_nonce")
        assert reply.headers["www-authenticate"] == [
            challenge("DPoP", "use_dpop_nonce", "the DPoP proof needs the nonce of this answer")
        ]
    assert client.dpop().allows


def test_names_that_lead_nowhere_are_not_told_without_a_proof(client: Client, wire: Wire) -> None:
    """A thief of a bound token learns no more than one without a token."""

    def ask(audience: str, **members: Any) -> Reply:
        body = wire.body(audience=audience, **members)
        bearer = f"Authorization: Bearer {client.token}".encode()
        return client.service.one(wire.ask(body=body, bearer=bearer))

    assert ask("https://nowhere.example.com").status == 401
    client.dpop()
    proof = {"dpop": {"jwt": client.jwt(), "method": "GET", "url": URL}}
    assert ask("https://nowhere.example.com", proof=proof).json()["code"] == "audience_unknown"


def test_commands_mint_a_bound_token_prove_it_and_decide(opa: Opa, tmp_path: Path) -> None:
    issuer = tmp_path / "issuer"
    settings = {
        **locked(tmp_path, "required"),
        "ENTITLEMENTS_KEYS": f"https://login.example.com={issuer / 'jwks.json'}",
        "ENTITLEMENTS_OPA_BIN": str(opa),
        "ENTITLEMENTS_DECISION_LOG": str(tmp_path / "log"),
    }

    def run(*arguments: str, wanted: int = 0, text: str | None = None) -> Any:
        done = CliRunner().invoke(main, [*arguments], env=settings, input=text)
        assert done.exit_code == wanted, done.output
        return done

    for folder in (issuer, tmp_path / "client"):
        run("token", "keygen", "--out", str(folder), "--algorithm", "ES256")
    key = str(tmp_path / "client/signing.jwk")
    proving = ("token", "prove", "--key", key, "--url", URL)
    cnf = run(*proving, text="x").stderr.removeprefix("for a token with ").strip()
    claims = [f"--claim={pair}" for pair in ("tenant=t_1", 'roles=["agent"]', "suspended=false", cnf)]
    mint = ("token", "mint", "--key", str(issuer / "signing.jwk"), "--contract", "orders", "--scope", "orders:read")
    token = run(*mint, *claims).stdout.strip()
    settings["ENTITLEMENTS_KEYS"] += f" https://pay.example.com={issuer / 'jwks.json'}"
    asking = ("authorize", "--audience", "https://orders.example.com", "--action", "read", "--resource", "order:42")
    asked = (*asking, "--property", "tenant=t_1")
    proof = tmp_path / "proof.json"
    proof.write_text(run(*proving, text=token).stdout)
    assert "allow" in run(*asked, "--proof-file", str(proof), text=token).output
    assert "proof_missing" in run(*asked, text=token, wanted=3).output
    proof.write_text(run(*proving, "--method", "POST", text=token).stdout.replace('"POST"', '"GET"'))
    assert "proof_invalid" in run(*asked, "--proof-file", str(proof), text=token, wanted=3).output
    proof.write_text('{"dpop": {"jwt": 1}}')
    told = run(*asked, "--proof-file", str(proof), text=token, wanted=2).output
    assert "`proof.dpop.jwt` not a valid string" in told
    inspected = run("token", "inspect", text=token)
    assert "needs a proof of its key" in inspected.output
    assert "undeclared" not in inspected.output
