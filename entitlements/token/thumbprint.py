"""The thumbprint of a public key (RFC 7638): one name for one key, however its JWK is spelled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from entitlements.model import JSON
from entitlements.token.compact import encode

# RFC 7638 section 3.2, RFC 8037 section 2.
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
}


def thumbprint(jwk: Mapping[str, JSON]) -> str:
    """SHA-256 over the required members of a public JWK in lexical order, as base64url (RFC 7638 section 3).

    jwk: one that `jwk.read_public_key` read, so that each key has one spelling. Raises KeyError for another `kty`.
    """
    required = {name: jwk[name] for name in _REQUIRED[str(jwk["kty"])]}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return encode(hashlib.sha256(canonical.encode()).digest())
