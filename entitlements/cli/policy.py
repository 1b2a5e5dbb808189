"""`entitlements policy`: what a change of policies means, invariants that must hold, and what can matter at all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from entitlements.checking import formats as check_formats
from entitlements.checking.invariant_words import proved_json, proved_lines
from entitlements.checking.whole_words import whole_json, whole_lines
from entitlements.cli import render
from entitlements.cli.policy_options import chosen, contract_option, double_check_option, second_of, seconds_option
from entitlements.cli.policy_report import report
from entitlements.cli.policy_upgrade import upgrade
from entitlements.contract import Contract
from entitlements.errors import EntitlementsError
from entitlements.local_opa import opa_of
from entitlements.proof import HOLDS, PROVED, REFUTED, Access, Effort, Side, compare_access
from entitlements.proof.invariants import Invariant, Proved, invariants_in, load_invariant, prove_invariant
from entitlements.proof.reachability import FIRES, NEVER, NOTHING, UNKNOWN, Reach, reachable
from entitlements.settings import Settings
from entitlements.terminal import paint

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def policy() -> None:
    """Prove what policies decide, for every token that a contract permits and every request."""


@policy.command(
    "check",
    epilog="\b\nExamples:\n  entitlements policy check policies-before policies\n"
    "  entitlements policy check policies-before policies --contract orders@1.0.0\n"
    "  entitlements policy check --ceiling policies-reference",
)
@click.argument("old", type=_FOLDER, required=False)
@click.argument("new", type=_FOLDER, required=False)
@click.option("--ceiling", type=_FOLDER, help="Policies that are not to be exceeded, in place of OLD and NEW.")
@contract_option
@seconds_option
@double_check_option
@click.option("--whole", is_flag=True, help="Whether reasons and obligations are equal, too.")
@render.format_option
def check(
    old: Path | None,
    new: Path | None,
    ceiling: Path | None,
    name: str | None,
    seconds: float,
    double_check: bool,
    whole: bool,
    form: str,
) -> None:
    """Compare two folders of policies under the same contracts: is the new one equivalent, stricter or wider?

    With --ceiling the policies of ENTITLEMENTS_POLICIES are held against others, which stay as they are: does anyone
    have access beyond them? What they take from the ceiling is no matter.

    With --whole, also whether all decisions are equal member by member: reasons and obligations, as sets, of denials
    too.

    Exit code 0: nobody gains access; 1: two solvers disagree; 2: something cannot be read; 3: someone does; 4: there is
    no answer.
    """
    settings = render.settings()
    folders = _folders(old, new, ceiling, settings)
    effort = Effort(seconds=seconds, second=second_of(double_check), whole=whole)
    found: list[tuple[Contract, Access]] = []
    try:
        for file in chosen(settings, name):
            sides = (Side(file.contract, folder, file.contract.decision_path) for folder in folders)
            found.append((file.contract, compare_access(*sides, opa=opa_of(settings), effort=effort)))
    except EntitlementsError as fault:
        render.fail(fault)
    if form == "json":
        render.as_json([_as_json(contract, access) for contract, access in found])
    else:
        for contract, access in found:
            click.echo(f"{contract.name} {contract.version}: {paint(_word(access), _colour(access))}")
            for line in check_formats.access_lines(access):
                click.echo(line)
            if access.whole:
                click.echo("\n".join(whole_lines(access.whole)))
    sys.exit(_worst([code_of(access) for _, access in found]))


def _folders(old: Path | None, new: Path | None, ceiling: Path | None, settings: Settings) -> tuple[Path, Path]:
    """What is compared: two folders, or a ceiling and the policies of the settings."""
    if ceiling and not old:
        return ceiling, settings.policies
    if ceiling or not old or not new:
        raise click.UsageError("name both OLD and NEW, or --ceiling alone")
    return old, new


def _as_json(contract: Contract, access: Access) -> dict[str, Any]:
    answers = {"no_new_access": access.no_new_access.as_json(), "no_lost_access": access.no_lost_access.as_json()}
    reference = {"name": contract.name, "version": contract.version, "digest": contract.ref.digest}
    policies = {"old": access.policies[0], "new": access.policies[1]}
    return {
        "contract": reference,
        "policies": policies,
        "change": _word(access),
        "access": answers,
        **_whole_json(access),
    }


def _whole_json(access: Access) -> dict[str, Any]:
    return {"whole_decision": whole_json(access.whole)} if access.whole else {}


def _word(access: Access) -> str:
    """What the change is in one word."""
    gained, lost = access.no_new_access.answer, access.no_lost_access.answer
    if gained in HOLDS:
        return "equivalent" if lost in HOLDS else "stricter" if lost == REFUTED else "no wider"
    if gained == REFUTED:
        return "wider" if lost in HOLDS else "different" if lost == REFUTED else "wider, perhaps stricter too"
    return "unknown"


def _colour(access: Access) -> str:
    return "green" if access.no_new_access.answer in HOLDS else "red"


def code_of(access: Access) -> int:
    """The exit code of one comparison."""
    if access.no_new_access.disputed or access.no_lost_access.disputed:
        return render.FAILED
    asked = [access.no_new_access.answer, *([access.whole.answer] if access.whole else [])]
    return _worst([0 if one in HOLDS else render.NO if one == REFUTED else render.NO_ANSWER for one in asked])


def _worst(codes: Sequence[int]) -> int:
    """The exit code of several answers: a no outweighs a missing answer."""
    return max(codes, key=(0, render.NO_ANSWER, render.NO, render.FAILED).index, default=0)


@policy.command(
    "prove",
    epilog="\b\nExamples:\n  entitlements policy prove\n"
    "  entitlements policy prove policies/orders/authz/authz_invariant.rego --contract orders@1.0.0",
)
@click.argument("invariants", nargs=-1, type=_FILE)
@contract_option
@seconds_option
@render.format_option
def prove(invariants: Sequence[Path], name: str | None, seconds: float, form: str) -> None:
    """Prove that what an invariant calls a violation can never be, or show a token and a request.

    Without INVARIANTS all `*_invariant.rego` below ENTITLEMENTS_POLICIES are proved. Such a file is of the package of a
    policy with `_invariant` behind it and gives a set `violation` of codes.

    Exit code 0: all hold; 2: something cannot be read; 3: one is violated; 4: there is no answer for one.
    """
    settings = render.settings()
    found: list[tuple[Invariant, Contract, Proved]] = []
    try:
        for path in invariants or invariants_in(settings.policies):
            invariant = load_invariant(path, settings.policies)
            for contract in about(invariant, settings, name):
                answers = prove_invariant(invariant, contract, settings.policies, opa=opa_of(settings), seconds=seconds)
                found += [(invariant, contract, answer) for answer in answers]
    except EntitlementsError as fault:
        render.fail(fault)
    if form == "json":
        render.as_json([proved_json(*one) for one in found])
    else:
        for one in found:
            click.echo("\n".join(proved_lines(*one)))
        if not found:
            click.echo("there is no invariant to prove", err=True)
    sys.exit(_worst([_proved_code(proved) for _, _, proved in found]))


def about(invariant: Invariant, settings: Settings, name: str | None) -> list[Contract]:
    """The contracts that an invariant is about: those whose policy is of its package."""
    contracts = [file.contract for file in chosen(settings, name)]
    found = [one for one in contracts if invariant.is_about(one)]
    if not found:
        raise click.UsageError(
            f"no contract has a policy of the package `{invariant.decides}`, name one with --contract"
        )
    return found


def _proved_code(proved: Proved) -> int:
    return {PROVED: 0, REFUTED: render.NO}.get(proved.answer, render.NO_ANSWER)


@policy.command("reachable", epilog="\b\nExample:\n  entitlements policy reachable --contract orders")
@contract_option
@seconds_option
@render.format_option
def reachable_command(name: str | None, seconds: float, form: str) -> None:
    """Tell the rules that no permitted token can ever fire, and the claims that never change a decision.

    Exit code 0: the question was answered, whatever the answer; 4: for something it was not.
    """
    settings = render.settings()
    found: list[tuple[Contract, Reach]] = []
    try:
        for file in chosen(settings, name):
            found.append(
                (file.contract, reachable(file.contract, settings.policies, opa=opa_of(settings), seconds=seconds))
            )
    except EntitlementsError as fault:
        render.fail(fault)
    if form == "json":
        render.as_json([_reach_json(contract, reach) for contract, reach in found])
    else:
        for contract, reach in found:
            click.echo("\n".join(_reach_lines(contract, reach, settings.policies)))
    answers = [one.answer for _, reach in found for one in reach.rules]
    answers += [one.answer for _, reach in found for one in reach.claims]
    sys.exit(render.NO_ANSWER if UNKNOWN in answers else 0)


def _reach_json(contract: Contract, reach: Reach) -> dict[str, Any]:
    rules = [
        {
            "rule": one.rule.name,
            "file": one.rule.file,
            "line": one.rule.first,
            "answer": one.answer,
            "reason": one.reason,
        }
        for one in reach.rules
    ]
    claims = [{"claim": one.claim, "answer": one.answer, "reason": one.reason} for one in reach.claims]
    return {"contract": {"name": contract.name, "version": contract.version}, "rules": rules, "claims": claims}


def _reach_lines(contract: Contract, reach: Reach, policies: Path) -> list[str]:
    fires = sum(one.answer == FIRES for one in reach.rules)
    lines = [f"{contract.name} {contract.version}: {fires} of {len(reach.rules)} rules can fire"]
    for rule in reach.rules:
        if rule.answer != FIRES:
            word = "never fires" if rule.answer == NEVER else f"unknown, {rule.reason}"
            lines.append(f"  {policies / rule.rule.file}:{rule.rule.first}  {rule.rule.name}  {word}")
    for claim in reach.claims:
        if claim.answer != "decides":
            word = "changes no decision" if claim.answer == NOTHING else f"unknown, {claim.reason}"
            lines.append(f"  claim `{claim.claim}`  {word}")
    return lines


policy.add_command(report)
policy.add_command(upgrade)
