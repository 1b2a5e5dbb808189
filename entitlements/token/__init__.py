"""A string becomes `VerifiedClaims`, or a refusal. Nothing else in the product reads a token."""

from entitlements.token.http_keys import HttpKeys
from entitlements.token.inspection import InspectedToken, inspect
from entitlements.token.jwks import KeySet, VerificationKey, parse_key_set
from entitlements.token.key_source import FileKeys, KeySource
from entitlements.token.mint import SigningKey, access_token_claims, mint
from entitlements.token.verifier import TokenVerifier

__all__ = [
    "FileKeys",
    "HttpKeys",
    "InspectedToken",
    "KeySet",
    "KeySource",
    "SigningKey",
    "TokenVerifier",
    "VerificationKey",
    "access_token_claims",
    "inspect",
    "mint",
    "parse_key_set",
]
