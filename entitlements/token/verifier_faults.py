"""What keeps a verifier of tokens from being made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from entitlements.algorithms import SUPPORTED_ALGORITHMS
from entitlements.errors import Fault
from entitlements.model import TokenProfile
from entitlements.token.key_source import KeySource

MAX_LEEWAY = 60


def verifier_faults(profiles: Sequence[TokenProfile], keys: Mapping[str, KeySource], leeway: int) -> list[Fault]:
    """Refuse the empty rule: no profile, no issuer, no audience, no algorithm, no keys."""
    found: list[Fault] = []
    if not profiles:
        found.append(Fault("no_profiles", "no contract is pinned, so no token could be verified"))
    if not 0 <= leeway <= MAX_LEEWAY:
        found.append(Fault("leeway_out_of_range", f"the leeway must be 0 to {MAX_LEEWAY} seconds"))
    for profile in profiles:
        if not profile.issuer or not profile.audience or not profile.max_lifetime > 0:
            found.append(Fault("profile_incomplete", "issuer, audience or maximum lifetime is empty"))
        if not profile.algorithms or not set(profile.algorithms) <= set(SUPPORTED_ALGORITHMS):
            found.append(Fault("algorithm_unsupported", "the algorithms are empty or not all supported"))
    missing = sorted({profile.issuer for profile in profiles} - set(keys))
    found += [Fault("keys_missing", f"no key set is configured for the issuer `{issuer}`") for issuer in missing]
    return found
