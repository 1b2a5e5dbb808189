"""`entitlements contract check`: what a change means."""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from entitlements.checking import formats as check_formats
from entitlements.checking.record import make_record, write_record
from entitlements.checking.report import WORSE
from entitlements.checking.step import Report, Step, check_step, report_json
from entitlements.cli import check_errors, render
from entitlements.cli.contract_pick import name_and_version
from entitlements.cli.policy_options import double_check_option, second_of, seconds_option
from entitlements.contract import (
    ContractFile,
    at_commit,
    load_approvals,
    load_file,
    pairs,
    versions,
)
from entitlements.engine import check_policies
from entitlements.errors import ContractsInvalid, EntitlementsError, StartupFault
from entitlements.local_opa import opa_of
from entitlements.proof import DEFAULT_BUDGET, METHOD, PROOF, SECONDS, Effort, SecondSolver
from entitlements.settings import Settings


# The modules of these formats are loaded when one is asked for.
def _junit(reports: Sequence[Report]) -> str:
    from entitlements.checking.junit import junit

    return junit(reports)


def _sarif(reports: Sequence[Report]) -> str:
    from entitlements.checking.sarif import sarif

    return sarif(reports)


def _github(reports: Sequence[Report]) -> str:
    from entitlements.checking.github import github

    return github(reports)


_FORMATS: dict[str, Callable[[Sequence[Report]], str]] = {
    "text": check_formats.text,
    "json": lambda reports: json.dumps(report_json(reports), indent=2, ensure_ascii=False),
    "markdown": check_formats.markdown,
    "junit": _junit,
    "sarif": _sarif,
    "github": _github,
}
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FOLDER_TO_BE = click.Path(file_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n"
    "  entitlements contract check\n"
    "  entitlements contract check orders@1.0.0 orders@1.1.0\n"
    "  entitlements contract check --against git:origin/main --format github --write sarif=check.sarif\n"
    "  entitlements contract check old.yaml new.yaml --policies rego --decision shop.authz/allow"
)
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option("--against", metavar="git:REF", help="Compare with the contracts and policies of a commit.")
@click.option("--policies", type=_FOLDER, help="Policies of the new side, where not ENTITLEMENTS_POLICIES.")
@click.option("--policies-old", type=_FOLDER, help="Policies of the old side, where not the same.")
@click.option("--decision", metavar="PACKAGE/RULE", help="The rule that decides, where not the contract's.")
@click.option(
    "--method",
    type=click.Choice([PROOF, "enumerate"]),
    default=PROOF,
    show_default=True,
    help="Prove it, or look at tokens and requests one by one.",
)
@click.option(
    "--budget",
    type=click.IntRange(100, 10_000_000),
    default=DEFAULT_BUDGET,
    show_default=True,
    help="Points that may be looked at in each direction, where there is no proof.",
)
@seconds_option
@click.option("--record", type=_FOLDER_TO_BE, help="Write a record of each answer into this folder.")
@click.option("--queries", is_flag=True, help="With --record: what the solver was asked too, as SMT-LIB.")
@double_check_option
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="text", show_default=True)
@click.option("--write", "written", multiple=True, metavar="FORMAT=FILE", help="The report as a file too, as often.")
def check(  # noqa: PLR0913, PLR0917 - click hands over each option
    old: str | None,
    new: str | None,
    against: str | None,
    policies: Path | None,
    policies_old: Path | None,
    decision: str | None,
    method: str,
    budget: int,
    seconds: float,
    record: Path | None,
    queries: bool,
    double_check: bool,
    form: str,
    written: tuple[str, ...],
) -> None:
    """Compare two versions of a contract: what breaks, whom, and does anyone gain or lose access?

    Without OLD and NEW every contract's newest version is compared with the one before it. OLD and NEW are
    `name@version` or files.

    Exit code 0: it holds; 1: two solvers disagree; 2: something cannot be read; 3: a finding fails the gate; 4: there
    is no answer.
    """
    reports: list[Report] = []
    writings = list(map(_writing, written))
    try:
        settings = render.read_settings()
        with ExitStack() as stack:
            for step in steps(settings, stack, (old, new), against, (policies_old, policies), decision):
                reports.append(checked(step, settings, method, budget, seconds, second_of(double_check, record)))
                if record is not None:
                    write_evidence(record, reports[-1], step, queries=queries)
            told = [] if old else _first_versions(settings, reports, against, policies)
        for other, file in writings:
            check_errors.write(file, _FORMATS[other](reports))
    except EntitlementsError as fault:
        check_errors.fail(fault, form, writings)
    except click.UsageError as error:
        check_errors.fail_usage(error, form, writings)
    if reports or form != "text":
        click.echo(_FORMATS[form](reports))
    for line in told:
        click.echo(line, err=True)
    sys.exit(max((report.exit_code for report in reports), key=WORSE.index, default=0))


def _first_versions(
    settings: Settings, reports: Sequence[Report], against: str | None, policies: Path | None
) -> list[str]:
    """What was looked at and what ran of each contract that there is nothing to compare with, a line each.

    Raises StartupFault where its policies do not compile or have not the rule that decides.
    """
    compared = {report.new.contract.name for report in reports}
    folder = policies or settings.policies
    found = [load_file(paths[-1]) for name, paths in versions(settings.contracts).items() if name not in compared]
    rules = sorted({one.contract.decision_path for one in found})
    if found:
        check_policies(folder, decision_paths=rules, opa=opa_of(settings))
    base = f"{against} does not have the contract" if against else "no earlier version is there"
    return [
        f"{one.contract.name} {one.contract.version} is a first version, there is nothing to compare it with: "
        f"looked at {one.file} and the policies in `{folder}`, {base}; the contract loads, the policies compile "
        f"and have `data.{one.contract.decision_path.replace('/', '.')}`"
        for one in found
    ]


def _writing(text: str) -> tuple[str, Path]:
    form, _, file = text.partition("=")
    if form not in _FORMATS or not file:
        raise click.UsageError(f"--write `{text}` is not `FORMAT=FILE`, FORMAT one of {', '.join(_FORMATS)}")
    return form, Path(file)


def write_evidence(folder: Path, report: Report, step: Step, *, queries: bool) -> None:
    """Write `<contract>-<old>-<new>.json` into the folder, and each question to the solver beside it."""
    name = f"{report.new.contract.name}-{report.old.contract.version}-{report.new.contract.version}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder / f"{name}.json", make_record(report, step.decisions, datetime.datetime.now(datetime.UTC)))
        asked = [query for answer in report.answers.values() for query in answer.queries] if queries else []
        for number, query in enumerate(asked, start=1):
            (folder / f"{name}-{number}.smt2").write_text(query + "(check-sat)\n", encoding="utf-8")
    except OSError as error:
        raise StartupFault("record_unwritable", f"`{folder}` cannot be written: {error.strerror}") from None


def checked(
    step: Step,
    settings: Settings,
    method: str,
    budget: int = DEFAULT_BUDGET,
    seconds: float = SECONDS,
    second: SecondSolver | None = None,
) -> Report:
    """The report on one step, with the approvals of its contract. second: confirms what the proof rests on."""
    name = step.new.contract.name
    approvals = load_approvals(settings.contracts, name) if (settings.contracts / name).is_dir() else ()
    today = datetime.datetime.now(datetime.UTC).date()
    how = PROOF if method == PROOF else METHOD
    return check_step(
        step,
        approvals=approvals,
        contracts=settings.contracts,
        today=today,
        opa=opa_of(settings),
        effort=Effort(how, budget=budget, seconds=seconds, progress=_Progress(name), second=second),
    )


class _Progress:
    """A line on a terminal for whoever waits for more than two seconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._started > 2:
            end = "\r" if done < total else "\r" + " " * 70 + "\r"
            click.echo(f"{self._name}: {what}, {done} of {total} points{end}", nl=False, err=True)


def steps(
    settings: Settings,
    stack: ExitStack,
    named: tuple[str | None, str | None],
    against: str | None,
    policies: tuple[Path | None, Path | None],
    decision: str | None,
) -> Iterator[Step]:
    """What is to be compared: two versions that are named, or every contract's newest with the one before it."""
    given = {"--against": against, "--policies-old": policies[0], "--policies": policies[1]}
    approve = tuple(part for name, value in given.items() if value is not None for part in (name, str(value)))
    for step in _steps(settings, stack, named, against, policies, decision):
        files = [
            settings.contracts / one.contract.name / f"{one.contract.version}.yaml" for one in (step.old, step.new)
        ]
        known = decision is None and all(map(Path.exists, files)) and step.new.file == str(files[1])
        base = (against or step.old.file) + (f" and {policies[0]}" if policies[0] else "")
        yield replace(step, base=base, approve=approve if known else None)


def _steps(
    settings: Settings,
    stack: ExitStack,
    named: tuple[str | None, str | None],
    against: str | None,
    policies: tuple[Path | None, Path | None],
    decision: str | None,
) -> Iterator[Step]:
    after = policies[1] or settings.policies
    if named[0] and not named[1]:
        raise click.UsageError("name both OLD and NEW, or neither")
    if named[0] and named[1]:
        if against:
            raise click.UsageError("--against takes no OLD and NEW")
        yield _step(_file(settings, named[0]), _file(settings, named[1]), (policies[0] or after, after), decision)
        return
    before = policies[0] or after
    base: dict[str, list[Path]] | None = None
    if against:
        kind, _, reference = against.partition(":")
        if kind != "git" or not reference:
            raise click.UsageError("--against must be `git:REF`, for example `git:origin/main`")
        wanted = [settings.contracts, *([] if policies[0] else [after])]
        old_contracts, *old_policies = stack.enter_context(at_commit(reference, *wanted))
        base, before = versions(old_contracts), policies[0] or old_policies[0]
    current = versions(settings.contracts)
    if not current:
        raise ContractsInvalid("contracts_invalid", f"`{settings.contracts}` holds no contract")
    for earlier, newest in pairs(current, base):
        shown = str(newest.with_name(earlier.name))
        yield _step(load_file(earlier, shown=shown), load_file(newest), (before, after), decision)


def _step(old: ContractFile, new: ContractFile, policies: tuple[Path, Path], decision: str | None) -> Step:
    if decision is None:
        return Step.of(old, new, policies)
    package, separator, rule = decision.rpartition("/")
    if not separator:
        raise click.UsageError("--decision must be `package/rule`, for example `orders.authz/decision`")
    path = "/".join([*package.replace("/", ".").split("."), rule])
    return Step(old, new, policies, (path, path))


def _file(settings: Settings, name: str) -> ContractFile:
    """A contract by `name@version`, or by the path of its file."""
    wanted, version = name_and_version(name)
    path = settings.contracts / wanted / f"{version}.yaml"
    if version and path.exists():
        return load_file(path)
    return load_file(Path(name), named=False)
