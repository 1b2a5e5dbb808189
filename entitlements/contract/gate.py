"""The gate of a deployment: policies serve only as they were locked, and only if that was proved or approved."""

from __future__ import annotations

import threading
from pathlib import Path

from entitlements.contract.lock import LOCK_NAME, Lock, read_lock
from entitlements.errors import ContractsInvalid, Fault


def gate_faults(lock: Lock, policy_digest: str, file: str) -> list[Fault]:
    """Why the pinned contracts and the policies on disk may not be served; nothing where they may."""
    faults = []
    for pin in lock.pins.values():
        place = f"{pin.contract}@{pin.version}"
        if pin.policy != policy_digest:
            text = "the policies are not the locked ones, run `entitlements contract lock`"
            faults.append(Fault("policy_not_locked", text, file, path=place))
        elif not pin.passes:
            text = f"the check answered `{pin.check}` and nobody approved it, run `entitlements contract check`"
            faults.append(Fault("check_not_passed", text, file, path=place))
    return faults


class PolicyGate:
    """Says whether a policy revision is the locked one; reads the lock again when it changed. Safe for many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._admitted: frozenset[str] = frozenset()

    def admits(self, revision: str) -> bool:
        """Whether every pin of the lock names this revision and passes. False while the lock cannot be read."""
        with self._lock:
            self._look()
            return revision in self._admitted

    def _look(self) -> None:
        try:
            status = (self._folder / LOCK_NAME).stat()
        except OSError:
            self._seen, self._admitted = None, frozenset()
            return
        seen = (status.st_mtime_ns, status.st_ino)
        if seen == self._seen:
            return
        try:
            pins = read_lock(self._folder).pins.values()
        except ContractsInvalid:
            self._seen, self._admitted = None, frozenset()
            return
        revisions = {pin.policy for pin in pins}
        passes = len(revisions) == 1 and all(pin.passes for pin in pins)
        self._seen, self._admitted = seen, frozenset(revisions) if passes else frozenset()
