"""`entitlements contract`: lint, show and lock claim contracts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from entitlements.cli import render
from entitlements.cli.contract_approve import approve
from entitlements.cli.contract_check import check
from entitlements.cli.contract_explain import explain
from entitlements.cli.contract_init import init
from entitlements.cli.contract_lock import lock
from entitlements.cli.contract_metadata import metadata
from entitlements.cli.contract_pick import pick
from entitlements.cli.contract_rollback import rollback
from entitlements.cli.contract_usage import usage
from entitlements.cli.contract_verify import verify
from entitlements.contract import (
    ClaimSpec,
    Contract,
    ContractFile,
    input_schema,
    is_map,
    lint,
    lint_errors,
    lint_opaque,
    load_contract,
    load_file,
    types_of,
    versions,
)
from entitlements.contract.lock import load_all
from entitlements.engine import check_policies
from entitlements.errors import ContractsInvalid, Fault, StartupFault
from entitlements.settings import Settings
from entitlements.terminal import paint
from entitlements.wiring import opa


@click.group()
def contract() -> None:
    """Read, check and pin claim contracts."""


@contract.command(
    "lint",
    epilog="\b\nExamples:\n  entitlements contract lint\n  entitlements contract lint contracts/orders/1.0.0.yaml",
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Let warnings fail too (exit code 3).")
@render.format_option
def lint_command(files: Sequence[Path], strict: bool, form: str) -> None:
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
        errors.extend(_policy_faults(render.settings()))
    for loaded in contracts:
        warnings.extend(lint(loaded))
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

    An older version that was published stays as it is; what it says was refused, or concerned nobody.
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


def _policy_faults(settings: Settings) -> Sequence[Fault]:
    """What keeps the policies from being locked, whichever contract they are for; nothing where there are none."""
    if not os.path.lexists(settings.policies):
        return ()
    try:
        check_policies(settings.policies, decision_paths=(), opa=opa(settings), limits=settings.limits)
    except StartupFault as fault:
        return fault.faults or [Fault(fault.code, fault.message)]
    return ()


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


@contract.command(
    epilog="\b\nExamples:\n  entitlements contract show orders\n"
    "  entitlements contract show orders@1.0.0 --json-schema > schemas/orders.json"
)
@click.argument("name")
@click.option("--json-schema", is_flag=True, help="The policy input's schema, for `opa check --schema`.")
@render.format_option
def show(name: str, json_schema: bool, form: str) -> None:
    """Show a contract: its claims by scope and kind of token. NAME is `orders` (newest) or `orders@1.0.0`."""
    try:
        chosen = pick(render.settings().contracts, name)
    except StartupFault as fault:
        render.fail(fault)
    if json_schema:
        render.as_json(input_schema(chosen))
    elif form == "json":
        render.as_json({**chosen.canonical, "digest": chosen.ref.digest})
    else:
        _show_text(chosen)


def _show_text(chosen: Contract) -> None:
    profile = chosen.profile
    click.echo(f"{chosen.name} {chosen.version}  {chosen.description}".rstrip())
    click.echo(f"digest      {chosen.ref.digest}")
    click.echo(f"issuer      {profile.issuer}")
    click.echo(f"audience    {profile.audience}")
    click.echo(
        f"tokens      access tokens (RFC 9068), {', '.join(profile.algorithms)}, {profile.max_lifetime} s at most"
    )
    if profile.sender_constrained != "refused":
        click.echo(f"bound       tokens bound to a key are {profile.sender_constrained}")
    click.echo(f"decision    data.{chosen.decision_path.replace('/', '.')}")
    click.echo(f"undeclared  {'rejected' if chosen.reject_undeclared else 'ignored'}\n")
    rows = []
    for claim in chosen.claims.values():
        scopes = sorted(chosen.released_by[claim.name])
        short = [scope.removeprefix(f"{chosen.name}:") for scope in scopes]
        rows.append(
            [
                claim.name,
                "required" if claim.required else "optional",
                claim.sensitivity,
                ", ".join(claim.tokens),
                ", ".join(short) if scopes else "always",
                _summary(claim.schema) + _read_from(claim),
            ]
        )
    if rows:
        click.echo(render.table(["claim", "presence", "sensitivity", "kinds of token", "with scope", "value"], rows))
    else:
        click.echo(f"scopes      {', '.join(chosen.scopes)}, no claim")
    if chosen.request:
        click.echo(f"\nactions     {', '.join(chosen.request.actions)}")
        for kind, spec in chosen.request.resources.items():
            click.echo(f"resource    {kind}: {', '.join(spec.properties)}")


def _read_from(claim: ClaimSpec) -> str:
    """Where a claim stands and how it is read, where that is not plain."""
    how = claim.extraction
    told = [f"from {' > '.join(how.path(claim.name))}"] if how.source else []
    told += ["words"] if how.words else []
    told += [f"member {how.member}"] if how.member else []
    told += ["as a set"] if how.as_set else []
    told += [f"without {', '.join(how.ignored)}"] if how.ignored else []
    told += ["empty where absent"] if how.empty_if_absent else []
    told += [f"unknown with {', '.join(how.overage)}"] if how.overage else []
    return f" ({'; '.join(told)})" if told else ""


def _summary(schema: Mapping[str, object]) -> str:
    """A claim's schema in a few words."""
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " | ".join(str(value) for value in values) if isinstance(values, list) else ""
    kind = " or ".join(types_of(schema))
    if is_map(schema):
        values = schema.get("additionalProperties")
        return f"map of ({_summary(values)}), {schema['maxProperties']} at most" if isinstance(values, dict) else kind
    if kind == "array":
        items = schema.get("items")
        return f"list of ({_summary(items)}), {schema['maxItems']} at most" if isinstance(items, dict) else kind
    if kind == "object":
        properties = schema.get("properties")
        return "{" + ", ".join(properties) + "}" if isinstance(properties, dict) else kind
    bounds = [f"{name} {schema[name]}" for name in ("pattern", "format", "minimum", "maximum") if name in schema]
    return " ".join([kind, *bounds])


for command in (init, check, explain, approve, usage, lock, rollback, verify, metadata):
    contract.add_command(command)
