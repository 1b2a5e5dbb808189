"""What the commands about policies are given alike: which contracts, and how long the solver may take."""

from __future__ import annotations

from pathlib import Path

import click

from entitlements.cli.contract_pick import name_and_version
from entitlements.contract import ContractFile, load_file, versions
from entitlements.proof import SECONDS, SecondSolver
from entitlements.settings import Settings

contract_option = click.option(
    "--contract", "name", metavar="NAME[@VERSION]", help="The contract, where not every one."
)
seconds_option = click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=SECONDS,
    show_default=True,
    help="For each question, as a whole; one that takes longer is unknown.",
)
double_check_option = click.option(
    "--double-check",
    is_flag=True,
    help="Have cvc5 confirm what Z3 found no model of; needs `entitlements[double-check]`.",
)


def second_of(wanted: bool, folder: Path | None = None) -> SecondSolver | None:
    """The second solver where it is wanted. folder: for queries on which the solvers disagree, else the current one."""
    return SecondSolver(folder or Path()) if wanted else None


def chosen(settings: Settings, name: str | None) -> list[ContractFile]:
    """The contract that is named (its newest version, where none is), or the newest version of each."""
    known = versions(settings.contracts)
    if name is None:
        return [load_file(paths[-1]) for paths in known.values()]
    wanted, version = name_and_version(name)
    if wanted not in known:
        raise click.UsageError(f"there is no contract `{wanted}`, only {', '.join(sorted(known)) or 'none'}")
    found = [path for path in known[wanted] if not version or path.stem == version]
    if not found:
        raise click.UsageError(f"the contract `{wanted}` has no version `{version}`")
    return [load_file(found[-1])]
