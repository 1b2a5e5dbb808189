"""`entitlements schema`: the JSON Schemas of the files and reports, for editors and scripts."""

from __future__ import annotations

import click

from entitlements.schema_files import NAMES, schema_text


@click.command(
    epilog="\b\nExamples:\n  entitlements schema contract > contracts/contract.schema.json\n"
    "  entitlements schema check > check.schema.json"
)
@click.argument("name", type=click.Choice(NAMES))
def schema(name: str) -> None:
    """Print the JSON Schema of a file or report, for editors and scripts.

    NAME is that of contracts, approvals, the lock, proof records or the output of `contract check`.

    An editor with a YAML language server checks and completes a file that begins with
    `# yaml-language-server: $schema=PATH`, as `contract init` and `contract approve` write it.
    """
    click.echo(schema_text(name), nl=False)
