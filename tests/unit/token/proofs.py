"""What a vector of a bound token means: a token, and the proof that was sent with it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from entitlements.model import CertificateProof, DPoPProof, Proof
from entitlements.token import MemoryInProcess, Nonces, Possession, SigningKey, TokenVerifier, generate_key, mint
from entitlements.token.compact import decode, encode
from entitlements.token.dpop import MAX_PROOF_BYTES, hash_of
from entitlements.token.mint import mint_raw
from entitlements.token.thumbprint import thumbprint

from .vectors import ISSUER, NOW, PROFILE, Signers

METHOD, URL = "GET", "https://orders.example/orders/42"
PERMITTING = replace(PROFILE, sender_constrained="permitted")
REQUIRING = replace(PROFILE, sender_constrained="required")
LEEWAY = 10
ABSENT = object()
CERTIFICATE = encode(hashlib.sha256(b"the client's certificate").digest())
OTHER_CERTIFICATE = encode(hashlib.sha256(b"another certificate").digest())


class Clients:
    """The keys of a client and of someone else; an issuer that binds tokens to them."""

    def __init__(self, signers: Signers) -> None:
        self.signers = signers
        names = ("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "PS256")
        self.own = {name: generate_key(name, name) for name in names}
        self.other = {name: generate_key(name, name) for name in names}

    def token(self, cnf: Any, **claims: Any) -> str:
        """A token of the issuer; cnf: ABSENT for a token that is bound to none."""
        payload = {"iss": ISSUER, "aud": PROFILE.audience, "sub": "u", "client_id": "web", "jti": "j"}
        payload |= {"iat": NOW - 60, "exp": NOW + 300, **claims}
        bound = {} if cnf is ABSENT else {"cnf": cnf}
        return mint(self.signers.own["ES256"], {**payload, **bound})

    def bound(self, algorithm: str = "ES256", **claims: Any) -> str:
        """A token that is bound to the client's key of an algorithm."""
        return self.token({"jkt": jkt(self.own[algorithm])}, **claims)

    def proof(self, token: str, *, algorithm: str = "ES256", url: str = URL, **claims: Any) -> DPoPProof:
        """A good proof for a token, but for the claims that are given."""
        return DPoPProof(proof_jwt(self.own[algorithm], token, url=url, **claims), METHOD, url)


def jkt(key: SigningKey) -> str:
    return thumbprint(public(key))


def public(key: SigningKey) -> dict[str, Any]:
    """The bare public JWK, as clients send it."""
    return {name: value for name, value in key.public_jwk().items() if name not in ("kid", "alg", "use")}


def proof_jwt(
    key: SigningKey, token: str, *, url: str = URL, method: str = METHOD, now: float = NOW, **claims: Any
) -> str:
    """A proof as RFC 9449 section 4.2 has it."""
    payload = {"jti": "p-1", "htm": method, "htu": url, "iat": now, "ath": hash_of(token), **claims}
    header = {"typ": "dpop+jwt", "alg": key.algorithm, "jwk": public(key)}
    return mint_raw(key, json.dumps(header).encode(), json.dumps(payload).encode())


def verifier_of(
    signers: Signers, *profiles: Any, memory: Any = None, nonces: Nonces | None = None, cache_entries: int = 0
) -> TokenVerifier:
    """A verifier whose memory began long before."""
    known = MemoryInProcess(started_at=NOW - 3600, leeway=LEEWAY) if memory is None else memory
    return TokenVerifier(
        profiles or [PERMITTING],
        {ISSUER: signers.keys_a},
        leeway=LEEWAY,
        cache_entries=cache_entries,
        possession=Possession(known, nonces or Nonces(), LEEWAY),
        monotonic=lambda: 0.0,
    )


def sent_by(vector: Mapping[str, Any], clients: Clients) -> tuple[str, Proof | None]:
    """The token and the proof that a vector describes."""
    algorithm = vector.get("sign", "ES256")
    own, other = clients.own[algorithm], clients.other[algorithm]
    token = clients.token(_confirmation(vector, own, other), **vector.get("token_claims", {}))
    kind = vector.get("proof", "dpop")
    if kind == "certificate":
        return token, CertificateProof(CERTIFICATE)
    if kind == "other certificate":
        return token, CertificateProof(OTHER_CERTIFICATE)
    if kind is None:
        return token, None
    made_for = clients.bound(algorithm, jti="another") if "token" in vector else token
    jwt = _proof(vector, other if vector.get("key") == "other" else own, other, made_for)
    url = vector.get("url", URL)
    return token, DPoPProof(jwt, vector.get("method", METHOD), url)


def _confirmation(vector: Mapping[str, Any], own: SigningKey, other: SigningKey) -> Any:
    if "cnf_raw" in vector:
        return vector["cnf_raw"]
    return {
        "own": {"jkt": jkt(own)},
        "none": ABSENT,
        "other": {"jkt": jkt(other)},
        "both": {"jkt": jkt(own), "x5t#S256": CERTIFICATE},
        "and kid": {"jkt": jkt(own), "kid": "x"},
        "keycloak": {"jkt": jkt(own), "kc-jkt-type": "DPoP"},
        "keycloak other": {"jkt": jkt(own), "kc-jkt-type": "attested"},
        "certificate": {"x5t#S256": CERTIFICATE},
        "certificate in hex": {"x5t#S256": decode(CERTIFICATE).hex()},
    }[vector.get("cnf", "own")]


def _proof(vector: Mapping[str, Any], key: SigningKey, other: SigningKey, token: str) -> str:
    header = {"typ": "dpop+jwt", "alg": key.algorithm, "jwk": _jwk(vector, key, other)}
    header |= vector.get("header", {})
    claims = {"jti": "p-1", "htm": METHOD, "htu": vector.get("url", URL), "iat": NOW}
    claims |= {"ath": _hash(vector.get("ath", ""), token), **vector.get("claims", {})}
    for name, seconds in vector.get("times", {}).items():
        claims[name] = NOW * 1000 if seconds == "milliseconds" else NOW + seconds
    for name, length in vector.get("text_claims", {}).items():
        claims[name] = "x" * length
    if vector.get("text") == "long htu":
        claims["htu"] = f"{URL}/{'x' * 9000}"
    header = {name: value for name, value in header.items() if name not in vector.get("drop_header", [])}
    claims = {name: value for name, value in claims.items() if name not in vector.get("drop", [])}
    payload = json.dumps(claims)
    if vector.get("raw_claims"):
        payload = payload[:-1] + ', "htm": "GET"}'
    jwt = mint_raw(key, json.dumps(header).encode(), payload.encode())
    return _TEXTS.get(vector.get("text", ""), lambda jwt, _key, _token: jwt)(jwt, key, token)


def _jwk(vector: Mapping[str, Any], key: SigningKey, other: SigningKey) -> dict[str, Any]:
    own = public(key)
    spelled = {
        "own": own,
        "other": public(other),
        "private": {name: value for name, value in key.to_jwk().items() if name not in ("kid", "alg", "use")},
        "padded": {**own, "x": f"{own.get('x')}="},
        "off curve": {**own, "y": own.get("x")},
    }[vector.get("jwk", "own")]
    return spelled | vector.get("jwk_members", {})


def _hash(form: str, token: str) -> str:
    digest = hashlib.sha256(token.encode()).digest()
    good = encode(digest)
    return {
        "": good,
        "of another token": hash_of(token + "x"),
        "hex": digest.hex(),
        "padded": good + "=",
        "upper case": good.upper(),
        "standard base64": encode(bytes([0xFB, 0xFF]) + digest[2:]).replace("-", "+").replace("_", "/"),
        "of the claims": hash_of(token.split(".")[1]),
        "sha-512": encode(hashlib.sha512(token.encode()).digest()),
    }[form]


def _by_hmac(jwt: str, key: SigningKey, _token: str) -> str:
    header = {"typ": "dpop+jwt", "alg": "HS256", "jwk": public(key)}
    signing_input = f"{encode(json.dumps(header).encode())}.{jwt.split('.')[1]}"
    secret = json.dumps(public(key)).encode()
    return f"{signing_input}.{encode(hmac.new(secret, signing_input.encode(), hashlib.sha256).digest())}"


def _other_signature(jwt: str, key: SigningKey, token: str) -> str:
    head, _, _ = jwt.rpartition(".")
    return f"{head}.{proof_jwt(key, token, jti='p-2').rpartition('.')[2]}"


def _swapped(jwt: str, _key: SigningKey, _token: str) -> str:
    header, payload, signature = jwt.split(".")
    claims = json.loads(decode(payload)) | {"jti": "p-2"}
    return f"{header}.{encode(json.dumps(claims).encode())}.{signature}"


_TEXTS: Mapping[str, Callable[[str, SigningKey, str], str]] = {
    "comma list": lambda jwt, key, token: f"{jwt}, {jwt}",
    "empty": lambda jwt, key, token: "",
    "two parts": lambda jwt, key, token: jwt.rpartition(".")[0],
    "five parts": lambda jwt, key, token: f"{jwt}.AAAA.AAAA",
    "json serialization": lambda jwt, key, token: json.dumps(
        dict(zip(("protected", "payload", "signature"), jwt.split("."), strict=True))
    ),
    "space behind": lambda jwt, key, token: f"{jwt} ",
    "padded signature": lambda jwt, key, token: f"{jwt}==",
    "garbage": lambda jwt, key, token: "💥",
    "the access token": lambda jwt, key, token: token,
    "hmac by the jwk": _by_hmac,
    "other signature": _other_signature,
    "claims swapped": _swapped,
    "one byte too many": lambda jwt, key, token: jwt + "A" * (MAX_PROOF_BYTES + 1 - len(jwt)),
}
