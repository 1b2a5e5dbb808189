"""The story of a token: shape, header, issuer, key, signature, type, times, audience (RFC 9068 section 4)."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import jwt

from entitlements.errors import RequestInvalid, TokenRejected
from entitlements.model import TokenProfile, VerifiedClaims
from entitlements.token import claims as claim_rules
from entitlements.token.compact import CompactToken, take_apart
from entitlements.token.header import check_header
from entitlements.token.jwks import VerificationKey
from entitlements.token.key_source import KeySource

_SIGNATURE_BYTES = {"ES256": 64, "ES384": 96, "ES512": 132, "EdDSA": 64, "Ed25519": 64}
_CacheKey = tuple[bytes, str | None]


class TokenVerifier:
    """Verifies access tokens of the pinned (issuer, audience) pairs.

    profiles: what each served contract version demands; keys: one source an issuer; leeway: seconds of clock
    difference that `exp`, `nbf` and `iat` may show (0 to 60); cache_entries: verified tokens that are remembered.
    """

    def __init__(
        self,
        profiles: Sequence[TokenProfile],
        keys: Mapping[str, KeySource],
        *,
        leeway: int = 10,
        cache_entries: int = 4096,
    ) -> None:
        if not profiles or any(not profile.algorithms for profile in profiles):
            raise ValueError("a verifier needs profiles, each with an algorithm")
        if not 0 <= leeway <= 60:
            raise ValueError("the leeway must be 0 to 60 seconds")
        self._profiles = tuple(profiles)
        self._keys = dict(keys)
        self._leeway = leeway
        self._cache = _VerifiedTokens(cache_entries)

    def verify(self, token: str, *, now: float, audience: str | None = None) -> VerifiedClaims:
        """Verify one compact token at `now`, seconds since the epoch.

        audience: the one the caller answers to; None takes the single pinned audience that the token names. Raises
        TokenRejected with the exact cause, RequestInvalid `audience_ambiguous` where the token names several pinned
        audiences and the caller none, and KeysUnavailable.
        """
        # The cache is keyed by the whole token: another text is another token, whatever it decodes to.
        key: _CacheKey = (hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest(), audience)
        cached = self._cache.get(key)
        if cached is not None and self._keys[cached[0].issuer].generation == cached[1]:
            claim_rules.check_times(cached[0].values, now, self._leeway)
            return cached[0]
        verified, generation = self._verify_anew(token, now, audience)
        self._cache.put(key, (verified, generation))
        return verified

    def _verify_anew(self, token: str, now: float, audience: str | None) -> tuple[VerifiedClaims, int]:
        parts = take_apart(token)
        issuer = parts.payload.get("iss")
        profiles = [profile for profile in self._profiles if profile.issuer == issuer]
        if not isinstance(issuer, str) or not profiles or issuer not in self._keys:
            raise TokenRejected("issuer_unknown", "the issuer is not one of a pinned contract")
        algorithm, kid = check_header(
            parts.header, frozenset(name for profile in profiles for name in profile.algorithms)
        )
        source = self._keys[issuer]
        generation = source.generation
        _check_signature(parts, source.find(kid, algorithm))
        claim_rules.check_claims(parts.payload, now, self._leeway)
        chosen = self._audience(claim_rules.audiences(parts.payload), profiles, audience)
        fitting = [profile for profile in profiles if profile.audience == chosen]
        if not any(algorithm in profile.algorithms for profile in fitting):
            raise TokenRejected("algorithm_not_permitted", "the algorithm is not permitted for the audience")
        lifetime = claim_rules.lifetime(parts.payload)
        if lifetime > max(profile.max_lifetime for profile in fitting):
            raise TokenRejected("lifetime_too_long", "the token lives longer than its contract permits")
        verified = VerifiedClaims(
            values=parts.payload,
            issuer=issuer,
            audience=chosen,
            algorithm=algorithm,
            expires_at=claim_rules.expiry(parts.payload),
            lifetime=lifetime,
        )
        return verified, generation

    def _audience(self, named: Sequence[str], profiles: Sequence[TokenProfile], wanted: str | None) -> str:
        pinned = {profile.audience for profile in profiles}
        served = [name for name in dict.fromkeys(named) if name in pinned and wanted in (None, name)]
        if not served:
            raise TokenRejected("audience_mismatch", "the token is not for this audience")
        if len(served) > 1:
            raise RequestInvalid(
                "audience_ambiguous",
                "the token is for several audiences that are served here",
                {"audience": ["name the audience that the API answers to"]},
            )
        return served[0]


def _check_signature(parts: CompactToken, key: VerificationKey) -> None:
    """RFC 7515 section 5.2. The key says the algorithm; the header only had to agree."""
    length = _SIGNATURE_BYTES.get(key.algorithm)
    name = "EdDSA" if key.algorithm == "Ed25519" else key.algorithm
    try:
        valid = length in (None, len(parts.signature)) and jwt.get_algorithm_by_name(name).verify(
            parts.signing_input, key.key, parts.signature
        )
    except Exception:
        # whatever a parser of hostile bytes raises is a refusal
        valid = False
    if valid is not True:
        raise TokenRejected("signature_invalid", "the signature does not verify")


class _VerifiedTokens:
    """A bounded memory of verified tokens, least recently used out first."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._lock = threading.Lock()
        self._known: OrderedDict[_CacheKey, tuple[VerifiedClaims, int]] = OrderedDict()

    def get(self, key: _CacheKey) -> tuple[VerifiedClaims, int] | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def put(self, key: _CacheKey, value: tuple[VerifiedClaims, int]) -> None:
        with self._lock:
            self._known[key] = value
            self._known.move_to_end(key)
            while len(self._known) > self._entries:
                self._known.popitem(last=False)
