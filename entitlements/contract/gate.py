"""The gate of a deployment: policies serve only as they were locked, and only if that was proved or approved.

What is proved is a pair, contracts and policies. A process keeps the contracts that it started with, so a lock that
pins others says nothing of them: until it is started again, what it serves stays as it was locked before.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

from entitlements.contract.lock import LOCK_NAME, Lock, read_lock
from entitlements.errors import ContractsInvalid, Fault
from entitlements.model import ContractRef


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
    """Says whether a policy revision is the locked one; reads the lock again when it changed. Safe for many threads.

    served: the contract versions that decide; the lock must know each as pinned or accepted, by its digest.
    """

    def __init__(self, folder: Path, served: Collection[ContractRef]) -> None:
        self._folder = folder
        self._served = frozenset(served)
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._admitted: frozenset[str] = frozenset()

    def admits(self, revision: str) -> bool:
        """Whether every pin of the lock names this revision and passes. False while the lock cannot be read.

        A lock that does not hold all that is served changes nothing.
        """
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
            lock = read_lock(self._folder)
        except ContractsInvalid:
            self._seen, self._admitted = None, frozenset()
            return
        self._seen = seen
        if not self._served <= _locked(lock):
            return
        pins = lock.pins.values()
        revisions = {pin.policy for pin in pins}
        passes = len(revisions) == 1 and all(pin.passes for pin in pins)
        self._admitted = frozenset(revisions) if passes else frozenset()


def _locked(lock: Lock) -> frozenset[ContractRef]:
    """The contract versions that the lock pins or accepts beside a pin."""
    return frozenset(
        ContractRef(pin.contract, version, lock.published.get(pin.contract, {}).get(version, ""))
        for pin in lock.pins.values()
        for version in (pin.version, *pin.also)
    )
