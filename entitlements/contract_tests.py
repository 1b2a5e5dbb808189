"""Contract tests: every contract, every step between two versions, every approval and the lock is a test of its own.

A step that widens access fails with its witness: token before, token after, request and the rule that granted.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from entitlements.checking import formats
from entitlements.checking.invariant_words import proved_lines
from entitlements.checking.step import HOLDS, Report, Step, check_step
from entitlements.contract import (
    APPROVALS_NAME,
    LOCK_NAME,
    Approval,
    Contract,
    load_approvals,
    load_file,
    read_lock,
    stale,
    versions,
)
from entitlements.contract.lock import load_all
from entitlements.contract.lock_plan import changed_since_published
from entitlements.deployment.history import History
from entitlements.deployment.reproving import reprove
from entitlements.deployment.truth import truth, unlockable_faults
from entitlements.errors import EntitlementsError, StartupFault
from entitlements.local_opa import opa_of
from entitlements.proof import PROVED
from entitlements.proof.invariants import Invariant, load_invariant, prove_invariant
from entitlements.settings import load_settings


def collector(path: Path, parent: pytest.Collector, *, contracts: Path, policies: Path) -> pytest.Collector | None:
    """The tests of one file of the contracts folder; None where it is none of its files."""
    stash = parent.config.stash
    if _WORLD not in stash:
        stash[_WORLD] = _World(contracts, policies)
    kind: Any = None
    if path.name.endswith("_invariant.rego"):
        kind = _InvariantFile
    elif path.parent.resolve() == contracts:
        kind = _LockFile if path.name == LOCK_NAME else None
    elif path.suffix == ".yaml":
        kind = _ApprovalsFile if path.name == APPROVALS_NAME else _VersionFile
    found: pytest.Collector | None = kind.from_parent(parent, path=path) if kind else None
    return found


@dataclass
class _World:
    """The folders, and the report on each step: a step and its approvals ask for the same one."""

    contracts: Path
    policies: Path
    reports: dict[Path, Report] = field(default_factory=dict)
    today: datetime.date = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date())

    def before(self, path: Path) -> Path | None:
        """The file of the version before, if there is one."""
        known = versions(self.contracts)[path.parent.name]
        place = [one.name for one in known].index(path.name)
        return known[place - 1] if place else None

    def report(self, old: Path, new: Path) -> Report:
        """What the step to `new` means under the policies as they are."""
        if new not in self.reports:
            sides = load_file(old, shown=_shown(old)), load_file(new, shown=_shown(new))
            self.reports[new] = check_step(
                # The policies go on after a step was locked: what they change then is a step of its own.
                replace(Step.of(*sides, (self.policies, self.policies)), any_policies=True),
                approvals=load_approvals(self.contracts, new.parent.name),
                contracts=self.contracts,
                today=self.today,
                opa=opa_of(load_settings(os.environ)),
            )
        return self.reports[new]


_WORLD = pytest.StashKey[_World]()


class _NotHeld(Exception):
    """A contract test failed; the message says it all."""


class _Test(pytest.Item):
    """One contract test: a function that raises where it does not hold."""

    def __init__(self, *, check: Callable[[], None], line: int = 1, **rest: Any) -> None:
        super().__init__(**rest)
        self._check = check
        self._line = line

    def runtest(self) -> None:
        """Run it."""
        self._check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What does not hold, in the words of the command line; no traceback of ours."""
        error = excinfo.value
        if isinstance(error, _NotHeld):
            return str(error)
        if isinstance(error, StartupFault):
            return "\n".join([error.message, *(f"  {fault}" for fault in error.faults)])
        if isinstance(error, EntitlementsError):
            return error.message
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands."""
        return self.path, self._line - 1, self.name


class _File(pytest.File):
    @property
    def world(self) -> _World:
        """What all contract tests of this run share."""
        return self.config.stash[_WORLD]

    def test(self, name: str, check: Callable[[], None], line: int = 1) -> _Test:
        """One test of this file."""
        made: _Test = _Test.from_parent(self, name=name, check=check, line=line)
        return made


class _VersionFile(_File):
    """`<name>/<version>.yaml`: the contract itself, and the step to it from the version before."""

    def collect(self) -> Iterator[pytest.Item]:
        """The tests."""
        yield self.test("contract", lambda: _ignore(load_file(self.path)))
        before = self.world.before(self.path)
        if before is not None:
            yield self.test(f"step[{before.stem}-{self.path.stem}]", lambda: self._step(before))

    def _step(self, before: Path) -> None:
        # Whether an approval still stands is a test of its own.
        report = replace(self.world.report(before, self.path), problems=())
        if report.exit_code != HOLDS:
            raise _NotHeld(formats.text([report]))


class _ApprovalsFile(_File):
    """`<name>/approvals.yaml`: each approval is unexpired and still covers something."""

    def collect(self) -> Iterator[pytest.Item]:
        """The tests."""
        try:
            approvals = load_approvals(self.world.contracts, self.path.parent.name)
        except StartupFault as error:
            fault = error
            yield self.test("approvals", lambda: _raise(fault))
            return
        for one in approvals:
            name = f"approval[{one.fingerprint}-{one.old}-{one.new}]"
            yield self.test(name, lambda one=one: self._approval(one), one.line)  # type: ignore[misc]

    def _approval(self, approval: Approval) -> None:
        new = self.path.with_name(f"{approval.new}.yaml")
        if approval.old == approval.new:
            # It accepts a change of policies alone, which the lock test judges: the old policies are not here.
            problems = stale(self.path, [approval], {approval.fingerprint}, self.world.today)
        elif not new.exists() or self.world.before(new) != self.path.with_name(f"{approval.old}.yaml"):
            raise _NotHeld(f"there is no step from {approval.old} to {approval.new}, take the approval out")
        else:
            found = self.world.report(self.path.with_name(f"{approval.old}.yaml"), new).problems
            problems = [problem for problem in found if problem.line == approval.line]
        if problems:
            raise _NotHeld("\n".join(map(str, problems)))


class _LockFile(_File):
    """`contracts.lock`: it holds together with its release, is true, and each record that it names is proved again."""

    def collect(self) -> Iterator[pytest.Item]:
        """The test."""
        yield self.test("lock", self._lock)

    def _lock(self) -> None:
        lock = read_lock(self.world.contracts)
        faults = changed_since_published(self.world.contracts, lock, load_all(self.world.contracts))
        state, untrue = truth(self.world.contracts, self.world.policies, self.world.today)
        executable = opa_of(load_settings(os.environ))
        if faults := [*faults, *untrue] or [*unlockable_faults(state, self.world.policies, executable)]:
            raise _NotHeld("\n".join(map(str, faults)))
        now = datetime.datetime.now(datetime.UTC)
        again = reprove(state, History.of(self.world.contracts), opa=executable, now=now)
        if told := [
            f"{one.file}: {', '.join(one.different)} differ when proved again" for one in again if one.different
        ]:
            raise _NotHeld("\n".join(told))


class _InvariantFile(_File):
    """`*_invariant.rego`: no permitted token and request give a violation, under each contract that it is about."""

    def collect(self) -> Iterator[pytest.Item]:
        """One test for each contract."""
        invariant = load_invariant(self.path, self.world.policies)
        newest = [load_file(paths[-1]).contract for paths in versions(self.world.contracts).values()]
        about = [one for one in newest if invariant.is_about(one)]
        if not about:
            fault = StartupFault("invariant_invalid", f"no contract has a policy of the package `{invariant.decides}`")
            yield self.test("invariant", lambda: _raise(fault))
        for contract in about:
            name = f"invariant[{contract.name}-{contract.version}]"
            yield self.test(name, lambda contract=contract: self._proved(invariant, contract))  # type: ignore[misc]

    def _proved(self, invariant: Invariant, contract: Contract) -> None:
        executable = opa_of(load_settings(os.environ))
        answers = prove_invariant(invariant, contract, self.world.policies, opa=executable)
        told = [line for one in answers if one.answer != PROVED for line in proved_lines(invariant, contract, one)]
        if told:
            raise _NotHeld("\n".join(told))


def _shown(path: Path) -> str:
    """The path as whoever started the run would type it."""
    return os.path.relpath(path)


def _ignore(_value: object) -> None:
    return None


def _raise(error: Exception) -> None:
    raise error
