"""A string becomes VerifiedClaims, or a refusal.

The room knows tokens, keys and the profiles of the pinned contracts. It refuses to know what the claims mean: that is
the contract's, and what they grant is the policy's.
"""

from entitlements.token.cache import CachedToken
from entitlements.token.codes import Refusal
from entitlements.token.discovery import DiscoveredAddress, FixedAddress, KeyAddress
from entitlements.token.http_keys import HttpKeys
from entitlements.token.inspection import (
    InspectedToken,
    Objection,
    SignatureState,
    answer_objections,
    inspect,
    kind_objections,
    objections,
    signature_of,
)
from entitlements.token.jwks import KeySet, SkippedKey, bound_algorithms, parse_key_set
from entitlements.token.key_source import FileKeys, KeySource
from entitlements.token.metadata import IssuerMetadata
from entitlements.token.mint import SigningKey, access_token_claims, from_jwk, generate_key, mint, mint_proof
from entitlements.token.nonces import Nonces
from entitlements.token.possession import Possession
from entitlements.token.replay import MemoryInProcess, ProofMemory, Use
from entitlements.token.signature import VerificationKey
from entitlements.token.thumbprint import thumbprint
from entitlements.token.verifier import TokenVerifier

__all__ = [
    "CachedToken",
    "DiscoveredAddress",
    "FileKeys",
    "FixedAddress",
    "HttpKeys",
    "InspectedToken",
    "IssuerMetadata",
    "KeyAddress",
    "KeySet",
    "KeySource",
    "MemoryInProcess",
    "Nonces",
    "Objection",
    "Possession",
    "ProofMemory",
    "Refusal",
    "SignatureState",
    "SigningKey",
    "SkippedKey",
    "TokenVerifier",
    "Use",
    "VerificationKey",
    "access_token_claims",
    "answer_objections",
    "bound_algorithms",
    "from_jwk",
    "generate_key",
    "inspect",
    "kind_objections",
    "mint",
    "mint_proof",
    "objections",
    "parse_key_set",
    "signature_of",
    "thumbprint",
]
