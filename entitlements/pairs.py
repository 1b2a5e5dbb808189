"""Which pairs of contracts and policies a service decides by, and how it takes up others while it runs.

A locked service decides by the release that the lock names and holds the one before it; an unlocked one by what the
folders hold now. Whatever cannot be taken up leaves the last pairs serving, and its health says why.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from entitlements import folder as folders
from entitlements.contract import Catalog, Lock, load_catalog
from entitlements.deployment.evidence import Evidence, examine
from entitlements.deployment.locking import content_of, invariants_digest
from entitlements.deployment.state import State, contracts_of, is_deployed, lock_file, read_state
from entitlements.deployment.zone_data import RENEW, other_zone_data
from entitlements.engine import OPA_VERSION, Opa, check_policies, policy_digest
from entitlements.engine.policy_folder import policy_fingerprint
from entitlements.errors import Fault, StartupFault
from entitlements.folder import Fingerprint, Limits
from entitlements.model import TokenProfile
from entitlements.pair import Pair, Pairs, Verifier
from entitlements.release import Release, make_release, verify_release

Verifiers = Callable[[Sequence[TokenProfile]], Verifier]
# For how long a revision that no pair has may be that of a lock on its way; after that it is refused immediately.
_ON_ITS_WAY_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.05
# From when on it is told how long an approval still counts.
_TOLD_DAYS = 30


@dataclass(frozen=True)
class Folders:
    """What a service reads. opa: the executable that checks what is served unlocked; limits: of policy files;

    key: the public key (PEM) of those who sign releases, where only a signed one is served.
    """

    contracts: Path
    policies: Path
    opa: Opa | None
    limits: Limits
    key: bytes | None = None


@dataclass(frozen=True)
class Offer:
    """What can be served. release: what the engine has to load; evidence: of a locked release.

    edits: how the policies on disk differ from a locked release, or why they cannot be read.
    """

    lock: Lock
    release: Release
    previous: Release | None = None
    evidence: Evidence | None = None
    edits: tuple[Fault, ...] = ()

    @cached_property
    def catalog(self) -> Catalog:
        """The contracts of the release."""
        return _catalog(self.release, self.lock)


def locked_offer(where: Folders, today: datetime.date) -> Offer:
    """What contracts.lock and its release offer. Raises StartupFault with every reason why it may not be served."""
    load_catalog(where.contracts)
    state = read_state(where.contracts)
    evidence = examine(state, today, grace=True)
    faults = [*evidence.faults, *_version_faults(state)]
    if faults or state.release is None:
        raise StartupFault("release_refused", "what is locked cannot be served", faults)
    if where.key is not None:
        verify_release(state.release, where.key)
    offer = Offer(state.lock, state.release, _verified(state.previous, where.key), evidence)
    return replace(offer, edits=tuple(_edits(where, offer)))


def _verified(previous: Release | None, key: bytes | None) -> Release | None:
    """The previous release, if it may still decide while an OPA changes over."""
    if previous is not None and key is not None:
        try:
            verify_release(previous, key)
        except StartupFault:
            return None
    return previous


def _edits(where: Folders, offer: Offer) -> Sequence[Fault]:
    """How the policies on disk, where there are any, differ from those that are locked; nothing after a rollback."""
    if not where.policies.is_dir() or offer.lock.rollback is not None:
        return ()
    locked = next(iter(offer.lock.pins.values())).policy
    try:
        same = policy_digest(where.policies) == locked
        if same and invariants_digest(where.policies) == offer.release.content.invariants:
            return ()
    except StartupFault as fault:
        return fault.faults
    text = f"the policies in `{where.policies}` are not the locked ones, run `entitlements contract lock`"
    return [Fault("policy_not_locked", text, lock_file(where.contracts))]


def unlocked_offer(where: Folders) -> Offer:
    """What the folders hold now, whether anyone locked it or not. Raises StartupFault where it does not compile."""
    catalog = load_catalog(where.contracts)
    if where.opa is not None:
        paths = sorted({contract.decision_path for contract in catalog.contracts})
        check_policies(where.policies, decision_paths=paths, opa=where.opa, limits=where.limits)
    return Offer(catalog.lock, make_release(content_of(where.contracts, where.policies, catalog.lock.pins)))


def fingerprint(where: Folders) -> Fingerprint:
    """What differs once something differs that is served or compared with it. Never raises."""
    return (*folders.fingerprint(where.contracts, is_deployed), *policy_fingerprint(where.policies))


class ServedPairs:
    """The pairs that decide now. verifiers: makes the verifier of a catalog's tokens; locked: what is demanded;

    clock: a monotonic one.
    """

    def __init__(
        self,
        offer: Offer,
        verifiers: Verifiers,
        *,
        locked: bool,
        any_revision: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifiers = verifiers
        self._locked = locked
        self._any = any_revision
        self._clock = clock
        self._changed = threading.Condition()
        self._strange = "", 0.0
        self.offer = offer
        self.now = self._pairs(offer)

    def awaited(self, revision: str, until: float, look: Callable[[], None]) -> Pairs:
        """The pairs, once one of them has a revision that an engine elsewhere serves already, or at the time `until`.

        Two that read one folder take up a lock one after the other. look: has the folder looked at now. A revision that
        stays unknown for seconds is a third one, for which no one waits any more.
        """
        if self._strange[0] != revision:
            self._strange = revision, self._clock()
        until = min(until, self._strange[1] + _ON_ITS_WAY_SECONDS)
        with self._changed:
            while self.now.of(revision) is None and self._clock() < until:
                look()
                self._changed.wait(_LOOK_AGAIN_SECONDS)
        return self.now

    def _serve(self, pairs: Pairs, offer: Offer) -> None:
        with self._changed:
            self.now, self.offer = pairs, offer
            self._changed.notify_all()

    def days_left(self, today: datetime.date) -> Mapping[tuple[str, str], int]:
        """By audience and contract the days that an approval of what serves still counts, from 30 days before.

        0 on its last day, negative once it ran out.
        """
        offer = self.offer
        expires = offer.evidence.expires if offer.evidence is not None else {}
        left = {audience: (day - today).days for audience, day in expires.items()}
        return {(name, offer.lock.pins[name].contract): days for name, days in left.items() if days <= _TOLD_DAYS}

    def releases(self) -> Mapping[str, bytes]:
        """The bundles of the locked release and the one before it, by revision; nothing of what no one locked."""
        if not self._locked:
            return {}
        return {
            release.revision: release.bundle()
            for release in (self.offer.release, self.offer.previous)
            if release is not None
        }

    def change(self, offer: Offer, activate: Callable[[bytes, str], None]) -> None:
        """Decide by another offer from now on. activate: has the engine load a bundle of a revision, or raises.

        While the engine changes over both pairs decide. Raises what `activate` raises, and nothing has changed then.
        Where the release stays the same, the engine has nothing to load and verified tokens stay cached.
        """
        before, old = self.now, self.offer
        if offer.release.revision == old.release.revision:
            self._serve(Pairs(before.current, self._previous(offer)), offer)
            return
        after = self._pairs(offer)
        self._serve(Pairs(after.current, before.current), offer)
        try:
            activate(offer.release.loaded(), offer.release.revision)
        except BaseException:
            self._serve(before, old)
            raise
        if after.previous is not None:
            self._serve(after, offer)

    def _pairs(self, offer: Offer) -> Pairs:
        return Pairs(self._pair(offer.catalog, offer.release), self._previous(offer))

    def _previous(self, offer: Offer) -> Pair | None:
        if offer.previous is None or other_zone_data(
            offer.previous.content.tzdata, contracts_of(offer.previous).values()
        ):
            return None
        return self._pair(_catalog(offer.previous, offer.lock), offer.previous)

    def _pair(self, catalog: Catalog, release: Release) -> Pair:
        version = release.content.opa if self._locked else ""
        return Pair(catalog, self._verifiers(catalog.profiles), "" if self._any else release.revision, version)


def _catalog(release: Release, lock: Lock) -> Catalog:
    """The contracts that a release serves, by audience."""
    contracts = contracts_of(release)
    served = release.content.served.items()
    return Catalog(
        {
            audience: tuple(contracts[one.contract, version] for version in (one.version, *one.also))
            for audience, one in served
        },
        lock,
    )


def _version_faults(state: State) -> list[Fault]:
    if state.release is None:
        return []
    content, file = state.release.content, lock_file(state.folder)
    faults = []
    if content.opa != OPA_VERSION:
        text = f"the release was proved with OPA {content.opa}, this version serves with OPA {OPA_VERSION}: {RENEW}"
        faults.append(Fault("engine_version", text, file))
    if why := other_zone_data(content.tzdata, contracts_of(state.release).values()):
        faults.append(Fault("zone_data_differs", f"the release was {why}", file))
    return faults
