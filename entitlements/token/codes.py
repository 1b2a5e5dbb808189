"""Why a token is refused: the stable codes, in one place.

The codes are for the decision log and for operators. What reaches the client is the same text for every cause.
"""

from __future__ import annotations

from enum import StrEnum

from entitlements.errors import Challenge, TokenRejected


class Refusal(StrEnum):
    """The code of every TokenRejected that this room raises."""

    TOKEN_MALFORMED = "token_malformed"  # noqa: S105 - not three canonical base64url parts of strict JSON objects
    TOKEN_TOO_LARGE = "token_too_large"  # noqa: S105 - longer than 16 KiB
    ALGORITHM_NOT_PERMITTED = "algorithm_not_permitted"  # `alg` is not one that the contract lists
    TYPE_NOT_ACCESS_TOKEN = "type_not_access_token"  # noqa: S105 - `typ` or the claims say another kind of token
    HEADER_NOT_PERMITTED = "header_not_permitted"  # a header member that could move trust, or a malformed `kid`
    UNKNOWN_KEY = "unknown_key"  # the issuer's key set has no such key for this algorithm
    SIGNATURE_INVALID = "signature_invalid"  # the signature is not by that key over these octets
    ISSUER_UNKNOWN = "issuer_unknown"  # no contract is pinned for the issuer
    AUDIENCE_MISMATCH = "audience_mismatch"  # the token is not for the audience, or the issuer not pinned with it
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - `exp` has passed
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"  # noqa: S105 - `nbf` or `iat` lies ahead
    LIFETIME_TOO_LONG = "lifetime_too_long"  # `exp - iat` is beyond every version of the contract
    CLAIM_MISSING = "claim_missing"  # a claim that RFC 9068 section 2.2 requires is absent
    CLAIM_INVALID = "claim_invalid"  # a registered claim has the wrong type or form
    TOKEN_INACTIVE = "token_inactive"  # noqa: S105 - the issuer says that the token is not active
    INTROSPECTION_DECLINED = "introspection_declined"  # the issuer introspects no token of this kind (status 400)
    ISSUER_MISMATCH = "issuer_mismatch"  # the introspection answer names another issuer than the one that was asked
    SENDER_CONSTRAINED = "sender_constrained"  # bound to a key, which no contract permits or no one can check
    PROOF_MISSING = "proof_missing"  # the token is bound to a key and came without a proof of it
    PROOF_INVALID = "proof_invalid"  # the DPoP proof does not hold for this token and request
    PROOF_MISMATCH = "proof_mismatch"  # the proof shows another key or certificate than the token's
    PROOF_UNEXPECTED = "proof_unexpected"  # a DPoP proof with a token that is bound to no key
    PROOF_REPLAYED = "proof_replayed"  # the DPoP proof was used before
    PROOF_NONCE = "proof_nonce"  # the DPoP proof needs a nonce of this service, which the answer holds
    TOKEN_NOT_BOUND = "token_not_bound"  # noqa: S105 - the contract demands a token that is bound to a key
    ID_TOKEN = "id_token"  # noqa: S105 - the claims are those of an ID token


def refuse(code: Refusal, message: str, challenge: Challenge | None = None) -> TokenRejected:
    """The error for one refusal, to be raised by the caller; `message` never holds a token, key or claim value."""
    return TokenRejected(code.value, message, challenge=challenge)
