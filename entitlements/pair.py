"""What was proved together decides together: the contracts of a release with its policies, and whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from entitlements.contract import Catalog
from entitlements.model import Proof, VerifiedClaims
from entitlements.token import CachedToken


class Verifier(Protocol):
    """Makes verified claims of a token, by its issuer's keys or by its word. Safe to use from many threads."""

    def verify(
        self, token: str, *, now: float, audience: str, proof: Proof | None = None, decision_id: str = ""
    ) -> VerifiedClaims:
        """The claims of one token for one API; see TokenVerifier.verify."""

    def cached(self, token: str, *, now: float, audience: str) -> CachedToken | None:
        """What is cached of a token that would be verified without asking anyone; see TokenVerifier.cached."""

    def audiences(
        self, token: str, *, now: float, proof: Proof | None = None, decision_id: str = ""
    ) -> tuple[str, ...]:
        """The pinned audiences that a token holds for; see TokenVerifier.audiences."""


@dataclass(frozen=True)
class Pair:
    """Contracts and policies that were proved together: one release.

    catalog: its contracts; verifier: of tokens for them; revision: of its policies in an answer of the engine, empty
    where any is served (unlocked); engine_version: of the OPA that it was proved with, empty where any will do.
    """

    catalog: Catalog
    verifier: Verifier
    revision: str = ""
    engine_version: str = ""


@dataclass(frozen=True)
class Pairs:
    """The pairs that a service decides by: the locked one, and the one before it while an OPA changes over."""

    current: Pair
    previous: Pair | None = None

    @property
    def differ_in_tokens(self) -> bool:
        """Whether a token that one pair refuses may be good for the other."""
        return self.previous is not None and self.previous.catalog.profiles != self.current.catalog.profiles

    def of(self, revision: str) -> Pair | None:
        """The pair whose policies have this revision."""
        known = [self.current, *([self.previous] if self.previous is not None else [])]
        return next((pair for pair in known if pair.revision in ("", revision)), None)


class Turn:
    """Whose turn it is to judge a token first, for all that ask one engine: the pair whose policies answered last."""

    def __init__(self) -> None:
        self._revision = ""

    def answered(self, revision: str) -> None:
        """The engine answered by the policies of this revision."""
        self._revision = revision

    def first(self, pairs: Pairs) -> Pair:
        """The pair that judges first; the current one where the policies that answered are of neither."""
        return pairs.of(self._revision) or pairs.current
