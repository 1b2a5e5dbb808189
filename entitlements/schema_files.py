"""The JSON Schemas in the package, and the line by which an editor finds one beside a file. Imports nothing of ours."""

from __future__ import annotations

import os
from pathlib import Path

NAMES = ("approvals", "check", "contract", "lock", "record")
_FOLDER = Path(__file__).resolve().parent / "schemas"


def schema_text(name: str) -> str:
    """The schema of one of NAMES, as its file has it."""
    return (_FOLDER / f"{name}.json").read_text(encoding="utf-8")


def schema_name(name: str) -> str:
    """How the file is called that an editor reads."""
    return f"{name}.schema.json"


def editor_line(file: Path, folder: Path, name: str) -> str:
    """The first line of a YAML file, which names its schema in `folder` by a relative path."""
    return f"# yaml-language-server: $schema={os.path.relpath(folder / schema_name(name), file.parent)}\n"
