"""No test is lost in passing: every id that there once was is there, or stands in test_ids_gone.txt with its reason."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KNOWN, GONE = ROOT / "tests" / "test_ids.txt", ROOT / "tests" / "test_ids_gone.txt"
_LONG = 300


def short(name: str) -> str:
    """An id as the list holds it: one of many letters by its beginning and its digest."""
    return name if len(name) <= _LONG else f"{name[:100]}…{hashlib.sha256(name.encode()).hexdigest()}"


def collected() -> set[str]:
    """The ids of today, in a process of its own: whoever runs this test may have named a few files only."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COMPLIANCE"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:xdist", "--no-header", "--color=no"],
        cwd=ROOT,
        env={**environment, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    told = done.stdout.partition("= ERRORS =")[2] or done.stdout[-2000:]
    assert done.returncode == 0, f"not all tests can be collected: {told[:4000]}{done.stderr[-2000:]}"
    return {short(line) for line in done.stdout.splitlines() if "::" in line}


def gone() -> dict[str, str]:
    """What is told to be gone, by id, by test or by file, and why."""
    found = {}
    for line in GONE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, separator, reason = line.rpartition(" -- ")
            assert separator, f"`{line}` has no reason: ID -- REASON"
            assert len(reason) >= 10, f"`{line}` gives no reason"
            found[name] = reason
    return found


def is_told(name: str, told: dict[str, str]) -> bool:
    return bool({name, name.partition("[")[0], name.partition("::")[0]} & told.keys())


def test_every_id_of_before_is_there_or_its_end_is_told() -> None:
    known = set(KNOWN.read_text(encoding="utf-8").splitlines())
    told = gone()
    lost = sorted(name for name in known - collected() if not is_told(name, told))
    lines = "\n".join(f"{name} -- " for name in lost[:40])
    assert not lost, (
        f"{len(lost)} tests of before are gone:\n{lines}\n"
        "Bring them back. Where the behaviour was changed, or the test was renamed, append these lines, each with its "
        "reason behind `--`, to tests/test_ids_gone.txt; an ID may leave out the parameters, or be a file. Never take "
        "a line out of test_ids.txt"
    )


def test_nothing_is_told_to_be_gone_that_never_was() -> None:
    known = set(KNOWN.read_text(encoding="utf-8").splitlines())
    names = known | {name.partition("[")[0] for name in known} | {name.partition("::")[0] for name in known}
    assert not gone().keys() - names


def test_an_id_is_covered_by_itself_its_test_or_its_file_only() -> None:
    for name in ("a.py::test_x[1]", "a.py::test_x", "a.py"):
        assert is_told("a.py::test_x[1]", {name: "the behaviour changed"})
    for name in ("a.py::test_x[2]", "a.py::test", "b.py", ""):
        assert not is_told("a.py::test_x[1]", {name: "the behaviour changed"})
