"""A development issuer: keys and tokens for demonstrations and tests.

Of what serves requests only the client at an introspection endpoint signs with it, for itself (RFC 7523).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from entitlements.algorithms import CURVE_ALGORITHMS, RSA_ALGORITHMS, SUPPORTED_ALGORITHMS
from entitlements.model import JSON
from entitlements.token.compact import encode
from entitlements.token.dpop import hash_of
from entitlements.token.thumbprint import thumbprint

PrivateKey: TypeAlias = RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
_PUBLIC_MEMBERS = ("kty", "crv", "e", "n", "x", "y")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key bound to one JWS algorithm and named by `kid`."""

    kid: str
    algorithm: str
    private_key: PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """The JWS signature over `data`."""
        return _primitive(self.algorithm).sign(data, self.private_key)

    def to_jwk(self) -> dict[str, JSON]:
        """The private JWK (RFC 7517), for a file that only the development issuer reads."""
        members: dict[str, JSON] = dict(_primitive(self.algorithm).to_jwk(self.private_key, as_dict=True))
        members.pop("key_ops", None)
        return {**members, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def public_jwk(self) -> dict[str, JSON]:
        """The public JWK, as a key set publishes it."""
        return {name: value for name, value in self.to_jwk().items() if name in (*_PUBLIC_MEMBERS, "kid", "alg", "use")}


def generate_key(algorithm: str, kid: str | None = None) -> SigningKey:
    """A new random key.

    algorithm: a supported JWS name; kid: its name, None for its thumbprint (RFC 7638).
    Raises ValueError for another algorithm.
    """
    if algorithm in RSA_ALGORITHMS:
        return _named(kid, algorithm, generate_private_key(public_exponent=65537, key_size=2048))
    if algorithm in CURVE_ALGORITHMS.values():
        return _named(kid, algorithm, ec.generate_private_key(_CURVES[algorithm]()))
    if algorithm in SUPPORTED_ALGORITHMS:
        return _named(kid, algorithm, Ed25519PrivateKey.generate())
    raise ValueError(f"the algorithm `{algorithm}` is not supported")


def from_jwk(members: Mapping[str, JSON]) -> SigningKey:
    """Read what SigningKey.to_jwk wrote. Raises ValueError where it is no private JWK with `alg` and `kid`."""
    algorithm, kid = members.get("alg"), members.get("kid")
    if not isinstance(algorithm, str) or algorithm not in SUPPORTED_ALGORITHMS or not isinstance(kid, str):
        raise ValueError("the key has no `kid` or no supported `alg`")
    try:
        key = _primitive(algorithm).from_jwk(dict(members))
        # A public key, or one of another curve, cannot sign as its `alg` says.
        signing = SigningKey(kid, algorithm, _primitive(algorithm).prepare_key(key))
        signing.sign(b"")
    except (jwt.InvalidKeyError, AttributeError, KeyError, TypeError, ValueError):
        raise ValueError("the key is no private JWK of its algorithm") from None
    return signing


def mint(
    key: SigningKey,
    claims: Mapping[str, JSON],
    *,
    typ: str | None = "at+jwt",
    headers: Mapping[str, JSON] | None = None,
) -> str:
    """Sign claims as a compact JWS (RFC 7515 section 3.1).

    typ: the header's `typ`, None for none; headers: further header members, which win over ours.
    """
    header: dict[str, JSON] = {"alg": key.algorithm, "kid": key.kid}
    if typ is not None:
        header["typ"] = typ
    return mint_raw(key, _dump({**header, **(headers or {})}), _dump(dict(claims)))


def mint_raw(key: SigningKey, header: bytes, payload: bytes) -> str:
    """Sign header and payload as the octets that they are, well-formed or not."""
    signing_input = f"{encode(header)}.{encode(payload)}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode('ascii')))}"


def mint_proof(key: SigningKey, token: str, *, method: str, url: str, now: float, nonce: str = "") -> str:
    """A DPoP proof for an access token and a request (RFC 9449 section 4.2)."""
    public = {name: value for name, value in key.public_jwk().items() if name in _PUBLIC_MEMBERS}
    header: dict[str, JSON] = {"typ": "dpop+jwt", "alg": key.algorithm, "jwk": public}
    claims: dict[str, JSON] = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(now)}
    claims["ath"] = hash_of(token)
    return mint_raw(key, _dump(header), _dump({**claims, **({"nonce": nonce} if nonce else {})}))


def access_token_claims(
    *,
    issuer: str,
    audience: str | Sequence[str],
    subject: str,
    client_id: str,
    now: float,
    lifetime: int,
    claims: Mapping[str, JSON] | None = None,
    scopes: Sequence[str] = (),
) -> dict[str, JSON]:
    """The claims of an access token (RFC 9068 section 2.2).

    now: seconds since the epoch; lifetime: seconds until it expires; claims: further claims, which never win over the
    registered ones; scopes: become `scope` where there are any.
    """
    issued_at = int(now)
    registered: dict[str, JSON] = {
        "iss": issuer,
        "aud": audience if isinstance(audience, str) else list(audience),
        "sub": subject,
        "client_id": client_id,
        "iat": issued_at,
        "exp": issued_at + lifetime,
        "jti": str(uuid.uuid4()),
    }
    if scopes:
        registered["scope"] = " ".join(scopes)
    return {**(claims or {}), **registered}


def _primitive(algorithm: str) -> jwt.algorithms.Algorithm:
    return jwt.get_algorithm_by_name("EdDSA" if algorithm == "Ed25519" else algorithm)


def _named(kid: str | None, algorithm: str, key: PrivateKey) -> SigningKey:
    unnamed = SigningKey(kid or "", algorithm, key)
    return unnamed if kid else SigningKey(thumbprint(unnamed.to_jwk()), algorithm, key)


def _dump(value: Mapping[str, JSON]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
