"""Proving again what the records of a lock claim, from the releases that hold both sides of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from entitlements.checking.record import differences, make_record, parse_record
from entitlements.checking.step import Report, Step, check_step
from entitlements.contract import Approval, ContractFile, load_file, versions
from entitlements.deployment.evidence import side_of
from entitlements.deployment.history import History
from entitlements.deployment.state import State, contracts_of, record_names
from entitlements.deployment.unpacked import Unpacked
from entitlements.engine import Opa, digest_of
from entitlements.errors import Fault, StartupFault
from entitlements.proof import METHOD, PROOF, Effort
from entitlements.release import Release


@dataclass(frozen=True)
class Reproved:
    """One record that was proved again. file: where it stands; different: in what it differs; report: the new one."""

    file: Path
    record: Mapping[str, Any]
    again: Mapping[str, Any]
    different: tuple[str, ...]
    report: Report


def reprove(state: State, history: History | None, *, opa: Opa, now: datetime.datetime) -> Iterator[Reproved]:
    """Check again what each record that the lock names is about.

    state: a lock that holds together. Raises StartupFault `record_unmatched` where a side of a record is nowhere kept.
    """
    with ExitStack() as stack:
        sides = _Sides(state, history, stack)
        for pin in state.lock.pins.values():
            for name in record_names(pin):
                if name in state.records:
                    record = parse_record(state.records[name], name)
                    yield _again(state, state.folder / name, record, sides, opa, now)


def _again(
    state: State, file: Path, record: dict[str, Any], sides: _Sides, opa: Opa, now: datetime.datetime
) -> Reproved:
    old, new = sides.find(record, "old", file), sides.find(record, "new", file)
    step = Step(old[0], new[0], (old[1], new[1]), (record["old"]["decision"], record["new"]["decision"]))
    approvals = state.approvals.get(record["contract"], ())
    report = check_recorded(step, record, approvals=approvals, contracts=state.folder, opa=opa, today=now.date())
    again = make_record(report, step.decisions, now)
    if record["approved"] == [] and file.name.endswith(".also.proof.json"):
        # Of an older version that was not served so far, only what its tokens let in was asked.
        again["approved"] = []
    return Reproved(file, record, again, tuple(differences(record, again)), report)


def check_recorded(
    step: Step,
    record: Mapping[str, Any],
    *,
    approvals: Sequence[Approval] = (),
    contracts: Path,
    opa: Opa,
    today: datetime.date,
) -> Report:
    """Run the check of a record again, in the way that it was answered. approvals: that count."""
    method = METHOD if record["no_new_access"].get("method") == METHOD else PROOF
    return check_step(step, approvals=approvals, contracts=contracts, today=today, opa=opa, effort=Effort(method))


class _Sides:
    """Finds a pair of contract and policies by digest: in the releases of the lock, then in those of git."""

    def __init__(self, state: State, history: History | None, stack: ExitStack) -> None:
        self._state = state
        self._history = history
        self._stack = stack
        self._unpacked: dict[str, Unpacked] = {}

    def find(self, record: Mapping[str, Any], side: str, file: Path) -> tuple[ContractFile, Path]:
        """The contract and the folder of policies of a side. Raises StartupFault."""
        contract, policy = side_of(record, side)
        name, version = record["contract"], str(record[side]["version"])
        for release in self._releases():
            if digest_of(release.content.policies) != policy:
                continue
            unpacked = self._unpack(release)
            shown = str(self._state.folder / name / f"{version}.yaml")
            found = contracts_of(release).get((name, version))
            if found is not None and found.ref.digest == contract:
                return unpacked.contract(name, version, shown), unpacked.policies
            # A first lock compares with an older version under the policies of its own release.
            for path in versions(self._state.folder).get(name, ()):
                if path.stem == version and (loaded := load_file(path)).contract.ref.digest == contract:
                    return loaded, unpacked.policies
        why = (
            f"neither `release/` nor git holds the {side} side of the record, {name}@{version} with the policies "
            f"{policy[:19]}: make the record again with `entitlements contract lock --against git:REF`"
        )
        raise StartupFault("record_unmatched", why, [Fault("record_unmatched", why, str(file))])

    def _releases(self) -> Iterator[Release]:
        yield from (one for one in (self._state.release, self._state.previous) if one is not None)
        if self._history is not None:
            yield from self._history.releases()

    def _unpack(self, release: Release) -> Unpacked:
        if release.revision not in self._unpacked:
            folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="entitlements-release-")))
            self._unpacked[release.revision] = Unpacked(release, folder)
        return self._unpacked[release.revision]
