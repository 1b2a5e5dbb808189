"""The state that a new lock is compared with: what was locked last, found where no one can have edited it by hand.

In a git repository that is the last commit's lock with its release, so that a lock can be made again and again before
it is committed. Elsewhere it is the lock that is there. Only where nothing knows an earlier lock is there no base.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from entitlements.contract import LOCK_NAME, Lock, base_unreadable, parse_lock
from entitlements.deployment.history import SHALLOW, History
from entitlements.deployment.state import BUNDLE, FOLDER, State, read_state
from entitlements.errors import ContractsInvalid, Fault, StartupFault
from entitlements.files import write_files

EMPTY = Lock({}, {})


@dataclass(frozen=True)
class Base:
    """What was locked last. state: None where nothing ever was; where: how to name it to a person; history: git's."""

    state: State | None
    where: str
    history: History | None = None

    @property
    def lock(self) -> Lock:
        """Its lock, empty where there is none."""
        return self.state.lock if self.state is not None else EMPTY


def find_base(contracts: Path, stack: ExitStack, against: str | None = None) -> Base:
    """Find what a new lock has to be compared with.

    against: `git:REF`, where someone names it; stack: ends the files that were taken out of git. Raises
    ContractsInvalid where the base cannot be read, and StartupFault where an earlier lock is known and not there.
    """
    history = History.of(contracts)
    if against is not None:
        return _named(contracts, history, against, stack)
    if history is not None and history.file("HEAD", LOCK_NAME) is not None:
        return Base(_state_at(history, "HEAD", stack), "the last commit", history)
    if (contracts / LOCK_NAME).exists():
        return Base(read_state(contracts), str(contracts / LOCK_NAME), history)
    _refuse_forgotten(contracts, history)
    return Base(None, "nothing", history)


def refuse_known_audience(base: Base, audience: str) -> None:
    """Raise StartupFault where git knows an earlier pin of an audience that the base does not pin."""
    if base.history is None:
        return
    if base.history.shallow:
        raise base_unreadable(SHALLOW)
    for commit in base.history.commits():
        if _pinned_at(base.history, commit, audience):
            raise _forgotten(
                f"`{audience}` was pinned before (commit {commit[:12]}) and is not in {base.where}: name the state "
                f"that served it last with `--against git:{commit[:12]}`"
            )


def _pinned_at(history: History, commit: str, audience: str) -> bool:
    """Whether the lock of a commit pins an audience; one that cannot be read does where it names it."""
    text = (history.file(commit, LOCK_NAME) or b"").decode(errors="replace")
    try:
        return bool(text) and audience in parse_lock(text, Path(LOCK_NAME)).pins
    except ContractsInvalid:
        return audience in text


def _named(contracts: Path, history: History | None, against: str, stack: ExitStack) -> Base:
    kind, _, reference = against.partition(":")
    if kind != "git" or not reference:
        raise base_unreadable(f"`{against}` is not `git:REF`, for example `git:origin/main`")
    if history is None:
        raise base_unreadable(f"`{contracts}` is not in a git repository")
    if history.file(reference, LOCK_NAME) is None:
        raise base_unreadable(f"`{reference}` has no {LOCK_NAME} for `{contracts}`")
    return Base(_state_at(history, reference, stack), reference, history)


def _state_at(history: History, reference: str, stack: ExitStack) -> State:
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="entitlements-base-")))
    write_files(folder, dict(history.files(reference)))
    try:
        return read_state(folder)
    except ContractsInvalid as error:
        faults = [
            Fault(one.code, f"at {reference}: {one.message}", one.file.removeprefix(f"{folder}/"), one.line, one.path)
            for one in error.faults
        ]
        raise ContractsInvalid(error.code, f"the base at {reference} cannot be used", faults) from None


def _refuse_forgotten(contracts: Path, history: History | None) -> None:
    """Raise where there is no lock, but something knows of one: it is not a first lock then."""
    if (contracts / FOLDER / BUNDLE).exists():
        raise _forgotten(
            f"there is a release in `{contracts / FOLDER}` and no {LOCK_NAME}: bring the lock back, "
            "or name the state that serves with `--against git:REF`"
        )
    records = sorted(contracts.glob("*/*.proof.json"))
    if records:
        raise _forgotten(f"`{records[0]}` is the record of an earlier lock and there is no {LOCK_NAME}: bring it back")
    if history is None:
        return
    if history.shallow:
        raise base_unreadable(SHALLOW)
    commits = history.commits()
    if commits:
        raise _forgotten(
            f"{LOCK_NAME} was removed in commit {commits[0][:12]}, so this is not a first lock: bring it back "
            f"(`git checkout {commits[0][:12]}^ -- {contracts}`), or name it with `--against git:{commits[0][:12]}^`"
        )


def _forgotten(why: str) -> StartupFault:
    return StartupFault("earlier_lock_known", why, [Fault("earlier_lock_known", why)])
