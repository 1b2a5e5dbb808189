"""How often the question of new access is decided on realistic policies: `python -m bench.field`.

Each change of each policy is checked; the answer is held against what its file says, and the rate and the median of
the seconds are printed. Exit 1 where fewer than 90 % are decided, or where an answer is false.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.field.case import Change, load
from bench.field.truth import faults
from devkit.service import ROOT
from entitlements.engine import Opa, find_opa
from entitlements.errors import EntitlementsError
from entitlements.files import write_files
from entitlements.proof import PROVED, REFUTED, Access, Side, compare_access

_ENOUGH = 0.9


@dataclass(frozen=True)
class Outcome:
    """What came of one change. false: it says the contrary of the truth; told: the reason, or what failed."""

    change: Change
    answer: str
    seconds: float
    told: str

    @property
    def decided(self) -> bool:
        """Whether the question has an answer."""
        return self.answer in (PROVED, REFUTED)

    @property
    def false(self) -> bool:
        """Whether a proof hides a widening, or a witness is shown where nothing widens."""
        return self.answer == (PROVED if self.change.widens else REFUTED)

    def __str__(self) -> str:
        mark = "FALSE " if self.false else "" if self.decided else "- "
        told = "" if self.decided else f": {' '.join(self.told.split())[:200]}"
        return f"{mark}{self.change.name}: {self.answer} [{self.seconds:.1f} s]{told}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the set and print the rate."""
    parser = argparse.ArgumentParser(prog="python -m bench.field", description=__doc__)
    parser.add_argument("cases", nargs="*", help="beginnings of the names of cases, otherwise all")
    parser.add_argument("--truth", action="store_true", help="only see whether the files are right about the changes")
    parser.add_argument("--command", action="store_true", help="run `entitlements contract check` for each change")
    options = parser.parse_args(arguments)
    opa = Opa(
        find_opa(
            configured=os.environ.get("ENTITLEMENTS_OPA_BIN", ""), tools=ROOT / ".tools", search_path=os.environ["PATH"]
        )
    )
    chosen = load(options.cases)
    if options.truth:
        return _truth(chosen, opa)
    outcomes = []
    for change in chosen:
        outcomes.append(_checked(change, opa, by_command=options.command))
        print(outcomes[-1], flush=True)
    return rate(outcomes)


def _truth(chosen: Sequence[Change], opa: Opa) -> int:
    wrong = 0
    for change in chosen:
        with tempfile.TemporaryDirectory(prefix="entitlements-field-") as name:
            try:
                found = faults(change, opa, Path(name))
            except EntitlementsError as error:
                found = [_told(error)]
        for fault in found:
            wrong += 1
            print(f"{change.name}: {fault}", flush=True)
    print(f"{len(chosen)} changes, {wrong} faults")
    return 1 if wrong else 0


def _checked(change: Change, opa: Opa, *, by_command: bool) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="entitlements-field-") as name:
        sides = change.write(Path(name))
        if by_command:
            return _by_command(change, sides, opa, Path(name))
        old, new = change.contracts
        begun = time.perf_counter()
        try:
            access = compare_access(
                Side(old, sides[0], old.decision_path), Side(new, sides[1], new.decision_path), opa=opa
            )
        except EntitlementsError as error:
            return Outcome(change, error.code, time.perf_counter() - begun, _told(error))
        return _outcome(change, access, time.perf_counter() - begun)


def _told(error: EntitlementsError) -> str:
    return f"{error}: " + "; ".join(str(one) for one in getattr(error, "faults", ()))


def _outcome(change: Change, access: Access, seconds: float) -> Outcome:
    answer = access.no_new_access
    return Outcome(change, answer.answer, seconds, answer.reason or str(dict(answer.bounds)))


def _by_command(change: Change, sides: tuple[Path, Path], opa: Opa, folder: Path) -> Outcome:
    """The same by the command itself, from its start to its end."""
    names = ("1.0.0.yaml", "2.0.0.yaml")
    write_files(folder / "contracts" / "field", dict(zip(names, map(str.encode, change.documents), strict=True)))
    files = [folder / "contracts" / "field" / one for one in names]
    command = [sys.executable, "-c", "import sys; from entitlements.cli import main; sys.exit(main())", "contract"]
    command += ["check", *map(str, files), "--policies-old", str(sides[0]), "--policies", str(sides[1])]
    begun = time.perf_counter()
    done = subprocess.run(
        [*command, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ENTITLEMENTS_OPA_BIN": str(opa)},
    )
    return _read(change, done.stdout, done.stderr, time.perf_counter() - begun)


def _read(change: Change, output: str, errors: str, seconds: float) -> Outcome:
    try:
        answer = json.loads(output)["access"]["no_new_access"]
    except (ValueError, KeyError):
        return Outcome(change, "failed", seconds, errors or output)
    return Outcome(change, answer["answer"], seconds, answer["reason"] or str(answer["bounds"]))


def rate(outcomes: Sequence[Outcome]) -> int:
    """Print the rate. Gives the exit code: 1 below nine tenths decided, and on a false answer."""
    decided = sum(one.decided for one in outcomes)
    false = sum(one.false for one in outcomes)
    seconds = sorted(one.seconds for one in outcomes)
    rate = decided / max(1, len(outcomes))
    print(
        f"{len(outcomes)} changes, {decided} decided ({rate:.0%}), {false} false, median "
        f"{statistics.median(seconds or [0]):.2f} s, longest {max(seconds, default=0):.1f} s"
    )
    return 0 if rate >= _ENOUGH and not false and outcomes else 1


if __name__ == "__main__":
    sys.exit(main())
