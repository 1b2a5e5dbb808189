"""`entitlements contract lock`: the last state that was proved or approved, and the way to the next one."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from entitlements.checking import formats as check_formats
from entitlements.checking.invariant_words import proved_lines
from entitlements.checking.step import Report
from entitlements.cli import render
from entitlements.contract import second_audience_warning
from entitlements.deployment.activation import activate
from entitlements.deployment.approved_days import refuse_overlong
from entitlements.deployment.base import find_base
from entitlements.deployment.checks import Wanted
from entitlements.deployment.evidence import refuse_unservable
from entitlements.deployment.locking import NextLock, next_lock
from entitlements.deployment.writing import write_state
from entitlements.errors import EngineUnavailable, ProofFailed, StartupFault
from entitlements.local_opa import opa_of
from entitlements.proof import REFUTED

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n  entitlements contract lock\n"
    "  entitlements contract lock --dry-run\n"
    "  entitlements contract lock --pin orders=1.1.0 --also orders=1.0.0\n"
    "  entitlements contract lock --against git:origin/main"
)
@click.option("--pin", "pins", multiple=True, metavar="NAME=VERSION", help="Serve this version, not the newest.")
@click.option("--also", "also", multiple=True, metavar="NAME=VERSION", help="Accept this older version beside it.")
@click.option(
    "--against", metavar="git:REF", help="Compare with the lock of this commit, not with that of the last commit."
)
@click.option("--dry-run", is_flag=True, help="Show what would be locked and why, and write nothing.")
@click.option(
    "--policies-old", type=_FOLDER, help="The policies of a lock of the older format, where git does not have them."
)
def lock(
    pins: Sequence[str], also: Sequence[str], against: str | None, dry_run: bool, policies_old: Path | None
) -> None:
    """Pin contracts and policies as one release, if the way there was proved or approved.

    What changed since the last lock is checked first, contracts and policies together, with every invariant. Only what
    passes and what a real OPA has activated is written: contracts.lock, the release in `release/`, and a record of each
    check. The service serves nothing else.

    Exit code 2: something cannot be read, compiled or served; 3: a finding fails the gate; 4: there is no answer.
    Nothing is written then.
    """
    settings = render.settings()
    beside: dict[str, tuple[str, ...]] = {}
    for name, version in map(_pair, also):
        beside[name] = (*beside.get(name, ()), version)
    now = datetime.datetime.now(datetime.UTC)
    try:
        with ExitStack() as stack:
            executable = opa_of(settings)
            base = find_base(settings.contracts, stack, against)
            wanted = Wanted(
                settings.contracts, settings.policies, executable, now, dict(map(_pair, pins)), beside, policies_old
            )
            given = (("--against", against), ("--policies-old", policies_old))
            planned = _with_lines(next_lock(wanted, base), given)
            _stop_where_it_fails(planned, dry_run=dry_run)
            refuse_unservable(planned.state, now.date())
            refuse_overlong(planned.state, now.date())
            if planned.state.release is not None:
                activate(planned.state.release, executable)
            if not dry_run:
                write_state(planned.state)
    except (StartupFault, EngineUnavailable, ProofFailed) as fault:
        render.fail(fault)
    click.echo("\n".join(_told(planned, dry_run=dry_run)))
    before = planned.base.lock if planned.base.state is not None else None
    if warning := second_audience_warning(before, planned.state.lock):
        click.echo(warning, err=True)


def _with_lines(planned: NextLock, given: Sequence[tuple[str, object]]) -> NextLock:
    """The plan whose reports know what `contract approve` has to be given to come upon the same checks."""
    approve = tuple(part for name, value in given if value is not None for part in (name, str(value)))
    return replace(planned, reports=tuple(replace(one, approve=approve) for one in planned.reports))


def _stop_where_it_fails(planned: NextLock, *, dry_run: bool) -> None:
    """End the command where a check or an invariant keeps the lock from being written."""
    codes = [report.exit_code for report in planned.failing]
    codes += [render.NO if proved.answer == REFUTED else render.NO_ANSWER for _, _, proved in planned.broken]
    if not codes:
        return
    shown = planned.reports if dry_run else planned.failing
    if shown:
        click.echo(check_formats.text(list(shown)))
    for one in planned.broken:
        click.echo("\n".join(proved_lines(*one)))
    click.echo("\nnothing was locked: fix it, or accept it with `entitlements contract approve`", err=True)
    sys.exit(render.NO if render.NO in codes else render.NO_ANSWER)


def _told(planned: NextLock, *, dry_run: bool) -> Iterator[str]:
    """What was locked, or would be, in lines for a person."""
    state = planned.state
    if dry_run and planned.reports:
        yield check_formats.text(list(planned.reports))
    yield f"compared with {planned.base.where}" if planned.base.state else "there was nothing to compare with"
    for pin in state.lock.pins.values():
        older = f", also {', '.join(pin.also)}" if pin.also else ""
        word = f"{pin.check}, approved" if pin.approved else pin.check
        yield f"{pin.audience}  {pin.contract}@{pin.version}{older}  {pin.digest}  {word}"
    yield from (line for report in planned.reports for line in _lost(report))
    if planned.invariants:
        yield f"invariants  {len(planned.invariants)} proved"
    yield f"release  {state.lock.release}" + ("  (unchanged)" if planned.unchanged else "")
    if dry_run:
        yield "nothing was written: --dry-run"


def _lost(report: Report) -> Iterator[str]:
    """Who loses access: it does not fail the gate, and no one should learn of it from their users."""
    answer = report.access.no_lost_access
    if answer.answer == REFUTED:
        step = f"{report.old.contract.name} {report.old.contract.version} to {report.new.contract.version}"
        yield f"lost access  {step}: {len(answer.witnesses)} shown by `entitlements contract check`"


def _pair(text: str) -> tuple[str, str]:
    name, separator, version = text.partition("=")
    if not name or not separator or not version:
        raise click.UsageError(f"`{text}` is not `name=version`")
    return name, version
