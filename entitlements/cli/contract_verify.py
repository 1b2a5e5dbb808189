"""`entitlements contract verify`: prove again what is locked, or what a record says, and say whether it is the same."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from entitlements.checking import formats as check_formats
from entitlements.checking.record import differences, make_record
from entitlements.cli import render
from entitlements.cli.record_check import find_recorded, refuse_unsound
from entitlements.deployment.history import History
from entitlements.deployment.renewing import Renewal, renew
from entitlements.deployment.reproving import check_recorded, reprove
from entitlements.deployment.truth import truth, unlockable_faults
from entitlements.errors import EntitlementsError, StartupFault
from entitlements.local_opa import opa_of
from entitlements.proof import REFUTED
from entitlements.settings import Settings
from entitlements.terminal import paint

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n  entitlements contract verify --all --against git:origin/main\n"
    "  entitlements contract verify contracts/orders/1.1.0.proof.json --policies-old ../last-release/policies\n"
    "  entitlements contract verify --renew"
)
@click.argument("records", nargs=-1, type=_FILE)
@click.option("--all", "everything", is_flag=True, help="Everything that contracts.lock names: the default.")
@click.option("--against", metavar="git:REF", help="The lock of this commit is the one that this one has to follow.")
@click.option("--policies", type=_FOLDER, help="With RECORDS: policies of the new side, where not the usual ones.")
@click.option("--policies-old", type=_FOLDER, multiple=True, help="With RECORDS: policies of the old side.")
@click.option("--renew", "again", is_flag=True, help="Prove again what the lock names, and lock the new records.")
@render.format_option
def verify(
    records: tuple[Path, ...],
    everything: bool,
    against: str | None,
    policies: Path | None,
    policies_old: tuple[Path, ...],
    again: bool,
    form: str,
) -> None:
    """Prove again what is locked, and say: same, or different and in what.

    Without RECORDS lock, release, records and approvals are compared by content, the release is built again from the
    files, the lock has to follow the one before it, and every record that it names is proved again: a consistent
    forgery does not survive that. With RECORDS just these are proved again, whose contracts and policies have to be at
    hand. A record of a proof that may be false is refused; after an upgrade of this program or of OPA `--renew` proves
    again what the lock names and writes records, release and lock if all of it still passes, or changes nothing.

    Exit code 0: the same, or renewed; 2: something cannot be read, is not what it says, or may be false; 3: different,
    or does not pass any more; 4: with --renew there is no answer.
    """
    if (again or everything) and records:
        raise click.UsageError("--all and --renew are about what contracts.lock names and take no RECORDS")
    settings = render.settings()
    now = datetime.datetime.now(datetime.UTC)
    try:
        if again:
            _tell_renewed(renew(settings.contracts, opa_of(settings), now), form)
        told = (
            [*_recorded(records, settings, policies, policies_old, now)]
            if records
            else [*_locked(settings, against, now)]
        )
    except EntitlementsError as fault:
        render.fail(fault)
    _tell(told, form)
    sys.exit(0 if all(one["same"] for one in told) else render.NO)


def _locked(settings: Settings, against: str | None, now: datetime.datetime) -> Iterator[dict[str, Any]]:
    """What is locked, proved again."""
    state, faults = truth(settings.contracts, settings.policies, now.date(), against)
    if faults := faults or [*unlockable_faults(state, settings.policies, opa_of(settings))]:
        raise StartupFault("lock_untrue", "what is locked does not hold", faults)
    for one in reprove(state, History.of(settings.contracts), opa=opa_of(settings), now=now):
        yield {"record": str(one.file), "same": not one.different, "different": [*one.different]}


def _recorded(
    records: Sequence[Path],
    settings: Settings,
    policies: Path | None,
    policies_old: Sequence[Path],
    now: datetime.datetime,
) -> Iterator[dict[str, Any]]:
    """What some records are about, proved again."""
    found = [find_recorded(path, settings, policies or settings.policies, policies_old) for path in records]
    refuse_unsound(found)
    for one in found:
        report = check_recorded(
            one.step, one.record, contracts=settings.contracts, opa=opa_of(settings), today=now.date()
        )
        fresh = make_record(report, one.step.decisions, now)
        differ = differences(one.record, fresh)
        yield {"record": str(one.path), "same": not differ, "different": differ}


def _tell(told: Sequence[dict[str, Any]], form: str) -> None:
    if form == "json":
        render.as_json(told)
    for one in told if form != "json" else ():
        word = paint("same", "green") if one["same"] else paint("different", "red")
        click.echo(f"{one['record']}: {word}" + (f": {', '.join(one['different'])}" if one["different"] else ""))
    if not told:
        click.echo("contracts.lock names no record: its versions are the first ones", err=True)


def _tell_renewed(renewal: Renewal, form: str) -> None:
    """Say what was renewed, or what does not pass any more, and end."""
    failed = renewal.failed
    if form == "json":
        render.as_json(
            [
                {"record": str(one.file), "renewed": not failed, "answer": one.report.access.no_new_access.as_json()}
                for one in renewal.found
            ]
        )
    for one in (failed or renewal.found) if form != "json" else ():
        word = paint("not proved any more", "red") if failed else paint("renewed", "green")
        click.echo(
            "\n".join([f"{one.file}: {word}", check_formats.failure_of(one.report.access.no_new_access)]).strip()
        )
    if not renewal.found:
        click.echo("contracts.lock names no record: there was nothing to prove again", err=True)
    if not failed:
        click.echo(f"release  {renewal.release}", err=True)
        sys.exit(0)
    click.echo("nothing was written: records, release and lock are as they were", err=True)
    refuted = any(one.report.access.no_new_access.answer == REFUTED for one in failed)
    sys.exit(render.NO if refuted else render.NO_ANSWER)
