"""The command line: parse, call, render, exit codes.

0 the answer is yes or all is well · 1 the tool failed · 2 usage or unreadable input · 3 the answer is no · 4 no answer.
"""

from __future__ import annotations

import re

import click

from entitlements import __version__
from entitlements.cli.lazy import LazyGroup

# What the help says of each command stands here, so that none of them is loaded for it.
_COMMANDS = {
    "authorize": "Decide one request and print the decision, its reasons and the rules that gave them.",
    "contract": "Read, check and pin claim contracts.",
    "issuer": "See whether an authorization server honours the contracts.",
    "opa": "Install the pinned Open Policy Agent.",
    "policy": "Prove what policies decide, for every token that a contract permits and every request.",
    "release": "Show the locked release, or make what an OPA elsewhere needs beside it.",
    "schema": "Print the JSON Schema of a file or report, for editors and scripts.",
    "serve": "Serve POST /authorize, GET /healthz, /readyz and /metrics until a signal ends it.",
    "token": "Make development tokens and look into tokens.",
}
_TOKEN = re.compile(r"(?:bearer )?eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", re.IGNORECASE)


class _Main(LazyGroup):
    """Looks at the arguments before anything can repeat one of them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click.Command.parse_args."""
        if any(_TOKEN.fullmatch(argument.strip()) for argument in args):
            # Others on the machine can read arguments, and a shell keeps them.
            raise click.UsageError("a token is read from a file or standard input, never from an argument", ctx)
        if any("\ud800" <= character <= "\udfff" for argument in args for character in argument):
            raise click.UsageError("an argument is not valid UTF-8", ctx)
        return super().parse_args(ctx, args)


@click.group(
    cls=_Main,
    loads="entitlements.cli.{}",
    said=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="entitlements")
def main() -> None:
    """Keep the contract between an authorization server and everyone who reads its tokens.

    \b
    Examples:
      entitlements contract lint
      entitlements contract show orders
      entitlements serve
    """
