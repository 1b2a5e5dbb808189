"""`entitlements contract approve`: who accepted a finding, why and until when, in a file that is reviewed."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import click

from entitlements.checking.step import Report
from entitlements.checking.words import LEFT_OPEN
from entitlements.cli import render
from entitlements.cli.contract_check import checked, steps
from entitlements.contract import Approval, load_gate_settings, rollback_asks, write_approval
from entitlements.deployment.base import find_base
from entitlements.deployment.checks import Wanted
from entitlements.deployment.locking import next_lock
from entitlements.errors import ContractsInvalid, EngineUnavailable, Fault, ProofFailed, StartupFault
from entitlements.files import write_atomically
from entitlements.local_opa import opa_of
from entitlements.proof import PROOF
from entitlements.schema_files import schema_name, schema_text
from entitlements.settings import Settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True)
class _Sought:
    """The step that an approval is for, and what else its check may be compared with."""

    name: str
    old: str
    new: str
    against: str | None
    policies_old: Path | None


@click.command(
    epilog="\b\nExample:\n"
    "  entitlements contract approve 0f3c2a91d4b7e685 --contract orders --from 1.0.0 --to 1.1.0 \\\n"
    "    --reason 'auditors may read, ticket 42' --by jane@example.com --expires 2027-01-31"
)
@click.argument("fingerprint")
@click.option("--contract", "name", required=True, help="The contract's name.")
@click.option("--from", "old", required=True, metavar="VERSION")
@click.option("--to", "new", required=True, metavar="VERSION")
@click.option("--reason", required=True, help="Why it is accepted.")
@click.option("--by", required=True, help="Who accepts it.")
@click.option("--expires", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day that it counts.")
@click.option("--against", metavar="git:REF", help="As given to the `check` or `lock` that asks for it.")
@click.option("--policies", type=_FOLDER, help="As given to the `check` that asks for it.")
@click.option("--policies-old", type=_FOLDER, help="As given to the `check` or `lock` that asks for it.")
def approve(  # noqa: PLR0913, PLR0917 - click hands over each option
    fingerprint: str,
    name: str,
    old: str,
    new: str,
    reason: str,
    by: str,
    expires: datetime.datetime,
    against: str | None,
    policies: Path | None,
    policies_old: Path | None,
) -> None:
    """Accept one finding or one witness of one version step, by the fingerprint that `check` or `lock` prints.

    The entry goes into the contract's approvals.yaml. What nothing asks for is refused, and so is a day further ahead
    than `max_days` of gate.yaml in the contracts folder (365 without that file). `check` fails once it expires, once
    the policies are others, and where it matches nothing any more.
    """
    settings = render.settings()
    settings = settings if policies is None else replace(settings, policies=policies)
    _refuse_left_open({"--reason": reason, "--by": by})
    now = datetime.datetime.now(datetime.UTC)
    if not (settings.contracts / name).is_dir():
        raise click.UsageError(f"there is no contract `{name}`")
    try:
        _refuse_day(settings, expires.date(), now.date())
        under = _asked_under(fingerprint, settings, _Sought(name, old, new, against, policies_old), now)
        approval = Approval(fingerprint, old, new, reason, by, expires.date(), under)
        _write_schema(settings.contracts)
        path = write_approval(settings.contracts, name, approval, now.date())
    except (StartupFault, EngineUnavailable, ProofFailed) as fault:
        render.fail(fault)
    click.echo(f"wrote {path}")


def _write_schema(folder: Path) -> None:
    """Put the schema of approvals where an editor finds it; the approval counts without it."""
    with contextlib.suppress(OSError):
        write_atomically(folder / schema_name("approvals"), schema_text("approvals").encode())


def _refuse_left_open(words: Mapping[str, str]) -> None:
    """Raise where the line that `check` prints was pasted as it is."""
    for option, text in words.items():
        if text.strip() == LEFT_OPEN:
            raise click.UsageError(f"{option} is left open in the line that was pasted, fill it in")


def _refuse_day(settings: Settings, expires: datetime.date, today: datetime.date) -> None:
    """Raise where an approval would end before today, or later than the project allows."""
    last = load_gate_settings(settings.contracts).last_day(today)
    if expires < today:
        raise click.UsageError("--expires lies in the past")
    if expires > last:
        raise click.UsageError(f"--expires lies after {last}, the last day that `max_days` in gate.yaml allows")


def _asked_under(fingerprint: str, settings: Settings, sought: _Sought, now: datetime.datetime) -> str:
    """The digest of the policies under which it is asked for; empty where they do not matter.

    Raises ContractsInvalid `approval_unmatched` where neither a check of the step nor the next lock asks for it.
    """
    if fingerprint in rollback_asks(settings.contracts):
        return ""
    asked: set[str] = set()
    for report in _reports(settings, sought, now):
        sides = report.new.contract.name, report.old.contract.version, report.new.contract.version
        if sides == (sought.name, sought.old, sought.new):
            asked |= report.asked_for
        if fingerprint in asked:
            return "" if fingerprint in {one.fingerprint for one in report.findings} else report.access.policies[1]
    known = f"it asks for {', '.join(f'`{one}`' for one in sorted(asked))}" if asked else "it asks for none"
    text = (
        f"nothing asks for `{fingerprint}` in the step from {sought.old} to {sought.new} of `{sought.name}`, {known}: "
        "give `--against` or `--policies-old` as to the command that printed it"
    )
    raise ContractsInvalid("approval_unmatched", "the approval was not written", [Fault("approval_unmatched", text)])


def _reports(settings: Settings, sought: _Sought, now: datetime.datetime) -> Iterator[Report]:
    """The checks that may ask for it: of the step, against a commit, and those of the next lock."""
    with ExitStack() as stack:
        named = f"{sought.name}@{sought.old}", f"{sought.name}@{sought.new}"
        for step in steps(settings, stack, named, None, (sought.policies_old, None), None):
            yield checked(step, settings, PROOF)
        if sought.against is not None:
            for step in steps(settings, stack, (None, None), sought.against, (sought.policies_old, None), None):
                if step.new.contract.name == sought.name:
                    yield checked(step, settings, PROOF)
        for pins in ({}, {sought.name: sought.new}):
            # What keeps the next lock from being made is reported by `contract lock`, and asks for no approval.
            with contextlib.suppress(StartupFault):
                base = find_base(settings.contracts, stack, sought.against)
                wanted = Wanted(
                    settings.contracts,
                    settings.policies,
                    opa_of(settings),
                    now,
                    pins,
                    policies_old=sought.policies_old,
                )
                yield from next_lock(wanted, base).reports
