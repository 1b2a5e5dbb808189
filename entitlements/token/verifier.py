"""A string becomes VerifiedClaims, or a refusal. The one place where a token starts to be believed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from entitlements.errors import StartupFault, TokenRejected
from entitlements.model import JSON, MAX_TOKEN_BYTES, Proof, TokenProfile, VerifiedClaims
from entitlements.profiles import for_audience
from entitlements.token import compact
from entitlements.token.binding import Binding, binding_of, permitting
from entitlements.token.cache import CachedToken, TokenCache, cache_name
from entitlements.token.claims import Times, audiences, check_kind, check_times
from entitlements.token.codes import Refusal, refuse
from entitlements.token.header import CheckedHeader, check_header
from entitlements.token.key_source import KeySource
from entitlements.token.possession import Possession
from entitlements.token.signature import VerificationKey, is_bound, signature_holds
from entitlements.token.verifier_faults import verifier_faults

_TWO_ALGORITHMS = "the issuer's key names no `alg`, and its contracts permit two that fit: permit one of them"


class TokenVerifier:
    """Verifies access tokens (RFC 9068 section 4, RFC 8725). Safe to use from many threads.

    profiles: what the pinned contract versions demand, several per issuer and audience allowed;
    keys: for each issuer of a profile, its own keys and no one else's;
    leeway: seconds of clock difference that token times may show, 0 to 60;
    cache_entries: verified tokens that are cached, 0 for none;
    possession: checks that senders of bound tokens hold their keys, None where that is not checked: they are refused;
    monotonic: the clock that key sets age by.
    Raises StartupFault token_verifier_invalid with every fault together.
    """

    def __init__(
        self,
        profiles: Sequence[TokenProfile],
        keys: Mapping[str, KeySource],
        *,
        leeway: int = 10,
        cache_entries: int = 4096,
        possession: Possession | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        faults = verifier_faults(profiles, keys, leeway)
        if faults:
            raise StartupFault("token_verifier_invalid", "tokens cannot be verified with these settings", faults)
        self._pins: dict[str, dict[str, tuple[TokenProfile, ...]]] = {}
        for profile in profiles:
            versions = self._pins.setdefault(profile.issuer, {})
            versions[profile.audience] = (*versions.get(profile.audience, ()), profile)
        self._keys = {issuer: keys[issuer] for issuer in self._pins}
        self._algorithms = {issuer: _algorithms(_of_issuer(pins)) for issuer, pins in self._pins.items()}
        self._all_algorithms = _algorithms(profiles)
        self._rules = {
            issuer: tuple(dict.fromkeys(profile.rules for profile in _of_issuer(pins)))
            for issuer, pins in self._pins.items()
        }
        self._types = frozenset(kind for profile in profiles for kind in profile.rules.header_types)
        self._leeway = leeway
        self._possession = possession
        self._cache = TokenCache(cache_entries)
        self._monotonic = monotonic

    def verify(
        self, token: str, *, now: float, audience: str, proof: Proof | None = None, decision_id: str = ""
    ) -> VerifiedClaims:
        """Verify one token for one API.

        token: the string after `Bearer `; now: seconds since the epoch; audience: the pinned audience of the API that
        asks; proof: that the sender holds the token's key; decision_id: a proof is good for one, which may ask again.
        Raises TokenRejected with a code of `Refusal`, or KeysUnavailable.
        """
        verified = self.verified(token, now=now, audience=audience)
        self.check_possession(verified.binding, proof, token, now, decision_id)
        return verified.claims

    def verified(self, token: str, *, now: float, audience: str) -> CachedToken:
        """The same, but for the proof that the sender holds the token's key: see `check_possession`."""
        _check_size(token)
        name = cache_name(token, audience)
        cached = self._cache.get(name)
        if cached is not None:
            if self._still_holds(cached):
                cached.times.check(now, self._leeway)
                return cached
            self._cache.forget(name)
        verified = self._verify(token, now, audience)
        self._cache.put(name, verified, len(token))
        return verified

    def cached(self, token: str, *, now: float, audience: str) -> CachedToken | None:
        """What is cached of a token that is bound to no key, while its key serves and its times hold.

        None where `verify` has to judge: no one is asked for a key, and nothing is refused.
        """
        cached = self._cache.get(cache_name(token, audience))
        if cached is None or cached.binding is not None:
            return None
        source = self._keys[cached.claims.issuer]
        key = source.known(cached.kid, cached.claims.algorithm, self._monotonic())
        if source.generation != cached.generation or key != cached.key:
            return None
        return cached if cached.times.hold(now, self._leeway) else None

    def audiences(
        self, token: str, *, now: float, proof: Proof | None = None, decision_id: str = ""
    ) -> tuple[str, ...]:
        """The pinned audiences that the token holds for, one at least. Nothing is decided by it: see `verify`.

        Raises TokenRejected with a code of `Refusal` where it holds for none, or KeysUnavailable.
        """
        _check_size(token)
        genuine = self._genuine(token, now)
        refusal = _mismatch()
        held = []
        for audience, profiles in sorted(self._pins[genuine.issuer].items()):
            try:
                _check_profiles(profiles, genuine)
            except TokenRejected as error:
                refusal = error if error.code != Refusal.AUDIENCE_MISMATCH else refusal
            else:
                held.append(audience)
        if not held:
            raise refusal
        self.check_possession(genuine.binding, proof, token, now, decision_id)
        return tuple(held)

    def check_possession(
        self, binding: Binding | None, proof: Proof | None, token: str, now: float, decision_id: str
    ) -> None:
        """Refuse a bound token whose sender does not prove to hold its key. token: as it was presented.

        Raises TokenRejected proof_missing and the others of `Possession.check`.
        """
        if self._possession is not None:
            owner = decision_id or secrets.token_hex(16)
            self._possession.check(binding, proof, token, now=now, owner=owner)
        elif binding is not None:
            raise refuse(Refusal.PROOF_MISSING, "the token is bound to a key, and proofs are not checked here")

    def _still_holds(self, cached: CachedToken) -> bool:
        source = self._keys[cached.claims.issuer]
        # Asked each time: it refuses a key that left the set or a set that is too old, and lets an old set refresh.
        key = source.find(cached.kid, cached.claims.algorithm, self._monotonic())
        return source.generation == cached.generation and key == cached.key

    def _verify(self, token: str, now: float, audience: str) -> CachedToken:
        genuine = self._genuine(token, now)
        pins = self._pins[genuine.issuer]
        if audience not in pins:
            raise _mismatch()
        _check_profiles(pins[audience], genuine)
        verified = VerifiedClaims(
            values=MappingProxyType(dict(genuine.claims)),
            issuer=genuine.issuer,
            audience=audience,
            algorithm=genuine.header.algorithm,
            expires_at=genuine.times.expires_at,
            lifetime=genuine.lifetime,
            header_type=genuine.header.type,
            bound=genuine.binding is not None,
        )
        header = genuine.header
        return CachedToken(verified, genuine.times, header.kid, genuine.key, genuine.generation, genuine.binding)

    def _genuine(self, token: str, now: float) -> _Genuine:
        """The token as its issuer signed it, within its times, for whichever audience."""
        parts = compact.parse(token)
        header = check_header(parts.header, self._all_algorithms, self._types)
        issuer = self._pinned_issuer(parts.payload, header)
        # Read before the key is looked for: a change in between makes what is cached too old, never too new.
        generation = self._keys[issuer].generation
        key = self._key(issuer, header, parts.payload, now)
        if not signature_holds(key, parts.signing_input, parts.signature):
            raise refuse(Refusal.SIGNATURE_INVALID, "the signature does not hold")
        times = self._check_kind_and_times(issuer, header, parts.payload, now)
        binding = binding_of(parts.payload)
        lifetime = times.expires_at - (times.issued_at or now)
        named = audiences(parts.payload)
        return _Genuine(parts.payload, header, issuer, key, generation, times, binding, named, lifetime)

    def _check_kind_and_times(
        self, issuer: str, header: CheckedHeader, payload: Mapping[str, JSON], now: float
    ) -> Times:
        self._check_kind(issuer, header, payload)
        times = check_times(payload)
        times.check(now, self._leeway)
        return times

    def _check_kind(self, issuer: str, header: CheckedHeader, payload: Mapping[str, JSON]) -> None:
        """Refuse what is no access token by any rules of the issuer. Raises the first refusal."""
        refusals = []
        for rules in self._rules[issuer]:
            try:
                check_kind(rules, header.type, payload)
            except TokenRejected as refusal:
                refusals.append(refusal)
            else:
                return
        raise refusals[0]

    def _pinned_issuer(self, unverified: Mapping[str, JSON], header: CheckedHeader) -> str:
        """The issuer that the token claims: it only chooses whose keys are asked (RFC 8725 section 3.8)."""
        issuer = unverified.get("iss")
        if not isinstance(issuer, str) or issuer not in self._keys:
            raise refuse(Refusal.ISSUER_UNKNOWN, "no contract is pinned for the token's issuer")
        if header.algorithm not in self._algorithms[issuer]:
            raise refuse(Refusal.ALGORITHM_NOT_PERMITTED, "no contract of the issuer permits the header's `alg`")
        return issuer

    def _key(self, issuer: str, header: CheckedHeader, unverified: Mapping[str, JSON], now: float) -> VerificationKey:
        source, monotonic = self._keys[issuer], self._monotonic()
        key = source.known(header.kid, header.algorithm, monotonic)
        if key is None:
            # No issuer is asked for the key of a token that would be refused whatever its key.
            self._check_kind_and_times(issuer, header, unverified, now)
            key = source.find(header.kid, header.algorithm, monotonic)
        # Said again where it matters: the key decides the algorithm, the header only has to agree.
        if key.algorithm != header.algorithm or (header.kid is not None and key.kid != header.kid):
            raise refuse(Refusal.UNKNOWN_KEY, "the key source gave a key that does not fit the header")
        if not is_bound(key, self._algorithms[issuer]):
            raise refuse(Refusal.UNKNOWN_KEY, _TWO_ALGORITHMS)
        return key


@dataclass(frozen=True, slots=True)
class _Genuine:
    """Claims whose signature and times hold; what they are for is not looked at yet.

    lifetime: `exp - iat` in seconds, from now on where there is no `iat`.
    """

    claims: Mapping[str, JSON] = field(repr=False)
    header: CheckedHeader
    issuer: str
    key: VerificationKey
    generation: int
    times: Times
    binding: Binding | None
    audiences: tuple[str, ...]
    lifetime: float


def _check_size(token: str) -> None:
    if len(token) > MAX_TOKEN_BYTES:
        raise refuse(Refusal.TOKEN_TOO_LARGE, f"the token is longer than {MAX_TOKEN_BYTES} bytes")


def _mismatch() -> TokenRejected:
    return refuse(Refusal.AUDIENCE_MISMATCH, "the token is not for the audience that asks")


def _check_profiles(profiles: Sequence[TokenProfile], genuine: _Genuine) -> None:
    """Refuse what no pinned version permits; which version a token fits is judged with its claims.

    Raises TokenRejected; the kind of the token by each version's rules comes first, then whom it is for.
    """
    fitting, refusals = [], []
    for profile in profiles:
        try:
            check_kind(profile.rules, genuine.header.type, genuine.claims)
        except TokenRejected as refusal:
            refusals.append(refusal)
        else:
            fitting.append(profile)
    if not fitting:
        raise refusals[0]
    if not any(for_audience(profile, genuine.claims, genuine.audiences) for profile in fitting):
        raise _mismatch()
    fitting = permitting(fitting, bound=genuine.binding is not None)
    if genuine.header.algorithm not in _algorithms(fitting):
        raise refuse(Refusal.ALGORITHM_NOT_PERMITTED, "no contract of the audience permits the header's `alg`")
    if not genuine.lifetime <= max(profile.max_lifetime for profile in fitting):
        raise refuse(Refusal.LIFETIME_TOO_LONG, "the token lives longer than the contract permits")


def _algorithms(profiles: Sequence[TokenProfile]) -> frozenset[str]:
    return frozenset(name for profile in profiles for name in profile.algorithms)


def _of_issuer(pins: Mapping[str, tuple[TokenProfile, ...]]) -> list[TokenProfile]:
    return [profile for versions in pins.values() for profile in versions]
