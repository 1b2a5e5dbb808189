"""Groups of commands that load a command when it is asked for: no command waits for what the others import."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """said: what the help says of each command, so that none of them is loaded for it.

    loads: the module of a command, `{}` for its name; the command has that name in it.
    """

    def __init__(self, *arguments: Any, loads: str, said: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._loads = loads
        self._said = said

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click.Group.list_commands."""
        return sorted(self._said)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loaded when it is asked for."""
        if cmd_name not in self._said:
            return None
        found = getattr(importlib.import_module(self._loads.format(cmd_name)), cmd_name)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click.Group.format_commands."""
        with formatter.section("Commands"):
            formatter.write_dl([*self._said.items()])
