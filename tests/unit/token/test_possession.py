"""Threats B1 to B7: bound tokens are good with a proof of their key, once, and in no other way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.errors import TokenRejected
from entitlements.model import CertificateProof, DPoPProof, Proof, TokenProfile
from entitlements.profiles import PROFILES
from entitlements.token import FileKeys, MemoryInProcess, Nonces, Possession, SigningKey, TokenVerifier
from entitlements.token.compact import encode
from entitlements.token.dpop import check_proof, hash_of
from entitlements.token.mint import mint_raw
from entitlements.token.replay import Use
from entitlements.token.target_uri import normalized
from entitlements.token.thumbprint import thumbprint

from .proofs import (
    ABSENT,
    CERTIFICATE,
    LEEWAY,
    PERMITTING,
    REQUIRING,
    URL,
    Clients,
    jkt,
    proof_jwt,
    public,
    sent_by,
    verifier_of,
)
from .vectors import AUDIENCE, NOW, PROFILE, Signers, load

VECTORS = load("possession")
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures/tokens"
RECORDED_URL = "https://orders.example.com/orders/42"


@pytest.fixture(scope="module")
def clients() -> Clients:
    return Clients(Signers())


def verify(clients: Clients, token: str, proof: Proof | None, *profiles: Any, **options: Any) -> None:
    verifier_of(clients.signers, *profiles, **options).verify(token, now=NOW, audience=AUDIENCE, proof=proof)


def refusal_of(clients: Clients, token: str, proof: Proof | None, *profiles: Any, **options: Any) -> TokenRejected:
    with pytest.raises(TokenRejected) as refused:
        verify(clients, token, proof, *profiles, **options)
    return refused.value


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{vector['threat']}: {vector['name'][:60]}" for vector in VECTORS])
def test_vector_is_answered_as_expected(vector: dict[str, Any], clients: Clients) -> None:
    token, proof = sent_by(vector, clients)
    if vector["expect"] == "accepted":
        verify(clients, token, proof)
        return
    refused = refusal_of(clients, token, proof)
    assert refused.code == vector["expect"]
    assert "eyJ" not in refused.message
    told = refused.challenge.error if refused.challenge else ""
    assert (told == "invalid_dpop_proof") == (refused.code == "proof_invalid")
    if isinstance(proof, DPoPProof) and proof.jwt:
        assert proof.jwt[:40] not in refused.message


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{vector['threat']}: {vector['name'][:60]}" for vector in VECTORS])
def test_no_vector_is_accepted_where_bound_tokens_are_refused(vector: dict[str, Any], clients: Clients) -> None:
    token, proof = sent_by(vector, clients)
    if vector.get("cnf") == "none" and vector["expect"] == "accepted":
        verify(clients, token, proof, PROFILE)
    else:
        assert refusal_of(clients, token, proof, PROFILE).code in ("sender_constrained", "proof_unexpected")


def test_vectors_have_a_source_and_a_name_of_their_own() -> None:
    names = [(vector["threat"], vector["name"]) for vector in VECTORS]
    assert len(set(names)) == len(names)
    assert all(vector["source"] for vector in VECTORS)


def test_no_vector_takes_long(clients: Clients) -> None:
    """The processor's time for one question, the best of three, whatever else the machine does."""
    verifier = verifier_of(clients.signers)

    def seconds(token: str, proof: Proof | None) -> float:
        started = time.thread_time()
        with contextlib.suppress(TokenRejected):
            verifier.verify(token, now=NOW, audience=AUDIENCE, proof=proof)
        return time.thread_time() - started

    for vector in VECTORS:
        asked = sent_by(vector, clients)
        assert min(seconds(*asked) for _ in range(3)) < 0.05, vector["name"]


def test_token_without_binding_is_refused_where_the_contract_demands_one(clients: Clients) -> None:
    refused = refusal_of(clients, clients.token(ABSENT), None, REQUIRING)
    assert refused.code == "token_not_bound"
    assert refusal_of(clients, clients.token(ABSENT), CertificateProof(CERTIFICATE), REQUIRING).code == refused.code
    token = clients.bound()
    verify(clients, token, clients.proof(token), REQUIRING)


def test_one_version_that_permits_a_token_suffices(clients: Clients) -> None:
    verify(clients, clients.token(ABSENT), None, REQUIRING, PROFILE)
    token = clients.bound()
    verify(clients, token, clients.proof(token), PROFILE, REQUIRING)


def test_proof_is_good_for_one_decision(clients: Clients) -> None:
    """B3: used a second time in turn it is refused; the decision that uses it may ask again."""
    verifier = verifier_of(clients.signers, cache_entries=8)
    token = clients.bound()
    asked = {"now": NOW, "audience": AUDIENCE, "proof": clients.proof(token)}
    verifier.verify(token, decision_id="d-1", **asked)
    verifier.verify(token, decision_id="d-1", **asked)
    for decision_id in ("d-2", ""):
        with pytest.raises(TokenRejected) as refused:
            verifier.verify(token, decision_id=decision_id, **asked)
        assert refused.value.code == "proof_replayed"
        assert refused.value.challenge is not None
        assert refused.value.challenge.error == "invalid_dpop_proof"


def test_proof_sent_64_times_at_once_is_good_for_one(clients: Clients) -> None:
    """B3."""
    verifier = verifier_of(clients.signers)
    token = clients.bound()
    proof = clients.proof(token)
    barrier = threading.Barrier(64)
    answers: list[str] = []

    def ask() -> None:
        barrier.wait(30)
        try:
            verifier.verify(token, now=NOW, audience=AUDIENCE, proof=proof)
        except TokenRejected as refused:
            answers.append(refused.code)
        else:
            answers.append("accepted")

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == ["accepted", *["proof_replayed"] * 63]


def test_proof_is_replayed_in_another_spelling_of_its_target(clients: Clients) -> None:
    """Same `jti`, same key, same target in other letters."""
    verifier = verifier_of(clients.signers)
    token = clients.bound()
    verifier.verify(token, now=NOW, audience=AUDIENCE, proof=clients.proof(token))
    again = clients.proof(token, url="https://ORDERS.example:443/orders/./42", iat=NOW - 1)
    with pytest.raises(TokenRejected) as refused:
        verifier.verify(token, now=NOW, audience=AUDIENCE, proof=again)
    assert refused.value.code == "proof_replayed"


def test_jti_belongs_to_its_key_and_target(clients: Clients) -> None:
    """B6: the same `jti` by another key, for another target, or after its time is another proof."""
    verifier = verifier_of(clients.signers)
    token, other = clients.bound(), clients.bound("EdDSA")
    later = clients.bound(exp=NOW + 400)
    verifier.verify(token, now=NOW, audience=AUDIENCE, proof=clients.proof(token))
    verifier.verify(other, now=NOW, audience=AUDIENCE, proof=clients.proof(other, algorithm="EdDSA"))
    verifier.verify(token, now=NOW, audience=AUDIENCE, proof=clients.proof(token, url="https://orders.example/"))
    verifier.verify(later, now=NOW + 100, audience=AUDIENCE, proof=clients.proof(later, iat=NOW + 100))


def test_proof_that_is_refused_is_not_used_up(clients: Clients) -> None:
    """Who sends another's proof with a wrong token takes nothing away from its owner."""
    verifier = verifier_of(clients.signers)
    token, other = clients.bound(), clients.bound(sub="thief")
    with pytest.raises(TokenRejected):
        verifier.verify(other, now=NOW, audience=AUDIENCE, proof=clients.proof(token))
    verifier.verify(token, now=NOW, audience=AUDIENCE, proof=clients.proof(token))


def test_audiences_of_a_bound_token_are_told_with_its_proof_only(clients: Clients) -> None:
    verifier = verifier_of(clients.signers)
    token = clients.bound()
    with pytest.raises(TokenRejected) as refused:
        verifier.audiences(token, now=NOW)
    assert refused.value.code == "proof_missing"
    assert verifier.audiences(token, now=NOW, proof=clients.proof(token)) == (AUDIENCE,)
    with pytest.raises(TokenRejected):
        verifier.verify(token, now=NOW, audience=AUDIENCE, proof=clients.proof(token))


def test_remembered_token_needs_a_proof_each_time(clients: Clients) -> None:
    verifier = verifier_of(clients.signers, cache_entries=8)
    token = clients.bound()
    verifier.verify(token, now=NOW, audience=AUDIENCE, proof=clients.proof(token))
    with pytest.raises(TokenRejected) as refused:
        verifier.verify(token, now=NOW, audience=AUDIENCE)
    assert refused.value.code == "proof_missing"
    verifier.verify(token, now=NOW, audience=AUDIENCE, proof=clients.proof(token, jti="p-2"))


def test_claims_tell_whether_the_token_is_bound(clients: Clients) -> None:
    verifier = verifier_of(clients.signers)
    token = clients.bound()
    assert verifier.verify(token, now=NOW, audience=AUDIENCE, proof=clients.proof(token)).bound is True
    assert verifier.verify(clients.token(ABSENT), now=NOW, audience=AUDIENCE).bound is False


def test_proof_from_before_the_start_needs_a_nonce(clients: Clients) -> None:
    """B3: an earlier process may have seen it. A nonce shows that it is newer (RFC 9449 section 9)."""
    nonces = Nonces()
    options: dict[str, Any] = {"memory": MemoryInProcess(started_at=NOW - 1, leeway=LEEWAY), "nonces": nonces}
    token = clients.bound()
    refused = refusal_of(clients, token, clients.proof(token), **options)
    assert refused.code == "proof_nonce"
    assert refused.challenge is not None
    assert (refused.challenge.schemes, refused.challenge.error) == (("DPoP",), "use_dpop_nonce")
    verify(clients, token, clients.proof(token, nonce=refused.challenge.nonce), **options)
    again = refusal_of(clients, token, clients.proof(token, nonce=refused.challenge.nonce), **options)
    assert again.code == "proof_replayed"


@pytest.mark.parametrize("of", ["another process", "an hour ago", "no service", "another alphabet"])
def test_proof_with_a_nonce_that_is_not_good_is_told_a_new_one(clients: Clients, of: str) -> None:
    nonces = Nonces()
    nonce = {
        "another process": Nonces().issue(NOW),
        "an hour ago": nonces.issue(NOW - 3600),
        "no service": "x",
        "another alphabet": "nönce",
    }[of]
    token = clients.bound()
    refused = refusal_of(clients, token, clients.proof(token, nonce=nonce), nonces=nonces)
    assert refused.code == "proof_nonce"
    assert refused.challenge is not None
    assert nonces.made_at(refused.challenge.nonce, NOW) == NOW


@pytest.mark.parametrize("nonce", ["", None, 1, ["x"]], ids=repr)
def test_proof_whose_nonce_is_not_a_string_is_invalid(clients: Clients, nonce: Any) -> None:
    token = clients.bound()
    assert refusal_of(clients, token, clients.proof(token, nonce=nonce)).code == "proof_invalid"


RECORDED = {
    server: {name: json.loads((FIXTURES / server / f"{name}.json").read_text()) for name in names}
    for server, names in (
        ("keycloak", ("access-dpop", "dpop-proof")),
        ("node-oidc-provider", ("access-dpop", "dpop-proof", "access-mtls")),
    )
}


def recorded(server: str, name: str, proof: Proof | None, folder: Path, profile: str) -> str:
    """How a recorded token is answered a second after it was issued."""
    file = RECORDED[server][name]
    claims = file["payload"]
    audience = claims["aud"][0] if isinstance(claims["aud"], list) else claims["aud"]
    path = folder / "jwks.json"
    path.write_text(json.dumps(file["jwks"]))
    contract = TokenProfile(claims["iss"], audience, ("RS256", "ES256"), 3600, PROFILES[profile], "required")
    memory = MemoryInProcess(started_at=claims["iat"] - 60, leeway=LEEWAY)
    verifier = TokenVerifier(
        [contract], {contract.issuer: FileKeys(path)}, possession=Possession(memory, Nonces(), LEEWAY)
    )
    try:
        verifier.verify(file["token"], now=claims["iat"] + 1, audience=audience, proof=proof)
    except TokenRejected as refused:
        return refused.code
    return "accepted"


SERVERS = [("keycloak", "keycloak"), ("node-oidc-provider", "rfc9068")]


@pytest.mark.parametrize(("server", "profile"), SERVERS)
def test_recorded_bound_token_is_accepted_with_its_recorded_proof_only(
    server: str, profile: str, tmp_path: Path
) -> None:
    proofs = {name: DPoPProof(files["dpop-proof"]["token"], "GET", RECORDED_URL) for name, files in RECORDED.items()}
    (other,) = (proof for name, proof in proofs.items() if name != server)
    assert recorded(server, "access-dpop", proofs[server], tmp_path, profile) == "accepted"
    assert recorded(server, "access-dpop", None, tmp_path, profile) == "proof_missing"
    assert recorded(server, "access-dpop", other, tmp_path, profile) == "proof_invalid"
    assert recorded(server, "access-dpop", replace(proofs[server], method="POST"), tmp_path, profile) == "proof_invalid"


def test_recorded_certificate_bound_token_is_accepted_with_its_certificate_only(tmp_path: Path) -> None:
    certificate = RECORDED["node-oidc-provider"]["access-mtls"]["certificate"]
    thumbprint = encode(hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).digest())
    for proof, wanted in (
        (CertificateProof(thumbprint), "accepted"),
        (CertificateProof(CERTIFICATE), "proof_mismatch"),
        (None, "proof_missing"),
    ):
        assert recorded("node-oidc-provider", "access-mtls", proof, tmp_path, "rfc9068") == wanted


def test_thumbprint_is_that_of_the_rfc() -> None:
    """RFC 7638 section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_rfc_9449_example_is_accepted_in_its_second() -> None:
    """RFC 9449 figures 12 and 13: the proof, its `ath` and the thumbprint of figure 15."""
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    jwt = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFV"
        "ZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl"
        "9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2M"
        "jI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1"
        "plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    )
    proof = DPoPProof(jwt, "GET", "https://resource.example.org/protectedresource")
    checked = check_proof(proof, token, now=1562262618, leeway=LEEWAY)
    assert checked.thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_thumbprints_of_two_algorithms_of_one_key_are_one(clients: Clients) -> None:
    key = clients.own["RS256"]
    assert jkt(key) == jkt(replace(key, algorithm="PS256"))
    assert isinstance(key, SigningKey)


def test_memory_forgets_what_has_expired_and_no_more() -> None:
    memory = MemoryInProcess(started_at=0, leeway=0)

    def use(name: bytes, *, issued_at: float, now: float, nonce: float | None = None) -> Use:
        return memory.use(name, "d", issued_at=issued_at, nonce_made_at=nonce, expires_at=issued_at + 60, now=now)

    for number in range(100):
        assert use(b"%d" % number, issued_at=number + 1, now=number + 1) is Use.FIRST
    assert len(memory) == 61
    # A clock that is set back does not bring back what was forgotten.
    assert use(b"0", issued_at=1, now=30) is Use.UNKNOWN
    assert use(b"new", issued_at=1, now=30, nonce=29) is Use.FIRST


def test_memory_that_is_full_forgets_no_use() -> None:
    """What is displaced needs a nonce that is newer than it: nothing is ever accepted twice."""
    memory = MemoryInProcess(started_at=0, leeway=0, entries=3)

    def use(name: bytes, owner: str, issued_at: float, nonce: float | None = None) -> Use:
        return memory.use(name, owner, issued_at=issued_at, nonce_made_at=nonce, expires_at=issued_at + 60, now=100)

    for number in range(4):
        assert use(b"%d" % number, "d", 90 + number, 91 if number == 0 else None) is Use.FIRST
    assert len(memory) == 3
    assert use(b"0", "e", 90, 91) is Use.UNKNOWN
    assert use(b"another as old", "e", 90) is Use.UNKNOWN
    assert use(b"1", "e", 91) is Use.REPLAYED
    assert use(b"another as old", "e", 90, 92) is Use.FIRST


def test_memory_takes_a_client_clock_ahead_of_the_start_into_account() -> None:
    """A proof of a clock that is ahead may have been used just before a restart."""
    memory = MemoryInProcess(started_at=100, leeway=10)
    for issued_at, use in ((100, Use.UNKNOWN), (110, Use.UNKNOWN), (110.5, Use.FIRST)):
        said = memory.use(b"x", "d", issued_at=issued_at, nonce_made_at=None, expires_at=issued_at + 60, now=101)
        assert said is use


def test_proof_jwt_of_the_tests_is_good(clients: Clients) -> None:
    token = clients.bound()
    proof = DPoPProof(proof_jwt(clients.own["ES256"], token), "GET", "https://orders.example/orders/42")
    verify(clients, token, proof, PERMITTING)


def test_memory_is_shared_by_the_verifiers_of_a_service(clients: Clients) -> None:
    """A lock that is taken up, and the pair before it, have verifiers of their own."""
    memory = MemoryInProcess(started_at=NOW - 3600, leeway=LEEWAY)
    token = clients.bound()
    verify(clients, token, clients.proof(token), memory=memory)
    assert refusal_of(clients, token, clients.proof(token), REQUIRING, memory=memory).code == "proof_replayed"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
HEADER = st.sampled_from(["typ", "alg", "jwk", "kid", "crit", "x"])
KEY = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "alg", "use", "key_ops"])
CLAIM = st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"])
SHARED = Clients(Signers())


@given(
    header=st.dictionaries(HEADER, ODD, max_size=2),
    key=st.dictionaries(KEY, ODD, max_size=2),
    claims=st.dictionaries(CLAIM, ODD, max_size=3),
)
def test_odd_proof_is_refused_and_breaks_nothing(
    header: dict[str, Any], key: dict[str, Any], claims: dict[str, Any]
) -> None:
    signer = SHARED.own["ES256"]
    token = SHARED.bound()
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": {**public(signer), **key}, **header}
    body = {"jti": "p", "htm": "GET", "htu": URL, "iat": NOW, "ath": hash_of(token), **claims}
    jwt = mint_raw(signer, json.dumps(head).encode(), json.dumps(body).encode())
    try:
        found = check_proof(DPoPProof(jwt, "GET", URL), token, now=NOW, leeway=LEEWAY).thumbprint
    except TokenRejected as refused:
        found = refused.code
    assert found in ("proof_invalid", jkt(signer))


@given(st.text(alphabet="htps:/.%2eE5fF?#[]@:a0-\\\x00é", max_size=40))
def test_target_has_one_spelling_or_none(uri: str) -> None:
    try:
        once = normalized(f"https://a/{uri}")
    except ValueError:
        return
    assert normalized(once) == once
    assert once.startswith("https://a/")
