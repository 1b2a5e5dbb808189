"""Lock, release, records and approvals compared by content: nothing that one of them says is believed by itself.

A lock can be merged, edited or copied so that each line is well formed and the whole was never checked. What may be
served is therefore computed anew from the bytes: the release holds just the pinned contracts and the locked policies,
each record is about this very pair and answers what the lock says, and what needed an approval has one.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from entitlements.checking.record import parse_record, soundness_of
from entitlements.contract import FIRST_VERSION, MEND_MERGE, ROLLED_BACK, Contract, Lock, Pin
from entitlements.deployment.approved_days import RELOCK, Approved, Lapsed
from entitlements.deployment.state import State, also_record_name, contracts_of, lock_file, record_name
from entitlements.deployment.zone_data import other_zone_data, zone_data_named
from entitlements.engine import digest_of
from entitlements.engine.policy_folder import is_policy
from entitlements.errors import ContractsInvalid, Fault, StartupFault
from entitlements.proof.soundness import ProofSide, concerning
from entitlements.release import Release

RENEW = "prove it again with `entitlements contract verify --renew`"
MERGED = f"after a merge {MEND_MERGE}; `--against git:REF` names the state that serves"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found. faults: why it may not be served; lapsed: approvals that ran out and are still within grace;

    expires: by audience the last day of the approval that runs out first, of those that serving it rests on.
    """

    faults: tuple[Fault, ...]
    lapsed: tuple[Lapsed, ...] = ()
    expires: Mapping[str, datetime.date] = field(default_factory=dict)


def examine(state: State, today: datetime.date | None, *, grace: bool = False) -> Evidence:
    """Compare everything that a state holds.

    today: the day, in UTC, on which approvals have to be valid, or None where that is not asked; grace: whether one
    that ran out still lets serve what has served, for `grace_days` of gate.yaml.
    """
    file = lock_file(state.folder)
    if state.release is None:
        why = f"the release `{state.lock.release or 'of an older format'}` is not in `release/`: {RELOCK}"
        return Evidence((Fault("release_missing", why, file),))
    faults = [*_content_faults(state.lock, state.release, file)]
    found = Approved(state, today, grace=grace)
    for pin in state.lock.pins.values() if not faults else ():
        faults += [*_pin_faults(pin, state, found, file)]
    if not faults:
        faults = [*_previous_faults(state, file)]
    return Evidence(tuple(faults), tuple(found.lapsed), found.expires)


def refuse_unservable(state: State, today: datetime.date) -> None:
    """Raise StartupFault `lock_refused` where the state could not be served as it is."""
    faults = examine(state, today).faults
    if faults:
        raise StartupFault("lock_refused", "the lock was not written", faults)


def _content_faults(lock: Lock, release: Release, file: str) -> Iterator[Fault]:
    """What the lock and the release say differently of contracts and policies."""
    try:
        contracts = contracts_of(release)
    except ContractsInvalid as error:
        yield from error.faults or [Fault(error.code, error.message, file)]
        return
    if odd := [name for name in release.content.policies if not is_policy(PurePosixPath(name))]:
        yield Fault("release_differs", f"the release holds `{odd[0]}`, which is not a policy: {RELOCK}", file)
        return
    policy = digest_of(release.content.policies)
    served = {audience: (one.contract, one.version, one.also) for audience, one in release.content.served.items()}
    locked = {audience: (pin.contract, pin.version, pin.also) for audience, pin in lock.pins.items()}
    needed = {(name, version) for name, pinned, also in served.values() for version in (pinned, *also)}
    if served != locked or needed != contracts.keys():
        text = f"the lock does not pin the contracts that its release holds: {MERGED}"
        yield Fault("release_differs", text, file)
        return
    for pin in lock.pins.values():
        place = f"{pin.contract}@{pin.version}"
        if pin.policy != policy:
            yield Fault(
                "release_differs", f"the release holds other policies than the lock names: {MERGED}", file, 0, place
            )
        yield from _contract_faults(pin, lock, contracts, file)


def _contract_faults(pin: Pin, lock: Lock, contracts: Mapping[tuple[str, str], Contract], file: str) -> Iterator[Fault]:
    for version in (pin.version, *pin.also):
        contract = contracts[pin.contract, version]
        place = f"{pin.contract}@{version}"
        digests = {lock.published.get(pin.contract, {}).get(version), contract.ref.digest}
        if version == pin.version:
            digests.add(pin.digest)
        if len(digests) > 1:
            text = f"the release holds another contract than the lock names: {MERGED}"
            yield Fault("release_differs", text, file, 0, place)
        if contract.profile.audience != pin.audience:
            yield Fault("audience_differs", f"`{place}` is for another audience", file, 0, pin.audience)


def _previous_faults(state: State, file: str) -> Iterator[Fault]:
    """The release before it has to be the one that the records compare with; an older one is not believed.

    After a rollback it is the one that was undone, with which no record compares: that a commit locked it, CI looks up.
    """
    previous = state.previous
    if state.unnamed:
        text = f"`release/` keeps {state.unnamed[:19]} as the previous release and the lock does not name it: {MERGED}"
        yield Fault("release_differs", text, file)
    if previous is None:
        return
    policy = digest_of(previous.content.policies)
    contracts = contracts_of(previous)
    known = {audience: _pairs_before(state, pin) for audience, pin in state.lock.pins.items()}
    policies = {one for pairs in known.values() for _, one in pairs}
    for audience, one in previous.content.served.items():
        served = [contracts.get((one.contract, version)) for version in (one.version, *one.also)]
        pair = served[0].ref.digest if served[0] is not None else "", policy
        unknown = pair not in known[audience] if audience in known else policy not in policies
        if (unknown and state.lock.rollback is None) or not all(
            _is_published(each, audience, state.lock) for each in served
        ):
            text = f"the previous release is not the one that this lock was checked against: {MERGED}"
            yield Fault("release_differs", text, file, 0, audience)


def _is_published(contract: Contract | None, audience: str, lock: Lock) -> bool:
    """Whether a contract of an earlier release is there, for its audience and as it was published."""
    if contract is None or contract.profile.audience != audience:
        return False
    return lock.published.get(contract.name, {}).get(contract.version) == contract.ref.digest


def _pairs_before(state: State, pin: Pin) -> set[tuple[str, str]]:
    """The pairs that may have been served for an audience before: the pinned one, and what it was checked against."""
    record = record_of(state, pin)
    return {(pin.digest, pin.policy)} | ({side_of(record, "old")} if record else set())


def record_of(state: State, pin: Pin) -> Mapping[str, Any] | None:
    """The record of the check of a pin, or None where there is none that can be read."""
    content = state.records.get(record_name(pin.contract, pin.version))
    if content is None or not pin.record:
        return None
    try:
        return parse_record(content, record_name(pin.contract, pin.version))
    except StartupFault:
        return None


def side_of(record: Mapping[str, Any], side: str) -> tuple[str, str]:
    """The pair that a side of a record is about: the digests of its contract and of its policies."""
    return str(record[side]["digest"]), str(record[side]["policies"])


def _pin_faults(pin: Pin, state: State, approved: Approved, file: str) -> Iterator[Fault]:
    place = f"{pin.contract}@{pin.version}"
    rollback = state.lock.rollback
    if pin.check == ROLLED_BACK or rollback is not None:
        undone = rollback.undone if rollback is not None else ""
        if pin.check != ROLLED_BACK or undone != state.lock.previous or undone in ("", state.lock.release):
            yield Fault("rollback_unfounded", f"no rollback led to this release: {RELOCK}", file, 0, place)
    elif pin.check == FIRST_VERSION:
        yield from _first_version_faults(pin, state, file)
    elif not pin.passes:
        text = f"the check answered `{pin.check}` and it was not approved, run `entitlements contract check`"
        yield Fault("check_not_passed", text, file, 0, place)
    else:
        yield from _record_faults(pin, pin.version, (pin.digest, pin.record), state, approved)
    for version in pin.also if pin.check != ROLLED_BACK else ():
        digest = state.lock.published[pin.contract][version]
        yield from _record_faults(pin, version, (digest, pin.also_records.get(version, "")), state, approved)


def _first_version_faults(pin: Pin, state: State, file: str) -> Iterator[Fault]:
    """`first_version` is only true where nothing knows an earlier state of the audience."""
    known = state.previous.content.served if state.previous is not None else {}
    place = f"{pin.contract}@{pin.version}"
    if pin.audience in known and known[pin.audience].version != pin.version:
        text = f"the previous release served this audience, so this is not its first version: {RELOCK}"
        yield Fault("not_first_version", text, file, 0, place)
    if record_name(pin.contract, pin.version) in state.records or pin.record:
        text = f"there is a record of a check of it, so this is not the first version: {RELOCK}"
        yield Fault("not_first_version", text, file, 0, place)


def _record_faults(pin: Pin, version: str, named: tuple[str, str], state: State, approved: Approved) -> Iterator[Fault]:
    """The record of the check of one served version: it exists and is about this pair and this answer."""
    digest, mark = named
    pinned = version == pin.version
    name = record_name(pin.contract, version) if pinned else also_record_name(pin.contract, version)
    file, place = str(state.folder / name), f"{pin.contract}@{version}"
    content = state.records.get(name)
    if not mark or content is None:
        yield Fault("record_missing", f"there is no record of the check that the lock claims: {MERGED}", file, 0, place)
        return
    if "sha256:" + hashlib.sha256(content).hexdigest() != mark:
        yield Fault("record_changed", f"the record is not the one that contracts.lock names: {MERGED}", file, 0, place)
        return
    try:
        record = parse_record(content, file)
    except StartupFault as fault:
        yield from fault.faults
        return
    if (record["contract"], record["new"]["version"], *side_of(record, "new")) != (
        pin.contract,
        version,
        digest,
        pin.policy,
    ):
        text = f"the record is about another contract or other policies than the lock pins: {MERGED}"
        yield Fault("record_unmatched", text, file, 0, place)
        return
    answer = record["no_new_access"].get("answer")
    if pinned and answer != pin.check:
        text = f"the record answers `{answer}`, the lock says `{pin.check}`: {MERGED}"
        yield Fault("record_unmatched", text, file, 0, place)
        return
    yield from _soundness_faults(record, state, (pin.contract, version), file)
    yield from _zone_faults(record, state, (pin.contract, version), file)
    yield from approved.demand(pin, record, file)


def _soundness_faults(record: Mapping[str, Any], state: State, about: tuple[str, str], file: str) -> Iterator[Fault]:
    """Whether the proof was made before a mend that concerns what it is about."""
    sides = [_proof_side(record, side, state, about) for side in ("old", "new")]
    for mend in concerning(sides[0], sides[1], soundness_of(record)):
        text = f"made with soundness {soundness_of(record)}, and {mend.number} is needed ({mend.what}): {RENEW}"
        yield Fault("record_unsound", text, file)


def _zone_faults(record: Mapping[str, Any], state: State, about: tuple[str, str], file: str) -> Iterator[Fault]:
    """Whether the proof knows the time by other zone data than this installation."""
    contracts = [_proof_side(record, side, state, about).contract for side in ("old", "new")]
    if why := other_zone_data(zone_data_named(record), contracts):
        yield Fault("zone_data_differs", why, file)


def _proof_side(record: Mapping[str, Any], side: str, state: State, about: tuple[str, str]) -> ProofSide:
    """A side of a record from the release that holds it; where none does, as one that may need the most."""
    contract, policy = side_of(record, side)
    kept = [one for one in (state.release, state.previous) if one is not None]
    for release in kept:
        if digest_of(release.content.policies) == policy:
            for one in contracts_of(release).values():
                if one.ref.digest == contract:
                    return ProofSide(one, release.content.policies, str(record[side]["decision"]))
    return ProofSide(contracts_of(kept[0])[about], None)
