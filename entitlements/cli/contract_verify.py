"""`entitlements contract verify`: run the check of a record again and say whether it finds the same."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import click

from entitlements.change_check import Step, check_step
from entitlements.cli import render
from entitlements.contract import ContractFile, load_file, read_lock
from entitlements.contract.steps import versions
from entitlements.engine import policy_digest
from entitlements.errors import EntitlementsError, Fault, StartupFault
from entitlements.proof import METHOD, PROOF, Effort
from entitlements.proof_record import differences, make_record, read_record, record_digest
from entitlements.settings import Settings
from entitlements.wiring import opa

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n  entitlements contract verify\n"
    "  entitlements contract verify contracts/orders/1.1.0.proof.json --policies-old ../last-release/policies"
)
@click.argument("records", nargs=-1, type=_FILE)
@click.option("--policies", type=_FOLDER, help="Policies of the new side, where not ENTITLEMENTS_POLICIES.")
@click.option("--policies-old", type=_FOLDER, help="Policies of the old side, where not the same.")
@render.format_option
def verify(records: tuple[Path, ...], policies: Path | None, policies_old: Path | None, form: str) -> None:
    """Run the check of a record again and say: same, or different and in what.

    Without RECORDS those that contracts.lock names are verified. Contracts and policies have to be those of the record,
    by digest.

    Exit code 0: the same; 2: something cannot be read or is not what the record names; 3: different.
    """
    settings = render.settings()
    after = policies or settings.policies
    told: list[dict[str, Any]] = []
    try:
        for path in records or locked_records(settings.contracts):
            record = read_record(path)
            found = differences(record, _again(record, settings, (policies_old or after, after), path))
            told.append({"record": str(path), "same": not found, "different": found})
    except EntitlementsError as fault:
        render.fail(fault)
    if form == "json":
        render.as_json(told)
    for one in told if form != "json" else ():
        word = render.paint("same", "green") if one["same"] else render.paint("different", "red")
        click.echo(f"{one['record']}: {word}" + (f": {', '.join(one['different'])}" if one["different"] else ""))
    if not told:
        click.echo("contracts.lock names no record: nothing was checked on the way to it", err=True)
    sys.exit(0 if all(one["same"] for one in told) else render.NO)


def locked_records(contracts: Path) -> list[Path]:
    """The records that the lock names, which must be the files that it means. Raises StartupFault."""
    found = []
    for pin in read_lock(contracts).pins.values():
        if pin.record:
            path = contracts / pin.contract / f"{pin.version}.proof.json"
            if record_digest(path) != pin.record:
                fault = Fault("record_changed", "the record is not the one that contracts.lock names", str(path))
                raise StartupFault("record_changed", str(fault), [fault])
            found.append(path)
    return found


def _again(record: dict[str, Any], settings: Settings, policies: tuple[Path, Path], path: Path) -> dict[str, Any]:
    sides = []
    for name, folder in zip(("old", "new"), policies, strict=True):
        if policy_digest(folder) != record[name]["policies"]:
            option = "--policies-old" if name == "old" else "--policies"
            raise _absent(path, f"`{folder}` does not hold the {name} policies of the record, name them with {option}")
        sides.append(_contract(record, name, settings, path))
    step = Step(sides[0], sides[1], policies, (record["old"]["decision"], record["new"]["decision"]))
    method = METHOD if record["no_new_access"].get("method") == METHOD else PROOF
    now = datetime.datetime.now(datetime.UTC)
    report = check_step(
        step,
        approvals=(),
        contracts=settings.contracts,
        today=now.date(),
        opa=opa(settings),
        effort=Effort(method),
    )
    return make_record(report, step.decisions, now)


def _contract(record: dict[str, Any], side: str, settings: Settings, path: Path) -> ContractFile:
    for file in versions(settings.contracts).get(record["contract"], ()):
        loaded = load_file(file)
        if loaded.contract.ref.digest == record[side]["digest"]:
            return loaded
    raise _absent(path, f"`{settings.contracts}` does not hold the {side} contract of the record")


def _absent(path: Path, why: str) -> StartupFault:
    return StartupFault("record_unmatched", why, [Fault("record_unmatched", why, str(path))])
