"""The next lock: what it compares, what it refuses, and the release that it makes. Nothing is written here.

Everything that `serve` would refuse is refused before a byte is written, on the first lock as on every later one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from entitlements.checking.step import HOLDS, Report
from entitlements.contract import (
    Contract,
    Lock,
    Pin,
    load_approvals,
    load_file,
    load_gate_settings,
    parse_contract,
    plan_lock,
)
from entitlements.contract.loader import read_text
from entitlements.deployment.base import Base
from entitlements.deployment.checks import Checks, Wanted, contract_file
from entitlements.deployment.evidence import examine
from entitlements.deployment.lockable import proved_invariants, refuse_unlockable
from entitlements.deployment.state import State
from entitlements.deployment.zone_data import zone_data_of
from entitlements.engine import (
    OPA_VERSION,
    digest_of,
    invariant_files,
    policy_digest,
    policy_files,
    policy_roots,
)
from entitlements.errors import StartupFault
from entitlements.proof import PROVED
from entitlements.proof.invariants import Invariant, Proved
from entitlements.release import Content, Release, Served, make_release


@dataclass(frozen=True)
class NextLock:
    """What would be written. reports: of every check that was made; invariants: what became of each.

    state: lock, release and records as they would be served; base: what it was compared with.
    """

    state: State
    reports: tuple[Report, ...]
    invariants: tuple[tuple[Invariant, Contract, Proved], ...]
    base: Base

    @property
    def failing(self) -> tuple[Report, ...]:
        """The checks that keep it from being written."""
        return tuple(report for report in self.reports if report.exit_code != HOLDS)

    @property
    def broken(self) -> tuple[tuple[Invariant, Contract, Proved], ...]:
        """The invariants that were not proved."""
        return tuple(one for one in self.invariants if one[2].answer != PROVED)

    @property
    def unchanged(self) -> bool:
        """Whether it is what the base has already."""
        return self.base.state is not None and self.base.lock == self.state.lock


def next_lock(wanted: Wanted, base: Base) -> NextLock:
    """Compute the next lock. Raises StartupFault and ContractsInvalid with all that keeps it from being made."""
    digest = policy_digest(wanted.policies)
    plan = plan_lock(wanted.contracts, base.lock, policy_digest=digest, pins=wanted.pins, also=wanted.also)
    _refuse_unproved_base(base)
    served = {
        (pin.contract, version): load_file(contract_file(wanted.contracts, pin.contract, version))
        for pin in plan.pins.values()
        for version in (pin.version, *pin.also)
    }
    contracts = [file.contract for file in served.values()]
    refuse_unlockable(wanted.contracts, wanted.policies, contracts, wanted.opa)
    with ExitStack() as stack:
        checks = Checks(wanted, base, served, stack)
        checked = {audience: checks.check(pin) for audience, pin in plan.pins.items()}
    invariants = tuple(proved_invariants(wanted.policies, contracts, wanted.opa))
    _refuse_edited_meanwhile(wanted, digest, [report for one in checked.values() for report in one.reports])
    pins = {audience: one.pin for audience, one in checked.items()}
    release = make_release(content_of(wanted.contracts, wanted.policies, pins))
    records = {name: content for one in checked.values() for name, content in one.records.items()}
    return NextLock(
        _state(wanted, base, Lock(pins, plan.published), release, records),
        tuple(report for one in checked.values() for report in one.reports),
        invariants,
        base,
    )


def _state(wanted: Wanted, base: Base, lock: Lock, release: Release, records: Mapping[str, bytes]) -> State:
    """Lock, release and records as they would be served: nothing changes where nothing differs from the base."""
    before = base.state
    approvals = {pin.contract: load_approvals(wanted.contracts, pin.contract) for pin in lock.pins.values()}
    gate = load_gate_settings(wanted.contracts)
    kept = before.records if before is not None else {}
    if before is not None and before.release is not None and before.release.revision == release.revision:
        if before.lock.rollback is not None:
            return replace(before, folder=wanted.contracts, approvals=approvals, gate=gate)
        same = replace(lock, release=release.revision, previous=before.lock.previous)
        return State(wanted.contracts, same, before.release, before.previous, {**kept, **records}, approvals, gate=gate)
    # Where no contract is left of those that were served, there is nothing to decide by while an OPA changes over.
    shared = {pin.contract for pin in base.lock.pins.values()} & {pin.contract for pin in lock.pins.values()}
    previous = before.release if before is not None and shared else None
    named = replace(lock, release=release.revision, previous=previous.revision if previous is not None else "")
    return State(wanted.contracts, named, release, previous, {**kept, **records}, approvals, gate=gate)


def content_of(contracts: Path, folder: Path, pins: Mapping[str, Pin]) -> Content:
    """What a release of these pins is made of, read from the folders of contracts and policies."""
    policies = policy_files(folder)
    names = [f"{pin.contract}/{version}.yaml" for pin in pins.values() for version in (pin.version, *pin.also)]
    contents = {name: read_text(contracts / name, within=contracts) for name in names}
    return Content(
        policies=policies,
        contracts={name: text.encode() for name, text in contents.items()},
        served={audience: Served(pin.contract, pin.version, pin.also) for audience, pin in pins.items()},
        roots=policy_roots(policies),
        opa=OPA_VERSION,
        invariants=invariants_digest(folder),
        tzdata=zone_data_of(parse_contract(text, contracts / name) for name, text in contents.items()),
    )


def invariants_digest(policies: Path) -> str:
    """The digest of the invariants beside the policies."""
    return digest_of(invariant_files(policies))


def _refuse_unproved_base(base: Base) -> None:
    """A base that does not hold together vouches for nothing: neither carried over nor compared with."""
    if base.state is None or not base.lock.release:
        return
    # Days are asked of the approvals that the next lock rests on.
    faults = [
        replace(fault, file=fault.file.removeprefix(f"{base.state.folder}/"))
        for fault in examine(base.state, None).faults
    ]
    if faults:
        raise StartupFault("base_unproved", f"what was locked last ({base.where}) does not hold together", faults)


def _refuse_edited_meanwhile(wanted: Wanted, digest: str, reports: Sequence[Report]) -> None:
    """What is locked has to be the very bytes that each check looked at."""
    looked_at = {digest, policy_digest(wanted.policies), *(report.access.policies[1] for report in reports)}
    if len(looked_at) > 1:
        raise StartupFault("policies_changed", "the policies were edited while they were checked, lock again")
