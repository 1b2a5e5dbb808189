"""Which pairs decide, and what taking up another offer costs."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from demo.service import Issuer
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
    def verifiers(profiles: Sequence[TokenProfile]) -> TokenVerifier:
        return TokenVerifier(profiles, {"https://login.example.com": FileKeys(issuer.jwks)})

    return ServedPairs(offer, verifiers, locked=True)


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
