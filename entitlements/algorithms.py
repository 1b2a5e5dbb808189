"""The signature algorithms that are accepted: asymmetric ones only (RFC 8725 section 3.2). Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping

_PKCS1, _PSS = ("RS256", "RS384", "RS512"), ("PS256", "PS384", "PS512")
RSA_ALGORITHMS = (*_PKCS1, *_PSS)
CURVE_ALGORITHMS: Mapping[str, str] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
# RFC 8037 section 3.1 and, for the name that fixes the curve, RFC 9864 section 2.2.
ED25519_ALGORITHMS = ("EdDSA", "Ed25519")
SUPPORTED_ALGORITHMS = (*RSA_ALGORITHMS, *CURVE_ALGORITHMS.values(), *ED25519_ALGORITHMS)
PROOF_ALGORITHMS = (*CURVE_ALGORITHMS.values(), *ED25519_ALGORITHMS, *_PSS, *_PKCS1)
"""Those that a DPoP proof may be signed by (RFC 9449 section 4.3, item 5), as clients are told them."""
