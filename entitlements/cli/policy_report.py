"""`entitlements policy report`: who may do what at all, and which rules and claims matter."""

from __future__ import annotations

import sys

import click

from entitlements.checking import policy_report_formats as formats
from entitlements.checking.policy_report import UNKNOWN, report_policy
from entitlements.cli import render
from entitlements.cli.policy_options import chosen, contract_option, seconds_option
from entitlements.errors import EntitlementsError
from entitlements.local_opa import opa_of


@click.command(
    "report",
    epilog="\b\nExamples:\n  entitlements policy report --contract orders\n"
    "  entitlements policy report --format html > report.html",
)
@contract_option
@seconds_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown", "html"]),
    default="text",
    show_default=True,
    help="Who reads it.",
)
def report(name: str | None, seconds: float, form: str) -> None:
    """Tell who may do what, and which rules and claims matter, for every token that a contract permits.

    For each kind of request that the policies tell apart: everyone may, some may (with an example), or no one. Rules
    that never fire, and those without which no one gains or loses access. Claims that change no decision, and whether
    who loses one may gain access. Where a rule or a built-in fails, so that no decision is made.

    Exit code 0: everything was answered; 2: something cannot be read; 4: there is no answer for something.
    """
    settings = render.settings()
    try:
        found = [
            report_policy(file, settings.policies, opa=opa_of(settings), seconds=seconds, progress=_progress)
            for file in chosen(settings, name)
        ]
    except EntitlementsError as fault:
        render.fail(fault)
    if form == "json":
        render.as_json([one.as_json() for one in found])
    else:
        click.echo({"text": formats.text, "markdown": formats.markdown, "html": formats.page}[form](found))
    sys.exit(render.NO_ANSWER if any(line.how == UNKNOWN for one in found for line in one.lines) else 0)


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{what}\r", nl=False, err=True)
