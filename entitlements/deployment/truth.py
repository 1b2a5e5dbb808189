"""What only CI can check: that a lock which holds together is also true.

Whoever commits can forge lock, release and records consistently. So CI builds the release again from the files, follows
the line of locks through the history, and proves each record again (`reproving`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path

from entitlements.contract import (
    FIRST_VERSION,
    ROLLED_BACK,
    Lock,
    Pin,
    base_unreadable,
    parse_lock,
    rollback_mark,
    version_key,
    versions,
)
from entitlements.deployment.approved_days import overlong_faults
from entitlements.deployment.evidence import examine, record_of, side_of
from entitlements.deployment.history import SHALLOW, History
from entitlements.deployment.lockable import proved_invariants, refuse_unlockable
from entitlements.deployment.locking import content_of
from entitlements.deployment.state import State, contracts_of, lock_file, read_state
from entitlements.engine import Opa
from entitlements.errors import ContractsInvalid, Fault, StartupFault
from entitlements.proof import PROVED
from entitlements.release import Content, make_release

APPROVE_ROLLBACK_DAYS = 7


def truth(
    contracts: Path, policies: Path, today: datetime.date, against: str | None = None
) -> tuple[State, list[Fault]]:
    """What is locked, and everything that keeps it from being true, short of proving its records again.

    against: `git:REF`, the lock that this one has to follow; the history says it where no one does. Raises StartupFault
    where something cannot be read.
    """
    state = read_state(contracts)
    faults = [*examine(state, today).faults]
    if not faults:
        faults += rebuilt_faults(state, content_of(contracts, policies, state.lock.pins))
        faults += continuity_faults(state, History.of(contracts), (against or "").removeprefix("git:") or None)
        faults += rollback_faults(state, today)
        faults += skipped_faults(state)
        faults += overlong_faults(state, today)
    return state, faults


def unlockable_faults(state: State, policies: Path, opa: Opa) -> Iterator[Fault]:
    """What `contract lock` would refuse of what is locked, whatever it is compared with: a forger does not run it.

    state: a lock that holds together and whose release the files make. Nothing after a rollback, whose policies are
    not those of the folder.
    """
    if state.release is None or state.lock.rollback is not None:
        return
    contracts = [*contracts_of(state.release).values()]
    try:
        refuse_unlockable(state.folder, policies, contracts, opa)
        for invariant, contract, proved in proved_invariants(policies, contracts, opa):
            if proved.answer != PROVED:
                text = (
                    f"the invariant `{proved.code}` is `{proved.answer}` under {contract.name}@{contract.version}: "
                    "run `entitlements policy prove`"
                )
                yield Fault("invariant_not_proved", text, str(invariant.file))
    except StartupFault as fault:
        yield from fault.faults or [Fault(fault.code, fault.message)]


def skipped_faults(state: State) -> Iterator[Fault]:
    """A pin that the lock calls the first version, beside an older version that it was never compared with."""
    known = versions(state.folder)
    for pin in state.lock.pins.values():
        older = [one.stem for one in known.get(pin.contract, ()) if version_key(one.stem) < version_key(pin.version)]
        if pin.check == FIRST_VERSION and older:
            text = (
                f"the lock calls {pin.contract}@{pin.version} the first version, and {older[-1]} is older: "
                "run `entitlements contract lock`"
            )
            yield Fault("not_first_version", text, lock_file(state.folder), 0, pin.audience)


def rebuilt_faults(state: State, content: Content) -> Iterator[Fault]:
    """Whether the stored release is byte for byte the one that the files make; after a rollback it cannot be.

    content: what `locking.content_of` reads from the contracts and policies folders.
    """
    if state.release is None or state.lock.rollback is not None:
        return
    made = make_release(content, state.release.signatures)
    if made.bundle() == state.release.bundle():
        return
    differing = [
        name
        for name in sorted({*content.policies, *state.release.content.policies})
        if content.policies.get(name) != state.release.content.policies.get(name)
    ]
    what = f"`{differing[0]}` differs" if differing else "contracts, invariants or the version of OPA differ"
    text = f"the files are not those of the locked release: {what}, run `entitlements contract lock`"
    yield Fault("policy_not_locked", text, lock_file(state.folder))


def continuity_faults(state: State, history: History | None, against: str | None = None) -> Iterator[Fault]:
    """Whether each pin was checked against the lock before it, in the history or at the commit `against`.

    Two locks in one branch, of which only the second was proved, would otherwise hide what the first let in. Raises
    ContractsInvalid `base_unreadable` where the history is not there.
    """
    if history is None:
        return
    if history.shallow:
        raise base_unreadable(SHALLOW)
    before = _lock_before(state.lock, history, against)
    for pin in state.lock.pins.values():
        if pin.check == FIRST_VERSION:
            yield from _not_first(pin, state, history)
        elif before is not None and pin.audience in before.pins and pin.check != ROLLED_BACK:
            yield from _not_followed(pin, before.pins[pin.audience], state)
    if state.lock.rollback is not None and not _was_locked(state.lock.release, history):
        text = "no earlier commit locked the release that was rolled back to, so no one proved or served it before"
        yield Fault("rollback_unfounded", text, lock_file(state.folder))
    if state.lock.rollback is not None and not _was_locked(state.lock.rollback.undone, history):
        text = (
            "no commit locked the release that the rollback undid, which decides while an OPA changes over: "
            "commit its lock, then roll back"
        )
        yield Fault("rollback_unfounded", text, lock_file(state.folder))


def _was_locked(revision: str, history: History) -> bool:
    """Whether a commit locked a release by its checks; the commits of rollbacks to it do not count."""
    locks = (_lock_at(history, commit) for commit in history.commits())
    return any(lock is not None and lock.release == revision and lock.rollback is None for lock in locks)


def rollback_faults(state: State, today: datetime.date) -> Iterator[Fault]:
    """A rollback passes CI only with an approval that ends within seven days: what it undid has to be settled."""
    rollback, mark = state.lock.rollback, rollback_mark(state.lock)
    if rollback is None:
        return
    last = rollback.date + datetime.timedelta(days=APPROVE_ROLLBACK_DAYS)
    given = [one for approvals in state.approvals.values() for one in approvals if one.fingerprint == mark]
    if not any(today <= one.expires <= last for one in given):
        pin = next(iter(state.lock.pins.values()))
        text = (
            f"the release was rolled back on {rollback.date} by {rollback.by}: accept that until {last} with "
            f"`entitlements contract approve {mark} --contract {pin.contract} --from {pin.version} --to {pin.version} "
            f"--expires {last} …`, and lock a release that is proved"
        )
        yield Fault("rolled_back", text, lock_file(state.folder))


def _not_followed(pin: Pin, before: Pin, state: State) -> Iterator[Fault]:
    pair, earlier = (pin.digest, pin.policy), (before.digest, before.policy)
    record = record_of(state, pin)
    if pair != earlier and (record is None or side_of(record, "old") != earlier):
        text = (
            f"`{pin.contract}@{pin.version}` was not checked against {before.contract}@{before.version} as it was "
            "locked before: run `entitlements contract lock --against git:REF` with the branch that this is merged into"
        )
        yield Fault("base_differs", text, lock_file(state.folder), 0, pin.audience)


def _not_first(pin: Pin, state: State, history: History) -> Iterator[Fault]:
    for commit in history.commits():
        lock = _lock_at(history, commit)
        before = lock.pins.get(pin.audience) if lock is not None else None
        if before is not None and (before.digest, before.policy) != (pin.digest, pin.policy):
            text = (
                f"the lock calls this the first version, and commit {commit[:12]} pinned the audience before: "
                f"run `entitlements contract lock --against git:{commit[:12]}`"
            )
            yield Fault("not_first_version", text, lock_file(state.folder), 0, pin.audience)
            return


def _lock_before(lock: Lock, history: History, against: str | None) -> Lock | None:
    """The lock at a named commit, or the last one in the line of commits that locked something else."""
    if against is not None:
        found = _lock_at(history, against)
        if found is None:
            raise base_unreadable(f"`{against}` has no lock that can be read")
        return found
    for commit in history.commits(first_parent=True):
        found = _lock_at(history, commit)
        if found is not None and _pairs(found) != _pairs(lock):
            return found
    return None


def _lock_at(history: History, reference: str) -> Lock | None:
    content = history.file(reference, "contracts.lock")
    try:
        return parse_lock(content.decode(), Path("contracts.lock")) if content is not None else None
    except (ContractsInvalid, UnicodeDecodeError):
        return None


def _pairs(lock: Lock) -> Mapping[str, tuple[str, str]]:
    return {audience: (pin.digest, pin.policy) for audience, pin in lock.pins.items()}
