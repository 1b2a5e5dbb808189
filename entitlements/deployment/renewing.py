"""The upgrade step: what the lock rests on is proved again, by this version and its OPA, and locked or left alone."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from entitlements.checking.record import record_bytes
from entitlements.contract import Pin
from entitlements.deployment.activation import activate
from entitlements.deployment.evidence import examine, refuse_unservable
from entitlements.deployment.history import History
from entitlements.deployment.reproving import Reproved, reprove
from entitlements.deployment.state import State, also_record_name, contracts_of, read_state, record_name
from entitlements.deployment.writing import write_state
from entitlements.deployment.zone_data import zone_data_of
from entitlements.engine import OPA_VERSION, Opa
from entitlements.errors import StartupFault
from entitlements.release import make_release

# What a renewal mends; whatever else does not hold together is not renewed.
_MENDED = frozenset({"record_unsound", "zone_data_differs"})


@dataclass(frozen=True)
class Renewal:
    """What was proved again. passes: whether all of it still does, so that records, release and lock were written."""

    found: tuple[Reproved, ...]
    release: str

    @property
    def failed(self) -> tuple[Reproved, ...]:
        """What is neither proved nor approved any more."""
        return tuple(one for one in self.found if not one.report.access.no_new_access.passes)


def renew(contracts: Path, opa: Opa, now: datetime.datetime) -> Renewal:
    """Prove again what each record of the lock is about; where all of it passes, write records, release and lock.

    Writes nothing where one does not pass. Raises StartupFault where what is locked does not hold together.
    """
    state = read_state(contracts)
    faults = [fault for fault in examine(state, now.date()).faults if fault.code not in _MENDED]
    if faults or state.release is None:
        raise StartupFault("lock_refused", "what is locked does not hold together and is not renewed", faults)
    found = tuple(reprove(state, History.of(contracts), opa=opa, now=now))
    renewal = Renewal(found, state.release.revision)
    if renewal.failed:
        return renewal
    zone_data = zone_data_of(contracts_of(state.release).values())
    release = make_release(replace(state.release.content, opa=OPA_VERSION, tzdata=zone_data))
    after = _renewed(state, found)
    if release.revision != state.release.revision:
        lock = replace(after.lock, release=release.revision, previous=state.release.revision)
        after = replace(after, lock=lock, release=release, previous=state.release)
    refuse_unservable(after, now.date())
    activate(release, opa)
    write_state(after)
    return Renewal(found, after.lock.release)


def _renewed(state: State, found: Sequence[Reproved]) -> State:
    records = dict(state.records)
    marks: dict[str, tuple[str, Reproved]] = {}
    for one in found:
        name = one.file.relative_to(state.folder).as_posix()
        records[name], mark = record_bytes(dict(one.again))
        marks[name] = mark, one
    pins = {audience: _pin(pin, marks) for audience, pin in state.lock.pins.items()}
    return replace(state, lock=replace(state.lock, pins=pins), records=records)


def _pin(pin: Pin, marks: dict[str, tuple[str, Reproved]]) -> Pin:
    also = {
        version: marks[name][0] for version in pin.also if (name := also_record_name(pin.contract, version)) in marks
    }
    own = marks.get(record_name(pin.contract, pin.version))
    if own is None:
        return replace(pin, also_records=also)
    answer = own[1].report.access.no_new_access
    return replace(pin, check=answer.answer, approved=answer.approved, record=own[0], also_records=also)
