"""`python -m tests.mutate [NAME…]`: break a copy of the code as each mutation says, and see whether its tests notice.

Prints a line a mutation. Exit code 0: every one was noticed; 1: one survived, or its tests do not run; 2: no such name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.mutate.mutation import Mutation
from tests.mutate.mutations import MUTATIONS

ROOT = Path(__file__).resolve().parents[2]
NOTICED, SURVIVED, BROKEN = "noticed", "SURVIVED", "BROKEN"
_FAILED = 1
"""The exit code of pytest where tests ran and failed; others say that they did not run."""
_SECONDS = 900


def copy_of_repository(folder: Path) -> None:
    """Copy the tracked files, as they are on disk, and compile them once."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    (folder / ".tools").symlink_to(ROOT / ".tools")
    # Held against the content of each file, not its time: a mutation may be as long and as old as what it replaces.
    compiling = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]
    subprocess.run([*compiling, "entitlements", "tests", "devkit"], cwd=folder, check=True)


def pytest(folder: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run these tests in the copy."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "COMPLIANCE": ""}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "--no-header", "--color=no", *tests],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def outcome(folder: Path, mutation: Mutation) -> tuple[str, str]:
    """What became of one mutation, and the line that tells more."""
    file = folder / "entitlements" / mutation.file
    source = file.read_text(encoding="utf-8")
    if source.count(mutation.old) != 1:
        return BROKEN, f"its old text stands {source.count(mutation.old)} times in {mutation.file}"
    file.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        done = pytest(folder, mutation.tests)
    except subprocess.TimeoutExpired:
        return BROKEN, f"its tests take more than {_SECONDS} seconds"
    finally:
        file.write_text(source, encoding="utf-8")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode == _FAILED and lines and lines[0].startswith("FAILED"):
        return NOTICED, lines[0].removeprefix("FAILED ").partition("[")[0].partition(" - ")[0]
    if done.returncode == 0:
        return SURVIVED, mutation.why
    return BROKEN, f"pytest ended with {done.returncode}: {(lines or [done.stdout[-300:]])[0]}{done.stderr[-300:]}"


def run(mutations: Iterable[Mutation]) -> int:
    """Try each mutation; how many were not noticed."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="entitlements-mutate-") as name:
        folder = Path(name).resolve()
        copy_of_repository(folder)
        for mutation in mutations:
            started = time.monotonic()
            found, told = outcome(folder, mutation)
            missed += found != NOTICED
            print(f"{found:8} {time.monotonic() - started:5.1f} s  {mutation.name}: {told}", flush=True)
    return missed


def unmutated(mutations: Iterable[Mutation]) -> int:
    """Run the tests of these mutations on the code as it is: what fails anyway notices nothing. The exit code."""
    with tempfile.TemporaryDirectory(prefix="entitlements-mutate-") as name:
        folder = Path(name).resolve()
        copy_of_repository(folder)
        tests = dict.fromkeys(test for mutation in mutations for test in mutation.tests)
        done = pytest(folder, [*tests])
        told = f"{done.stdout[-3000:]}{done.stderr[-1000:]}"
        print(told if done.returncode else "the code as it is passes the tests of the mutations")
        return done.returncode


def main(names: Sequence[str]) -> int:
    """Try all mutations, or those of these names; `--unmutated` before them runs their tests on the code as it is."""
    plain = "--unmutated" in names
    wanted = [name for name in names if name != "--unmutated"]
    known = {mutation.name: mutation for mutation in MUTATIONS}
    if strange := [name for name in wanted if name not in known]:
        print(f"there is no mutation `{strange[0]}`; there are: {', '.join(known)}")
        return 2
    chosen = [known[name] for name in wanted] or [*MUTATIONS]
    return 1 if (unmutated(chosen) if plain else run(chosen)) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
