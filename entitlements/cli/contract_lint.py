"""`entitlements contract lint`: what is wrong with contracts and policies, and what is odd."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from entitlements.checking.claim_loss import loss_warnings
from entitlements.cli import render
from entitlements.contract import (
    Contract,
    ContractFile,
    lint_errors,
    lint_opaque,
    load_contract,
    load_file,
    versions,
)
from entitlements.contract import lint as lint_of
from entitlements.contract.lock import load_all
from entitlements.engine import check_policies, strict_warnings
from entitlements.errors import (
    ContractsInvalid,
    DecisionUnavailable,
    Fault,
    NotFollowed,
    ProofFailed,
    StartupFault,
)
from entitlements.local_opa import opa_of
from entitlements.settings import Settings
from entitlements.terminal import paint


@click.command(
    "lint",
    epilog="\b\nExamples:\n  entitlements contract lint\n  entitlements contract lint contracts/orders/1.0.0.yaml",
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Let warnings fail too (exit code 3).")
@render.format_option
def lint(files: Sequence[Path], strict: bool, form: str) -> None:
    """Check contracts and policies and tell every fault and warning at once, with file, line and path.

    Without FILES all contracts in ENTITLEMENTS_CONTRACTS are checked, and the policies in ENTITLEMENTS_POLICIES where
    there are some. Exit code 2: a contract does not load, or the policies cannot be used.
    """
    errors: list[Fault] = []
    warnings: list[Fault] = []
    contracts: list[Contract] = []
    try:
        contracts = [] if files else list(load_all(render.settings().contracts).values())
    except ContractsInvalid as invalid:
        errors.extend(invalid.faults)
    for file in files:
        try:
            contracts.append(load_contract(file))
        except ContractsInvalid as invalid:
            errors.extend(invalid.faults)
    errors.extend(_unfollowed(files, contracts))
    if not files:
        unusable, unread = _policy_faults(render.settings())
        errors.extend(unusable)
        warnings.extend(unread)
        warnings.extend([] if errors else _losses(render.settings()))
    for loaded in contracts:
        warnings.extend(lint_of(loaded))
    warnings.extend(_side_by_side() if contracts and not files else ())
    if form == "json":
        render.as_json({"errors": [_as_json(f) for f in errors], "warnings": [_as_json(f) for f in warnings]})
    else:
        for fault in errors:
            click.echo(f"{paint('error', 'red')}    {fault}")
        for fault in warnings:
            click.echo(f"{paint('warning', 'yellow')}  {fault} ({fault.code})")
        click.echo(f"{len(contracts)} sound, {_counted(errors, 'error')}, {_counted(warnings, 'warning')}")
    sys.exit(render.USAGE if errors else render.NO if strict and warnings else 0)


def _unfollowed(files: Sequence[Path], loaded: Sequence[Contract]) -> list[Fault]:
    """What `renamed_from` says that is not followed: in each file that is named, else in each newest version.

    An older version that was published stays as it is; what it says was refused, or concerned no one.
    """
    if files:
        known = {one.ref for one in loaded}
        named = [one for one in map(_file_of, files) if one is not None and one.contract.ref in known]
        return [fault for one in named for fault in lint_errors(one)]
    found: list[Fault] = []
    for paths in versions(render.settings().contracts).values() if loaded else ():
        older = _file_of(paths[-2]) if len(paths) > 1 else None
        newest = _file_of(paths[-1])
        found += lint_errors(newest, older) if newest else []
    return found


def _losses(settings: Settings) -> list[Fault]:
    """What is gained by coming without an optional claim, under each newest version whose policies are there."""
    if not os.path.lexists(settings.policies):
        return []
    found: list[Fault] = []
    for paths in versions(settings.contracts).values():
        # What cannot be proved of policies is told by the commands that prove.
        with contextlib.suppress(StartupFault, DecisionUnavailable, NotFollowed, ProofFailed):
            found += loss_warnings(load_file(paths[-1]), settings.policies, opa=opa_of(settings))
    return found


def _side_by_side() -> list[Fault]:
    """What keeps a newest version and the one before it from being accepted side by side."""
    found: list[Fault] = []
    for paths in versions(render.settings().contracts).values():
        older, newest = (_file_of(path) for path in paths[-2:]) if len(paths) > 1 else (None, None)
        found += lint_opaque(newest, older) if newest and older else []
    return found


def _file_of(path: Path) -> ContractFile | None:
    try:
        return load_file(path)
    except ContractsInvalid:
        return None


def _policy_faults(settings: Settings) -> tuple[Sequence[Fault], Sequence[Fault]]:
    """What keeps the policies from being locked, whichever contract they are for, and what OPA's strict mode has
    against others; nothing where there are none."""
    if not os.path.lexists(settings.policies):
        return (), ()
    opa = opa_of(settings)
    try:
        check_policies(settings.policies, decision_paths=(), opa=opa, limits=settings.limits)
        return (), strict_warnings(settings.policies, opa=opa, limits=settings.limits)
    except StartupFault as fault:
        return fault.faults or [Fault(fault.code, fault.message)], ()


def _counted(faults: Sequence[Fault], word: str) -> str:
    return f"{len(faults)} {word}{'' if len(faults) == 1 else 's'}"


def _as_json(fault: Fault) -> dict[str, str | int]:
    return {
        "code": fault.code,
        "file": fault.file,
        "line": fault.line,
        "path": fault.path,
        "message": fault.message,
    }
