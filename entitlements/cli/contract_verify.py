"""`entitlements contract verify`: run the check of a record again and say whether it finds the same."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from entitlements.cli import check_formats, render
from entitlements.cli.contract_renew import Renewed, locked_record, renew
from entitlements.cli.record_check import check_again, find_recorded, refuse_unsound
from entitlements.contract import read_lock
from entitlements.errors import EntitlementsError
from entitlements.proof import REFUTED
from entitlements.proof_record import differences, make_record

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n  entitlements contract verify\n"
    "  entitlements contract verify contracts/orders/1.1.0.proof.json --policies-old ../last-release/policies\n"
    "  entitlements contract verify --renew"
)
@click.argument("records", nargs=-1, type=_FILE)
@click.option("--policies", type=_FOLDER, help="Policies of the new side, where not ENTITLEMENTS_POLICIES.")
@click.option("--policies-old", type=_FOLDER, multiple=True, help="Policies of the old side, where not the same.")
@click.option("--renew", "again", is_flag=True, help="Prove again what the lock names, and lock the new records.")
@render.format_option
def verify(
    records: tuple[Path, ...], policies: Path | None, policies_old: tuple[Path, ...], again: bool, form: str
) -> None:
    """Run the check of a record again and say: same, or different and in what.

    Without RECORDS those that contracts.lock names are verified. Contracts and policies have to be those of the record,
    by digest. A record of a proof that may be false is refused; after an upgrade of this program `--renew` proves again
    what the lock names and writes records and lock if all of it still passes, or changes nothing.

    Exit code 0: the same, or renewed; 2: something cannot be read, is not what the record names, or may be false; 3:
    different, or does not pass any more; 4: with --renew there is no answer.
    """
    if again and records:
        raise click.UsageError("--renew proves again what contracts.lock names and takes no RECORDS")
    settings = render.settings()
    after = policies or settings.policies
    told: list[dict[str, Any]] = []
    try:
        if again:
            _tell_renewed(renew(settings, after, policies_old), form)
        paths = records or locked_records(settings.contracts)
        found = [find_recorded(path, settings, after, policies_old) for path in paths]
        refuse_unsound(found)
        for one in found:
            fresh = make_record(check_again(one, settings), one.step.decisions, datetime.datetime.now(datetime.UTC))
            differ = differences(one.record, fresh)
            told.append({"record": str(one.path), "same": not differ, "different": differ})
    except EntitlementsError as fault:
        render.fail(fault)
    _tell(told, form)
    sys.exit(0 if all(one["same"] for one in told) else render.NO)


def _tell(told: Sequence[dict[str, Any]], form: str) -> None:
    if form == "json":
        render.as_json(told)
    for one in told if form != "json" else ():
        word = render.paint("same", "green") if one["same"] else render.paint("different", "red")
        click.echo(f"{one['record']}: {word}" + (f": {', '.join(one['different'])}" if one["different"] else ""))
    if not told:
        click.echo("contracts.lock names no record: nothing was checked on the way to it", err=True)


def _tell_renewed(found: Sequence[Renewed], form: str) -> None:
    """Say what was renewed, or what does not pass any more, and end."""
    failed = [one for one in found if not one.passes]
    if form == "json":
        render.as_json(
            [
                {"record": str(one.path), "renewed": not failed, "answer": one.report.access.no_new_access.as_json()}
                for one in found
            ]
        )
    for one in (failed or found) if form != "json" else ():
        word = render.paint("not proved any more", "red") if failed else render.paint("renewed", "green")
        click.echo(
            "\n".join([f"{one.path}: {word}", check_formats.failure_of(one.report.access.no_new_access)]).strip()
        )
    if not found:
        click.echo("contracts.lock names no record: there is nothing to renew", err=True)
    if not failed:
        sys.exit(0)
    click.echo("nothing was written: records and lock are as they were", err=True)
    refuted = any(one.report.access.no_new_access.answer == REFUTED for one in failed)
    sys.exit(render.NO if refuted else render.NO_ANSWER)


def locked_records(contracts: Path) -> list[Path]:
    """The records that the lock names, which must be the files that it means. Raises StartupFault."""
    return [locked_record(contracts, pin) for pin in read_lock(contracts).pins.values() if pin.record]
