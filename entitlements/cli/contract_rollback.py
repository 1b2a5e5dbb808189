"""`entitlements contract rollback`: serve an earlier release again, at once and not without a trace."""

from __future__ import annotations

import datetime
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from entitlements.checking import formats as check_formats
from entitlements.checking.step import Report, Step, check_step
from entitlements.cli import render
from entitlements.deployment.activation import activate
from entitlements.deployment.evidence import refuse_unservable
from entitlements.deployment.history import History
from entitlements.deployment.rollback import rolled_back
from entitlements.deployment.state import State, read_state
from entitlements.deployment.truth import APPROVE_ROLLBACK_DAYS, rollback_faults
from entitlements.deployment.unpacked import Unpacked
from entitlements.deployment.writing import write_state
from entitlements.engine import Opa
from entitlements.errors import EngineUnavailable, ProofFailed, StartupFault
from entitlements.local_opa import opa_of
from entitlements.release import Release


@click.command(
    epilog="\b\nExample:\n  entitlements contract rollback e5353d6f --reason 'agents locked out' --by jane@example.com"
)
@click.argument("revision")
@click.option("--reason", required=True, help="Why it is taken back.")
@click.option("--by", required=True, help="Who takes it back.")
def rollback(revision: str, reason: str, by: str) -> None:
    """Lock an earlier release again: the one before, or one of any commit, by the first digits of its REVISION.

    It was proved when it was locked and needs no new proof. Who gains and who loses by the way back is printed. The
    policies folder stays as it is. CI passes only with an approval that ends within seven days of the rollback.
    """
    settings = render.settings()
    now = datetime.datetime.now(datetime.UTC)
    try:
        before = read_state(settings.contracts)
        history = History.of(settings.contracts)
        after = rolled_back(before, history, revision, reason=reason, by=by, today=now.date())
        refuse_unservable(after, now.date())
        executable = opa_of(settings)
        if after.release is not None:
            activate(after.release, executable)
        write_state(after)
    except (StartupFault, EngineUnavailable) as fault:
        render.fail(fault)
    click.echo(f"locked again  {after.lock.release}")
    click.echo(f"undone        {after.lock.previous}")
    try:
        _tell_who(before, after, executable, now.date())
    except (StartupFault, EngineUnavailable, ProofFailed) as fault:
        click.echo(f"who gains and loses could not be said: {fault.message}", err=True)
    for told in rollback_faults(after, now.date()):
        click.echo(f"\nwithin {APPROVE_ROLLBACK_DAYS} days: {told.message}", err=True)


def _tell_who(before: State, after: State, executable: Opa, today: datetime.date) -> None:
    """Print who gains and who loses access by the way back."""
    if before.release is None or after.release is None:
        return
    with ExitStack() as stack:
        sides = [_unpacked(one, stack) for one in (before.release, after.release)]
        for audience, pin in after.lock.pins.items():
            old = before.lock.pins.get(audience)
            if old is None:
                click.echo(f"{audience}: was not served, is now")
                continue
            files = [side.contract(one.contract, one.version) for side, one in zip(sides, (old, pin), strict=True)]
            report: Report = check_step(
                Step.of(files[0], files[1], (sides[0].policies, sides[1].policies)),
                approvals=(),
                contracts=before.folder,
                today=today,
                opa=executable,
            )
            click.echo(f"{pin.contract} {old.version} back to {pin.version}")
            click.echo("\n".join(check_formats.access_lines(report.access)))


def _unpacked(release: Release, stack: ExitStack) -> Unpacked:
    return Unpacked(release, Path(stack.enter_context(TemporaryDirectory(prefix="entitlements-release-"))))
