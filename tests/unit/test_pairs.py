"""Which pairs decide, and what taking up another offer costs."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from devkit.service import Issuer
from entitlements.errors import StartupFault
from entitlements.folder import CEILING
from entitlements.model import TokenProfile
from entitlements.pairs import Folders, Offer, ServedPairs, locked_offer
from entitlements.release import make_release
from entitlements.token import FileKeys, TokenVerifier

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime.date(2026, 11, 25)


@pytest.fixture
def offer() -> Offer:
    return locked_offer(Folders(ROOT / "contracts", ROOT / "policies", None, CEILING), TODAY)


@pytest.fixture
def served(offer: Offer, issuer: Issuer) -> ServedPairs:
    return ServedPairs(offer, lambda profiles: verifier(issuer, profiles), locked=True)


def verifier(issuer: Issuer, profiles: Sequence[TokenProfile]) -> TokenVerifier:
    return TokenVerifier(profiles, {"https://login.example.com": FileKeys(issuer.jwks)})


def other(offer: Offer) -> Offer:
    """The same contracts and policies under another revision."""
    return replace(offer, release=make_release(replace(offer.release.content, invariants="sha256:" + "1" * 64)))


def test_the_same_release_is_not_loaded_again_and_keeps_the_verifier(served: ServedPairs, offer: Offer) -> None:
    loaded: list[str] = []
    before = served.now.current
    served.change(replace(offer), lambda _bundle, revision: loaded.append(revision))
    assert loaded == []
    assert served.now.current is before


def test_another_release_is_loaded_while_both_pairs_decide(served: ServedPairs, offer: Offer) -> None:
    before = served.now.current
    during: list[str | None] = []

    def activate(_bundle: bytes, revision: str) -> None:
        assert served.now.current.revision == revision
        during.append(served.now.previous.revision if served.now.previous else None)

    served.change(other(offer), activate)
    assert during == [before.revision]
    assert served.now.of(before.revision) is before


def test_what_the_engine_does_not_load_changes_nothing(served: ServedPairs, offer: Offer) -> None:
    before = served.now

    def refuse(_bundle: bytes, _revision: str) -> None:
        raise StartupFault("bundle_refused", "no")

    with pytest.raises(StartupFault):
        served.change(other(offer), refuse)
    assert served.now is before
    assert served.offer is offer


class Clock:
    """A monotonic clock that goes on by a tenth of a second at each look, as no one waits in these tests."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


def test_a_revision_of_a_lock_on_its_way_is_waited_for(offer: Offer, served: ServedPairs) -> None:
    """An OPA that reads the same folder may serve the next release before its lock is taken up here."""
    next_one = other(offer)

    def look() -> None:
        served.change(next_one, lambda _bundle, _revision: None)

    pairs = served.awaited(next_one.release.revision, time.monotonic() + 60, look)
    assert pairs.current.revision == next_one.release.revision
    assert pairs.previous is not None
    assert pairs.previous.revision == offer.release.revision


def test_a_third_revision_is_waited_for_at_first_and_then_never_again(offer: Offer, issuer: Issuer) -> None:
    clock, looks = Clock(), []
    served = ServedPairs(offer, lambda profiles: verifier(issuer, profiles), locked=True, clock=clock)
    for until in (clock.now + 1, clock.now + 1000):
        assert served.awaited("sha256:third", until, lambda: looks.append(1)).of("sha256:third") is None
    assert looks, "a lock may be on its way"
    looks.clear()
    served.awaited("sha256:third", clock.now + 1000, lambda: looks.append(1))
    assert looks == []
    served.awaited("sha256:fourth", clock.now + 1, lambda: looks.append(1))
    assert looks
