"""A development issuer: keys and access tokens for demos, tests and benchmarks. Never a production issuer."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from entitlements.model import JSON

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
MINTED_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, the one algorithm it signs with and its key id."""

    kid: str
    algorithm: str
    private: Any = field(repr=False)

    @classmethod
    def generate(cls, algorithm: str, *, kid: str = "") -> SigningKey:
        """A new key for one of MINTED_ALGORITHMS. Raises ValueError for another."""
        private: Any
        if algorithm in ("RS256", "PS256"):
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        elif algorithm in ("ES256", "ES384", "ES512"):
            curve = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
            private = ec.generate_private_key(curve)
        elif algorithm == "EdDSA":
            private = ed25519.Ed25519PrivateKey.generate()
        else:
            raise ValueError(f"no key can be made for `{algorithm}`")
        return cls(kid or f"development-{secrets.token_hex(6)}", algorithm, private)

    @classmethod
    def from_jwk(cls, member: Mapping[str, JSON]) -> SigningKey:
        """Read what `to_jwk` wrote. Raises ValueError."""
        algorithm, kid = member.get("alg"), member.get("kid")
        if not isinstance(algorithm, str) or not isinstance(kid, str) or algorithm not in MINTED_ALGORITHMS:
            raise ValueError("the key names no algorithm and key id that can be used")
        try:
            private = jwt.get_algorithm_by_name(algorithm).from_jwk(json.dumps(dict(member)))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise ValueError("the text is no private JWK") from error
        return cls(kid, algorithm, private)

    def to_jwk(self) -> dict[str, JSON]:
        """The private key as a JWK: keep it secret."""
        return {**self._jwk(self.private), "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def public_jwk(self) -> dict[str, JSON]:
        """The public half, as it stands in a JWK set."""
        members = self._jwk(self.private.public_key())
        return {**members, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def _jwk(self, key: Any) -> dict[str, JSON]:
        members: dict[str, JSON] = jwt.get_algorithm_by_name(self.algorithm).to_jwk(key, as_dict=True)
        members.pop("key_ops", None)
        return members


def access_token_claims(
    *,
    issuer: str,
    audience: str | Sequence[str],
    subject: str,
    client_id: str,
    now: float,
    lifetime: int,
    claims: Mapping[str, JSON],
    scopes: Sequence[str],
) -> dict[str, JSON]:
    """The payload of an RFC 9068 access token; `claims` stand beside the registered ones and may replace them."""
    payload: dict[str, JSON] = {
        "iss": issuer,
        "aud": audience if isinstance(audience, str) else list(audience),
        "sub": subject,
        "client_id": client_id,
        "iat": int(now),
        "exp": int(now) + lifetime,
        "jti": secrets.token_hex(16),
    }
    if scopes:
        payload["scope"] = " ".join(scopes)
    return {**payload, **claims}


def mint(
    key: SigningKey, payload: Mapping[str, JSON], *, typ: str = "at+jwt", headers: Mapping[str, JSON] | None = None
) -> str:
    """Sign a payload as a compact token. headers: further header members."""
    return jwt.PyJWS().encode(
        json.dumps(dict(payload), separators=(",", ":")).encode(),
        key.private,
        algorithm=key.algorithm,
        headers={"typ": typ, "kid": key.kid, **(headers or {})},
    )
