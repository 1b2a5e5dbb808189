"""The checks on the way to the next lock: each pin against what was locked last, and what serves beside it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from entitlements.checking.record import make_record, record_bytes
from entitlements.checking.step import Report, Step, check_step
from entitlements.contract import (
    FIRST_VERSION,
    ROLLED_BACK,
    ContractFile,
    Pin,
    load_approvals,
    load_file,
    version_key,
    versions,
)
from entitlements.deployment.base import Base, refuse_known_audience
from entitlements.deployment.state import also_record_name, record_name
from entitlements.deployment.unpacked import Unpacked
from entitlements.engine import Opa, policy_digest
from entitlements.errors import StartupFault
from entitlements.files import write_files
from entitlements.release import Release


@dataclass(frozen=True)
class Wanted:
    """What a lock is asked for. folders: contracts and policies; opa: the executable; pins and also: by contract;

    policies_old: the policies that an older format of the lock was written with, where git does not have them.
    """

    contracts: Path
    policies: Path
    opa: Opa
    now: datetime.datetime
    pins: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, Sequence[str]] = field(default_factory=dict)
    policies_old: Path | None = None


@dataclass(frozen=True)
class Checked:
    """A pin with its answer, the reports on what had to be checked and the records of them, by their names."""

    pin: Pin
    reports: tuple[Report, ...] = ()
    records: Mapping[str, bytes] = field(default_factory=dict)


class Checks:
    """The checks of each pin against the base."""

    def __init__(
        self, wanted: Wanted, base: Base, served: Mapping[tuple[str, str], ContractFile], stack: ExitStack
    ) -> None:
        self._wanted = wanted
        self._base = base
        self._served = served
        self._stack = stack
        self._unpacked: Unpacked | None = None

    def check(self, pin: Pin) -> Checked:
        """The pin with its answer and the records of it."""
        before = self._before(pin)
        if before is None:
            refuse_known_audience(self._base, pin.audience)
        same = before is not None and (before.digest, before.policy) == (pin.digest, pin.policy)
        # What was called a first version beside an older one was never compared with it.
        skipped = before is not None and same and before.check == FIRST_VERSION and bool(self._older(pin))
        old = self._old(pin, None if skipped else before)
        if old is None:
            return Checked(replace(pin, check=FIRST_VERSION, approved=False, record=""))
        file, policies = old
        found = Checked(pin)
        # What was rolled back to has no record: beside anything new it needs one.
        if before is None or skipped or not (same and before.passes) or before.check == ROLLED_BACK:
            found = self._recorded(pin, self._report(file, self._served[pin.contract, pin.version], policies))
        return self._beside(found, before, file, policies)

    def _recorded(self, pin: Pin, report: Report) -> Checked:
        answer = report.access.no_new_access
        content, mark = self._record(report)
        done = replace(pin, check=answer.answer, approved=answer.approved, record=mark)
        return Checked(done, (report,), {record_name(pin.contract, pin.version): content})

    def _beside(self, found: Checked, before: Pin | None, old: ContractFile, policies: Path) -> Checked:
        """Also the older versions that are accepted beside the pinned one, which the same policies serve.

        Of one that was not served so far, only what its tokens let in is asked: the way to it may be a way back.
        """
        pin, known = found.pin, before.also_records if before is not None else {}
        same = before is not None and before.policy == pin.policy
        reports, records, marks = [*found.reports], {**found.records}, {}
        for version in pin.also:
            if same and version in known:
                marks[version] = known[version]
                continue
            file = self._served[pin.contract, version]
            was_served = before is not None and version in (before.version, *before.also)
            report = self._report(file if was_served else old, file, policies)
            report = report if was_served else replace(report, findings=())
            content, marks[version] = self._record(report)
            reports.append(report)
            records[also_record_name(pin.contract, version)] = content
        return Checked(replace(pin, also_records=marks), tuple(reports), records)

    def _record(self, report: Report) -> tuple[bytes, str]:
        decisions = report.old.contract.decision_path, report.new.contract.decision_path
        return record_bytes(make_record(report, decisions, self._wanted.now))

    def _report(self, old: ContractFile, new: ContractFile, policies: Path) -> Report:
        return check_step(
            Step.of(old, new, (policies, self._wanted.policies)),
            approvals=load_approvals(self._wanted.contracts, new.contract.name),
            contracts=self._wanted.contracts,
            today=self._wanted.now.date(),
            opa=self._wanted.opa,
        )

    def _before(self, pin: Pin) -> Pin | None:
        """What was pinned for the audience, or for the contract under another audience."""
        of_contract = [one for one in self._base.lock.pins.values() if one.contract == pin.contract]
        return self._base.lock.pins.get(pin.audience) or next(iter(of_contract), None)

    def _old(self, pin: Pin, before: Pin | None) -> tuple[ContractFile, Path] | None:
        """The version that was locked and its policies; on a first lock the version before, under today's policies."""
        if before is not None:
            return self._contract_before(before), self._policies_before(before)
        older = self._older(pin)
        return (load_file(older[-1]), self._wanted.policies) if older else None

    def _older(self, pin: Pin) -> list[Path]:
        known = versions(self._wanted.contracts)[pin.contract]
        return [path for path in known if version_key(path.stem) < version_key(pin.version)]

    def _contract_before(self, before: Pin) -> ContractFile:
        shown = contract_file(self._wanted.contracts, before.contract, before.version)
        state = self._base.state
        if state is None or state.release is None:
            return load_file(shown)
        return self._unpack(state.release).contract(before.contract, before.version, str(shown))

    def _policies_before(self, before: Pin) -> Path:
        """The policies that were locked: those of the release, else whatever folder has their digest."""
        state = self._base.state
        if state is not None and state.release is not None:
            return self._unpack(state.release).policies
        for folder in (self._wanted.policies, self._wanted.policies_old):
            if folder is not None and policy_digest(folder) == before.policy:
                return folder
        found = self._from_history(before)
        if found is None:
            raise StartupFault(
                "locked_policies_missing",
                "the lock is of an older format and the policies that it was written with cannot be found: "
                "name them with --policies-old DIR",
            )
        return found

    def _from_history(self, before: Pin) -> Path | None:
        history = self._base.history
        if history is None:
            return None
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="entitlements-base-")))
        write_files(folder, dict(history.beside(self._wanted.policies, "HEAD")))
        return folder if policy_digest(folder) == before.policy else None

    def _unpack(self, release: Release) -> Unpacked:
        if self._unpacked is None:
            folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="entitlements-base-")))
            self._unpacked = Unpacked(release, folder)
        return self._unpacked


def contract_file(contracts: Path, name: str, version: str) -> Path:
    """Where a contract stands."""
    return contracts / name / f"{version}.yaml"
