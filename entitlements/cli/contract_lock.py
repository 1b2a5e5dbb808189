"""`entitlements contract lock`: the last state that was proved or approved, and the way to the next one."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from entitlements.change_check import HOLDS, Report, Step, check_step
from entitlements.cli import check_formats, render
from entitlements.contract import (
    FIRST_VERSION,
    LOCK_NAME,
    ContractFile,
    Lock,
    Pin,
    at_commit,
    load_approvals,
    load_file,
    plan_lock,
    read_lock,
    version_key,
    versions,
    write_lock,
)
from entitlements.engine import policy_digest, write_manifest
from entitlements.errors import ContractsInvalid, EngineUnavailable, ProofFailed, StartupFault
from entitlements.proof_record import make_record, write_record
from entitlements.settings import Settings
from entitlements.wiring import opa

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n  entitlements contract lock\n"
    "  entitlements contract lock --pin orders=1.1.0 --also orders=1.0.0\n"
    "  entitlements contract lock --policies-old ../last-release/policies"
)
@click.option("--pin", "pins", multiple=True, metavar="NAME=VERSION", help="Serve this version, not the newest.")
@click.option("--also", "also", multiple=True, metavar="NAME=VERSION", help="Accept this older version beside it.")
@click.option("--policies-old", type=_FOLDER, help="The policies that were locked, where git does not have them.")
@click.option("--against", default="git:HEAD", show_default=True, metavar="git:REF", help="Where git has them.")
def lock(pins: Sequence[str], also: Sequence[str], policies_old: Path | None, against: str) -> None:
    """Pin each audience's contract version and the policies by digest, if the way there was proved or approved.

    What changed since the last lock is checked first, contract and policies together. Only what passes is written;
    the service serves nothing else. Writes contracts.lock, and into the policy folder what makes it a locked-down
    bundle for an OPA that mounts it.

    Exit code 3: a finding fails the gate; 4: there is no answer. Nothing is written then.
    """
    settings = render.settings()
    beside: dict[str, tuple[str, ...]] = {}
    for name, version in map(_pair, also):
        beside[name] = (*beside.get(name, ()), version)
    try:
        digest = policy_digest(settings.policies)
        plan = plan_lock(settings.contracts, policy_digest=digest, pins=dict(map(_pair, pins)), also=beside)
        with ExitStack() as stack:
            base = _Base(settings, stack, policies_old, against)
            checked = {audience: base.check(pin) for audience, pin in plan.pins.items()}
        reports = [report for _, found in checked.values() for report in found]
        code = max((report.exit_code for report in reports), default=HOLDS)
        if code != HOLDS:
            click.echo(check_formats.text([report for report in reports if report.exit_code != HOLDS]))
            click.echo("\nnothing was locked: fix it, or accept it with `entitlements contract approve`", err=True)
            sys.exit(code)
        pins_now = {audience: _recorded(settings, pin, found) for audience, (pin, found) in checked.items()}
        plan = Lock(pins_now, plan.published)
        write_lock(settings.contracts, plan)
        write_manifest(settings.policies, decision_paths=_decision_paths(settings, plan))
    except (StartupFault, EngineUnavailable, ProofFailed) as fault:
        render.fail(fault)
    for pin in plan.pins.values():
        older = f", also {', '.join(pin.also)}" if pin.also else ""
        state = f"{pin.check}, approved" if pin.approved else pin.check
        click.echo(f"{pin.audience}  {pin.contract}@{pin.version}{older}  {pin.digest}  {state}")
    click.echo(f"policies  {digest}")


def _recorded(settings: Settings, pin: Pin, reports: Sequence[Report]) -> Pin:
    """The pin with the digest of the record of its check, which is written beside the contract."""
    for report in reports:
        if (report.new.contract.version, report.access.no_new_access.answer) == (pin.version, pin.check):
            decisions = report.old.contract.decision_path, report.new.contract.decision_path
            record = make_record(report, decisions, datetime.datetime.now(datetime.UTC))
            path = settings.contracts / pin.contract / f"{pin.version}.proof.json"
            return replace(pin, record=write_record(path, record))
    return pin


def _pair(text: str) -> tuple[str, str]:
    name, separator, version = text.partition("=")
    if not name or not separator or not version:
        raise click.UsageError(f"`{text}` is not `name=version`")
    return name, version


def _decision_paths(settings: Settings, lock: Lock) -> list[str]:
    paths = {
        load_file(settings.contracts / pin.contract / f"{version}.yaml").contract.decision_path
        for pin in lock.pins.values()
        for version in (pin.version, *pin.also)
    }
    return sorted(paths)


class _Base:
    """The state that was locked last: the contracts are still on disk, the policies have to be found."""

    def __init__(self, settings: Settings, stack: ExitStack, policies_old: Path | None, against: str) -> None:
        self._settings = settings
        self._stack = stack
        self._policies_old = policies_old
        self._against = against
        exists = (settings.contracts / LOCK_NAME).exists()
        self._pins: Mapping[str, Pin] = read_lock(settings.contracts).pins if exists else {}

    def check(self, pin: Pin) -> tuple[Pin, list[Report]]:
        """The pin with its answer, and the reports on what had to be checked."""
        before = self._before(pin)
        old = self._old_file(pin, before)
        if old is None:
            return replace(pin, check=FIRST_VERSION, approved=False), []
        policies = self._policies(before) if before is not None else self._settings.policies
        if before is not None and (before.digest, before.policy) == (pin.digest, pin.policy) and before.passes:
            return pin, self._beside(pin, before, old, policies)
        report = self._report(pin, old, self._file(pin, pin.version), policies)
        answer = report.access.no_new_access
        reports = [report, *self._beside(pin, before, old, policies)]
        return replace(pin, check=answer.answer, approved=answer.approved), reports

    def _before(self, pin: Pin) -> Pin | None:
        """What was pinned for the audience, or for the contract under another audience."""
        of_contract = [one for one in self._pins.values() if one.contract == pin.contract]
        return self._pins.get(pin.audience) or next(iter(of_contract), None)

    def _beside(self, pin: Pin, before: Pin | None, old: ContractFile, policies: Path) -> list[Report]:
        """On the versions that are accepted beside the pinned one, which the same policies serve.

        Of one that was not served so far, only what its tokens let in is asked: the way to it may be a way back.
        """
        served = {old.contract.version, *(before.also if before is not None else ())}
        reports = []
        for version in pin.also:
            file = self._file(pin, version)
            if version not in served:
                reports.append(replace(self._report(pin, old, file, policies), findings=()))
            elif policies != self._settings.policies:
                reports.append(self._report(pin, file, file, policies))
        return reports

    def _file(self, pin: Pin, version: str) -> ContractFile:
        return load_file(self._settings.contracts / pin.contract / f"{version}.yaml")

    def _report(self, pin: Pin, old: ContractFile, new: ContractFile, policies: Path) -> Report:
        decisions = (old.contract.decision_path, new.contract.decision_path)
        return check_step(
            Step(old, new, (policies, self._settings.policies), decisions),
            approvals=load_approvals(self._settings.contracts, pin.contract),
            contracts=self._settings.contracts,
            today=datetime.datetime.now(datetime.UTC).date(),
            opa=opa(self._settings),
        )

    def _old_file(self, pin: Pin, before: Pin | None) -> ContractFile | None:
        """The version that was locked, or on the first lock the one before the pinned one, if there is one."""
        if before is not None:
            return load_file(self._settings.contracts / before.contract / f"{before.version}.yaml")
        older = [
            path
            for path in versions(self._settings.contracts)[pin.contract]
            if version_key(path.stem) < version_key(pin.version)
        ]
        return load_file(older[-1]) if older else None

    def _policies(self, before: Pin) -> Path:
        """The policies that were locked: those of today, the ones that were named, or those of a commit."""
        if policy_digest(self._settings.policies) == before.policy:
            return self._settings.policies
        found = self._policies_old
        if found is None:
            reference = self._against.partition(":")[2]
            try:
                (found,) = self._stack.enter_context(at_commit(reference, self._settings.policies))
            except ContractsInvalid:
                found = None
        if found is None or policy_digest(found) != before.policy:
            raise StartupFault(
                "locked_policies_missing",
                "the policies that were locked last cannot be found, so nobody can say what changed: "
                "name them with --policies-old DIR or --against git:REF",
            )
        return found
