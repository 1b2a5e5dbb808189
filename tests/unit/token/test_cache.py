"""A cached token never outlives its time, its key or the set it came from, and the memory is bounded."""

from __future__ import annotations

import json

import pytest

from entitlements.errors import KeysUnavailable, TokenRejected
from entitlements.model import PartHealth, TokenProfile
from entitlements.token import KeySet, TokenVerifier, VerificationKey, generate_key, parse_key_set
from entitlements.token.cache import CachedToken, TokenCache, cache_name
from entitlements.token.claims import Times

from .vectors import AUDIENCE, ISSUER, NOW, PROFILE, Signers, token_of

SIGNERS = Signers()
TOKEN = token_of({"sign": "ES256"}, SIGNERS)


class ChangingKeys:
    """Keys that a test takes away or exchanges."""

    def __init__(self, keys: KeySet) -> None:
        self.keys: KeySet | None = keys
        self.generation = 1

    def exchange(self, keys: KeySet | None) -> None:
        self.keys = keys
        self.generation += 1

    def known(self, kid: str | None, algorithm: str, now: float) -> VerificationKey | None:
        return self.keys.get(kid, algorithm) if self.keys else None

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        if self.keys is None:
            raise KeysUnavailable("keys_unavailable", "no usable key set of the issuer is known")
        return self.keys.find(kid, algorithm)

    def health(self, now: float) -> PartHealth:
        return PartHealth(True, "", {})

    def tend(self, now: float) -> None:
        """Nothing is due."""

    def close(self) -> None:
        """Nothing runs."""


def verifier_with(keys: ChangingKeys, *profiles: TokenProfile, entries: int = 16) -> TokenVerifier:
    return TokenVerifier(profiles or [PROFILE], {ISSUER: keys}, leeway=10, cache_entries=entries, monotonic=lambda: 0.0)


def key_set(*keys: object) -> KeySet:
    return parse_key_set(json.dumps({"keys": list(keys)}).encode())


def refusal_of(verifier: TokenVerifier, token: str, now: float = NOW) -> str:
    with pytest.raises(TokenRejected) as refusal:
        verifier.verify(token, now=now, audience=AUDIENCE)
    return refusal.value.code


def test_remembered_token_is_the_same_object_and_expires_on_time() -> None:
    verifier = verifier_with(ChangingKeys(SIGNERS.keys_a.keys))
    first = verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)
    assert verifier.verify(TOKEN, now=NOW + 309, audience=AUDIENCE) is first
    assert refusal_of(verifier, TOKEN, NOW + 310) == "token_expired"


def test_remembered_token_is_refused_when_the_clock_steps_before_its_issue() -> None:
    verifier = verifier_with(ChangingKeys(SIGNERS.keys_a.keys))
    verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)
    assert refusal_of(verifier, TOKEN, NOW - 11) == "token_not_yet_valid"


def test_remembered_token_is_refused_when_its_key_leaves_the_set() -> None:
    keys = ChangingKeys(SIGNERS.keys_a.keys)
    verifier = verifier_with(keys)
    verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)
    keys.exchange(key_set(SIGNERS.own["RS256"].public_jwk()))
    assert refusal_of(verifier, TOKEN) == "unknown_key"


def test_remembered_token_is_refused_when_its_name_goes_to_another_key() -> None:
    keys = ChangingKeys(SIGNERS.keys_a.keys)
    verifier = verifier_with(keys)
    verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)
    keys.exchange(key_set(generate_key("ES256", "ES256").public_jwk()))
    assert refusal_of(verifier, TOKEN) == "signature_invalid"


def test_remembered_token_stays_good_when_only_another_key_changes() -> None:
    keys = ChangingKeys(SIGNERS.keys_a.keys)
    verifier = verifier_with(keys)
    verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)
    keys.exchange(key_set(SIGNERS.own["ES256"].public_jwk(), generate_key("RS256", "new").public_jwk()))
    assert verifier.verify(TOKEN, now=NOW, audience=AUDIENCE).values["sub"] == "u"


def test_remembered_token_gives_no_answer_when_the_keys_are_too_old() -> None:
    keys = ChangingKeys(SIGNERS.keys_a.keys)
    verifier = verifier_with(keys)
    verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)
    keys.exchange(None)
    with pytest.raises(KeysUnavailable):
        verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)


def test_token_remembered_for_one_audience_is_not_taken_for_another() -> None:
    other = TokenProfile(ISSUER, "https://payments.example", ("ES256",), 3600)
    verifier = verifier_with(ChangingKeys(SIGNERS.keys_a.keys), PROFILE, other)
    both = token_of({"sign": "ES256", "claims": {"aud": [AUDIENCE, other.audience]}}, SIGNERS)
    assert verifier.verify(both, now=NOW, audience=AUDIENCE).audience == AUDIENCE
    assert verifier.verify(both, now=NOW, audience=other.audience).audience == other.audience
    assert verifier.audiences(both, now=NOW) == (AUDIENCE, other.audience)
    assert verifier.audiences(TOKEN, now=NOW) == (AUDIENCE,)
    with pytest.raises(TokenRejected):
        verifier.verify(TOKEN, now=NOW, audience=other.audience)


def test_refusals_are_not_remembered() -> None:
    keys = ChangingKeys(key_set(SIGNERS.own["RS256"].public_jwk()))
    verifier = verifier_with(keys)
    assert refusal_of(verifier, TOKEN) == "unknown_key"
    keys.exchange(SIGNERS.keys_a.keys)
    assert verifier.verify(TOKEN, now=NOW, audience=AUDIENCE).values["sub"] == "u"


def test_cache_is_bounded_and_forgets_what_was_not_used_for_longest() -> None:
    cache = TokenCache(2)
    remembered = _remembered()
    for text in ("a", "b"):
        cache.put(cache_name(text, AUDIENCE), remembered, 800)
    cache.get(cache_name("a", AUDIENCE))
    cache.put(cache_name("c", AUDIENCE), remembered, 800)
    assert len(cache) == 2
    assert cache.get(cache_name("a", AUDIENCE)) is remembered
    assert cache.get(cache_name("b", AUDIENCE)) is None


def test_large_tokens_displace_others() -> None:
    """X3: bounded in bytes too."""
    cache = TokenCache(8)
    remembered = _remembered()
    names = [cache_name(str(number), AUDIENCE) for number in range(9)]
    for name in names[:8]:
        cache.put(name, remembered, 800)
    cache.put(names[0], remembered, 8192)
    assert len(cache) == 8
    cache.put(names[8], remembered, 8000)
    assert len(cache) == 2
    assert cache.get(names[0]) is remembered
    cache.forget(names[0])
    cache.forget(names[0])
    for name in names[1:6]:
        cache.put(name, remembered, 800)
    assert len(cache) == 6


def test_cache_of_no_entries_remembers_nothing() -> None:
    cache = TokenCache(0)
    cache.put(cache_name("a", AUDIENCE), _remembered(), 800)
    assert len(cache) == 0


def test_names_differ_by_text_and_by_audience() -> None:
    names = {cache_name(text, audience) for text in ("a", "b", "\ud800") for audience in (AUDIENCE, "x", "")}
    assert len(names) == 9


def _remembered() -> CachedToken:
    claims = verifier_with(ChangingKeys(SIGNERS.keys_a.keys)).verify(TOKEN, now=NOW, audience=AUDIENCE)
    return CachedToken(claims, Times(0, 0, 1), "ES256", SIGNERS.keys_a.keys.keys[0], 1)
