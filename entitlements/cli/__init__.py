"""The command line: parse, call, render, exit codes.

0 the answer is yes or all is well · 1 the tool failed · 2 usage or unreadable input · 3 the answer is no · 4 no answer.
"""

from __future__ import annotations

import click

from entitlements import __version__
from entitlements.cli.authorize import authorize
from entitlements.cli.contract import contract
from entitlements.cli.serve import serve
from entitlements.cli.token import token


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="entitlements")
def main() -> None:
    """Keep the contract between an authorization server and everyone who reads its tokens.

    \b
    Examples:
      entitlements contract lint
      entitlements contract show orders
      entitlements serve
    """


for command in (serve, authorize, token, contract):
    main.add_command(command)
