"""`entitlements policy upgrade`: Rego v0 becomes v1, and what a release cannot hold is told with what to write."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from entitlements.cli import render
from entitlements.engine import Opa, policy_files
from entitlements.engine.policy_files import check_files
from entitlements.engine.rego_upgrade import Upgrade, upgraded
from entitlements.errors import EntitlementsError, Fault, StartupFault
from entitlements.files import write_atomically
from entitlements.local_opa import opa_of

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    "upgrade",
    epilog="\b\nExamples:\n  entitlements policy upgrade policies\n  entitlements policy upgrade policies --write",
)
@click.argument("folder", type=_FOLDER)
@click.option("--write", is_flag=True, help="Write the files; without it the differences are printed.")
def upgrade(folder: Path, *, write: bool) -> None:
    """Rewrite policies in Rego v0 to v1 by OPA's own formatter, and tell what is left to do by hand.

    What is left: modules that are neither, built-ins that depend on more than the input, data outside of the folder,
    packages that do not stand in the folder of their name. docs/migrating.md says what to write instead.

    Exit code 0: nothing is left; 2: something cannot be read; 3: something is left.
    """
    settings = render.settings()
    try:
        opa = opa_of(settings)
        before = policy_files(folder, settings.limits)
        found = upgraded(before, folder, opa)
        if write:
            for name in found.changed:
                write_atomically((folder / name).resolve(), found.files[name])
        left = [*found.faults, *_left(found, folder, opa)]
    except (EntitlementsError, OSError) as error:
        render.fail(error if isinstance(error, EntitlementsError) else _unwritable(folder, error))
    for line in _told(before, found, folder, write=write):
        click.echo(line)
    for fault in left:
        click.echo(f"left to do  {fault}")
    sys.exit(render.NO if left else 0)


def _left(found: Upgrade, folder: Path, opa: Opa) -> list[Fault]:
    """What keeps the files from being served once they are upgraded."""
    if found.faults:
        # Beside a module that does not parse nothing can be said of the others.
        return []
    try:
        check_files(dict(found.files), folder, [], opa)
    except StartupFault as fault:
        return list(fault.faults)
    return []


def _told(before: dict[str, bytes], found: Upgrade, folder: Path, *, write: bool) -> Iterator[str]:
    for name in found.changed:
        if not write:
            old, new = (one.decode(errors="replace").splitlines() for one in (before[name], found.files[name]))
            yield from difflib.unified_diff(old, new, str(folder / name), f"{folder / name} (Rego v1)", lineterm="")
    modules = sum(name.endswith(".rego") for name in before)
    word = "rewritten" if write else "would be rewritten, with --write"
    yield f"{len(found.changed)} of {modules} modules {word}; {modules - len(found.changed)} are left as they are"


def _unwritable(folder: Path, error: OSError) -> StartupFault:
    return StartupFault("policy_unwritable", f"`{folder}` cannot be written: {error.strerror}")
