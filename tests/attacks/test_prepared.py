"""Commands in forks of a prepared process are the commands: how they end, what they print, and their time limit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.prepared import ROOT, Prepared


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    found = Prepared()
    yield found
    found.end()


@pytest.mark.parametrize(
    "arguments", [("contract", "lint"), ("contract", "show", "absent"), ("nonsense",), ("--help",)]
)
def test_a_fork_ends_as_a_process_of_its_own(arguments: tuple[str, ...], prepared: Prepared, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ENTITLEMENTS_POLICIES": str(tmp_path / "none")}
    alone = subprocess.run(
        [sys.executable, "-m", "entitlements", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    forked = prepared.run(arguments, environment=environment, seconds=120)
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_a_command_that_waits_forever_is_ended(prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / "opa").write_text("#!/bin/sh\nsleep 600\n")
    (tmp_path / "opa").chmod(0o755)
    hangs = {"PATH": os.environ["PATH"], "ENTITLEMENTS_OPA_BIN": str(tmp_path / "opa")}
    with pytest.raises(subprocess.TimeoutExpired):
        prepared.run(("contract", "lint"), environment=hangs, seconds=1)
    assert prepared.run(("--version",), environment={}, seconds=120).returncode == 0
