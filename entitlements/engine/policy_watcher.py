"""A folder of policies, watched: what is built of it after each edit is activated, what cannot be is told.

The watcher knows neither how a bundle is built nor who serves it. Whatever goes wrong in a turn, it takes the next one;
that it has died or hangs is told by its health.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from entitlements.errors import StartupFault
from entitlements.folder import Fingerprint
from entitlements.model import PartHealth

_POLL_SECONDS = 0.5
# How long a turn may take, the build of a large folder on a busy machine included.
_LATE_SECONDS = 10.0
# What passes by itself: it is tried again without an edit.
_PASSING = frozenset({"policy_not_locked", "opa_failed", "opa_not_started"})
Built = TypeVar("Built")


class PolicyWatcher(Generic[Built]):
    """Looks at files now and then; where one changed, activates what `build` makes of them.

    fingerprint: what differs once a file does; seen: the fingerprint of the files that serve already, taken before they
    were read; clock: a monotonic one. It looks by itself once `start` was called.
    """

    def __init__(
        self,
        fingerprint: Callable[[], Fingerprint],
        build: Callable[[], Built],
        activate: Callable[[Built], None],
        *,
        seen: Fingerprint,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fingerprint = fingerprint
        self._build = build
        self._activate = activate
        self._seen = seen
        self._clock = clock
        self._looked = clock()
        self._problem = ""
        self._tries_again = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy-watcher", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._looked = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A turn that is under way is not waited for."""
        self._stopping.set()

    def look(self) -> None:
        """One turn: build and activate if a file changed, or if what failed may pass by itself. Raises nothing."""
        now = self._fingerprint()
        if now != self._seen or self._tries_again:
            self._seen = now
            self._problem, self._tries_again = self._outcome()
        self._looked = self._clock()

    def health(self) -> PartHealth:
        """Red while the files are not what serves, and while nobody looks at them."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set():
            return PartHealth(False, "the policies are watched no more: start the service again")
        late = self._clock() - self._looked
        if late > _LATE_SECONDS:
            return PartHealth(False, f"the policies were not looked at for {late:.0f} seconds, a build or a disk hangs")
        return PartHealth(not self._problem, self._problem)

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            self.look()

    def _outcome(self) -> tuple[str, bool]:
        """What is wrong with the files, or nothing, and whether it may pass by itself."""
        try:
            self._activate(self._build())
        except StartupFault as fault:
            details = "; ".join(map(str, fault.faults))
            problem = f"{fault.message}, the last good policy serves: {details}" if details else fault.message
            return problem, fault.code in _PASSING
        except OSError as error:
            return f"the policies cannot be read: {error.strerror or 'input or output failed'}", True
        except Exception as error:
            # A build reads files of any content. Whatever it does not foresee is told and must not end the watching.
            return f"the policies cannot be built, the last good policy serves: {type(error).__name__}", True
        return "", False
