"""Text for a terminal: colours where they are wanted, and nothing that the terminal would obey."""

from __future__ import annotations

import os
import sys

import click


def paint(text: str, colour: str, *, err: bool = False) -> str:
    """Coloured on a terminal that did not ask for plain text."""
    plain = "NO_COLOR" in os.environ or not (sys.stderr if err else sys.stdout).isatty()
    return text if plain else click.style(text, fg=colour, bold=True)


def safe(text: str) -> str:
    """Text of unknown origin for a terminal: control characters shown, not obeyed."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
