"""The upgrade step: what the lock rests on is proved again, and the lock names the new records or stays as it is."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from entitlements.change_check import Report
from entitlements.cli.record_check import check_again, find_recorded
from entitlements.contract import Lock, Pin, load_approvals, read_lock, write_lock
from entitlements.errors import Fault, StartupFault
from entitlements.proof_record import make_record, record_bytes, record_digest, record_path
from entitlements.settings import Settings


@dataclass(frozen=True)
class Renewed:
    """A pin whose record was proved again. content: the new record, as it will stand in the file."""

    pin: Pin
    path: Path
    report: Report
    content: bytes

    @property
    def passes(self) -> bool:
        """Whether it is still proved or approved that nobody gains access."""
        return self.report.access.no_new_access.passes


def renew(settings: Settings, new: Path, old: Sequence[Path]) -> list[Renewed]:
    """Prove again what each record of the lock is about; where all of it passes, write the records and the lock.

    new: the folder of the policies; old: folders that may hold older ones. Writes nothing where one does not pass.
    Raises StartupFault where the lock or a record cannot be read, is not the locked one, or cannot be written.
    """
    lock = read_lock(settings.contracts)
    found = [_renewed(pin, settings, new, old) for pin in lock.pins.values() if pin.record]
    if found and all(one.passes for one in found):
        _write(settings.contracts, lock, found)
    return found


def _renewed(pin: Pin, settings: Settings, new: Path, old: Sequence[Path]) -> Renewed:
    path = locked_record(settings.contracts, pin)
    recorded = find_recorded(path, settings, new, old)
    report = check_again(recorded, settings, load_approvals(settings.contracts, pin.contract))
    content, digest = record_bytes(make_record(report, recorded.step.decisions, datetime.datetime.now(datetime.UTC)))
    answer = report.access.no_new_access
    return Renewed(replace(pin, check=answer.answer, approved=answer.approved, record=digest), path, report, content)


def locked_record(contracts: Path, pin: Pin) -> Path:
    """The record that a pin names. Raises StartupFault `record_changed` where the file is another one."""
    path = record_path(contracts, pin.contract, pin.version)
    if record_digest(path) != pin.record:
        fault = Fault("record_changed", "the record is not the one that contracts.lock names", str(path))
        raise StartupFault("record_changed", str(fault), [fault])
    return path


def _write(contracts: Path, lock: Lock, found: Sequence[Renewed]) -> None:
    """Write the records, then the lock that names them; put back the old records where that fails."""
    before: dict[Path, bytes] = {}
    pins = {**lock.pins, **{one.pin.audience: one.pin for one in found}}
    try:
        before = {one.path: one.path.read_bytes() for one in found}
        _replace({one.path: one.content for one in found})
        write_lock(contracts, replace(lock, pins=pins))
    except OSError as error:
        _replace(before)
        raise StartupFault("record_unwritable", f"`{contracts}` cannot be written: {error.strerror}") from None


def _replace(contents: Mapping[Path, bytes]) -> None:
    """Give files new contents; none is touched before all of the new contents are on the disk."""
    fresh = {path: path.with_name(f".{path.name}.new") for path in contents}
    for path, content in contents.items():
        fresh[path].write_bytes(content)
    for path, temporary in fresh.items():
        temporary.replace(path)
