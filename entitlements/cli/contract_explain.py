"""`entitlements contract explain`: one finding or witness, traced through the policy line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from entitlements.checking import formats as check_formats
from entitlements.checking.step import Finding, Report, Step
from entitlements.checking.words import witness_lines
from entitlements.cli import render
from entitlements.cli.contract_check import checked, steps
from entitlements.contract import RULES
from entitlements.engine import BatchEngine
from entitlements.errors import EntitlementsError
from entitlements.local_opa import opa_of
from entitlements.proof import PROOF, Witness
from entitlements.proof.scenario import policy_input_of
from entitlements.settings import Settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExample:\n  entitlements contract explain 0f3c2a91d4b7e685\n"
    "  entitlements contract explain 0f3c2a91d4b7e685 orders@1.0.0 orders@1.1.0 --policies-old before --policies after"
)
@click.argument("fingerprint")
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option("--against", metavar="git:REF", help="Compare with the contracts and policies of a commit.")
@click.option("--policies", type=_FOLDER, help="Policies of the new side, where not ENTITLEMENTS_POLICIES.")
@click.option("--policies-old", type=_FOLDER, help="Policies of the old side, where not the same.")
def explain(
    fingerprint: str,
    old: str | None,
    new: str | None,
    against: str | None,
    policies: Path | None,
    policies_old: Path | None,
) -> None:
    """Tell what a fingerprint that `check` printed represents, and which lines of the policy decide it.

    The check is run again, as `entitlements contract check` with the same arguments would. Before each line of a rule
    stands where it is evaluated: `-` for the token before, `+` for the token after, `=` for both.

    Exit code 2: something cannot be read, or nothing has this fingerprint.
    """
    settings = render.settings()
    try:
        with ExitStack() as stack:
            for step in steps(settings, stack, (old, new), against, (policies_old, policies), None):
                report = checked(step, settings, PROOF)
                lines = list(_explained(report, step, fingerprint, settings))
                if lines:
                    click.echo("\n".join(lines))
                    return
    except EntitlementsError as fault:
        render.fail(fault)
    raise click.UsageError(f"nothing has the fingerprint `{fingerprint}` in what was compared")


def _explained(report: Report, step: Step, fingerprint: str, settings: Settings) -> Iterator[str]:
    for finding in report.findings:
        if finding.fingerprint == fingerprint:
            yield from _of_finding(finding)
            return
    for answer in report.answers.values():
        for witness in answer.witnesses:
            if fingerprint in {witness.fingerprint, *(one.fingerprint for one in witness.together)}:
                yield from witness_lines(witness)
                yield from _traced(witness, step, settings)
                return
        if answer.fingerprint == fingerprint:
            yield f"{answer.answer}: {answer.reason}"
            yield "an approval of it accepts that not everything was looked at, for these very contracts and policies"
            return


def _of_finding(finding: Finding) -> Iterator[str]:
    rule = RULES[finding.change.rule]
    yield f"{finding.file}:{finding.line}  {finding.change.rule}  {finding.message}"
    yield f"  compatibility {rule.compatibility}, access {rule.access}: {rule.purpose}"
    yield from (f"  relied on by {name}" for name in finding.consumers)
    yield from (f"  read by {reader}" for reader in finding.readers)
    yield f"  more in docs/contract-rules.md, {finding.change.rule}"


def _traced(witness: Witness, step: Step, settings: Settings) -> Iterator[str]:
    """The rules that either side evaluates, each line marked."""
    covered = []
    contents: dict[str, bytes] = {}
    sides = ((step.old, witness.scenario.before), (step.new, witness.scenario.after))
    for number, (file, token) in enumerate(sides):
        with BatchEngine(
            opa_of(settings), step.policies[number], step.decisions[number], shape=file.contract.answer
        ) as engine:
            covered.append(engine.coverage(policy_input_of(file.contract, token, witness.scenario)).lines)
            contents |= engine.files
    for name in sorted({name for lines in covered for name, _ in lines}):
        yield f"  {name}"
        yield from _marked(contents[name].decode(errors="replace").splitlines(), name, covered)


def _marked(lines: Sequence[str], name: str, covered: Sequence[frozenset[tuple[str, int]]]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        before, after = ((name, number) in one for one in covered)
        mark = "=" if before and after else "-" if before else "+" if after else " "
        if mark != " ":
            yield check_formats.safe_line(f"  {mark} {number:4}  {line}")
