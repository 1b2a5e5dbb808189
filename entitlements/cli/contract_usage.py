"""`entitlements contract usage`: which rules read which claim, and what is declared for nothing."""

from __future__ import annotations

import sys

import click

from entitlements.checking import usage as claim_usage
from entitlements.checking.usage import claim_of
from entitlements.cli import render
from entitlements.contract import load_file, versions
from entitlements.contract.registered import right_place
from entitlements.engine import Read, read_policies
from entitlements.errors import StartupFault
from entitlements.local_opa import opa_of
from entitlements.terminal import paint


@click.command(epilog="\b\nExamples:\n  entitlements contract usage\n  entitlements contract usage roles")
@click.argument("claim", required=False)
@click.option("--strict", is_flag=True, help="A claim or scope that nothing uses is an error, not a warning.")
@render.format_option
def usage(claim: str | None, strict: bool, form: str) -> None:
    """Show which rules read which claim: rule, file, line and how.

    A claim that a policy reads and no contract declares is an error (exit code 3), and so is one that only older
    versions declare, unless the lock still serves one of them. A claim that no rule reads and no
    consumer relies on, or a scope that no rule names, is a warning; with --strict an error.
    """
    settings = render.settings()
    try:
        reading = read_policies(opa_of(settings), settings.policies)
        amiss = claim_usage.undeclared(reading, claim_usage.declared_by(settings.contracts))
        newest = [load_file(paths[-1]) for paths in versions(settings.contracts).values()]
        declared = {name for one in newest for name in claim_usage.declared(one.contract)}
        older = {name: claim_usage.declared_once(settings.contracts, name) for name in map(claim_of, amiss)}
        unused = [one for file in newest for one in claim_usage.unused(reading, file)] if claim is None else []
    except StartupFault as fault:
        render.fail(fault)
    reads = [read for read in reading.reads if claim_of(read)]
    found = dict.fromkeys((claim_of(r), r.rule, f"{settings.policies / r.file}:{r.line}", _how(r)) for r in reads)
    rows = [list(row) for row in found]
    rows = [row for row in rows if claim in (None, row[0], "*" if row[0] == "*" else None)]
    undeclared = [
        f"{settings.policies / read.file}:{read.line}: the claim `{claim_of(read)}` is declared by no contract"
        f"{right_place(claim_of(read)) or older[claim_of(read)]}"
        for read in amiss
        if claim in (None, claim_of(read))
    ]
    read_names = {claim_of(read) for read in reads}
    unread = sorted(declared - read_names) if claim is None and "*" not in read_names else []
    if form == "json":
        keys = ("claim", "rule", "place", "how")
        render.as_json(
            {
                "reads": [dict(zip(keys, row, strict=True)) for row in rows],
                "undeclared": undeclared,
                "unread": unread,
                "unused": [{"id": one.code, "path": one.path, "file": one.file, "line": one.line} for one in unused],
            }
        )
    else:
        click.echo(render.table(["claim", "rule", "where", "how"], sorted(rows)) if rows else "nothing reads it")
        for told in undeclared:
            click.echo(f"{paint('error', 'red')}  {told}")
        for name in unread:
            click.echo(f"unread  no policy reads `{name}`")
        word = paint("error", "red") if strict else "warning"
        for one in unused:
            click.echo(f"{word}  {one.code}  {one}")
    sys.exit(render.NO if undeclared or (strict and unused) else 0)


def _how(read: Read) -> str:
    return f"{read.how}, negated" if read.negated else read.how
