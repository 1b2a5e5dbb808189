"""Programs of the tests that are fetched once, into .tools: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import STAGE

TOOLS = Path(__file__).resolve().parents[2] / ".tools"
_INSTALL_SECONDS = 240


class NotInstalled(Exception):
    """Something could not be fetched. The message is one line."""


def run(command: Sequence[str], folder: Path, seconds: int = _INSTALL_SECONDS) -> str:
    """What a command prints. Raises NotInstalled with its last line."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{Path(command[0]).name} did not end: {type(error).__name__}") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise NotInstalled(f"`{' '.join(map(os.path.basename, command[:4]))}` failed: {last}")
    return done.stdout + done.stderr


@contextlib.contextmanager
def made_beside(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `target` when it is whole: half of an installation is none."""
    making = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
        shutil.rmtree(target, ignore_errors=True)
        making.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def leave_out(what: str, cause: NotInstalled) -> None:
    """Skip with one line that is printed whatever the options; in CI this is a failure."""
    text = f"{STAGE}the tests with {what}, which cannot be installed: {cause}"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)
