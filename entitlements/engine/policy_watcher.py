"""A folder of policies, watched: what is built of it after each edit is activated, what cannot be is reported.

The watcher knows neither how a bundle is built nor who serves it. Whatever goes wrong in a turn, it takes the next one;
that it has died or hangs is reported by its health.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from entitlements.errors import StartupFault
from entitlements.folder import Fingerprint
from entitlements.model import PartHealth, Problem, not_ready

_POLL_SECONDS = 0.5
# How long a turn may take, the build of a large folder on a busy machine included.
_LATE_SECONDS = 10.0
# What passes by itself: it is tried again without an edit.
_PASSING = frozenset({"opa_failed", "opa_not_started"})
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
        self._problems: tuple[Problem, ...] = ()
        self._tries_again = False
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy-watcher", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._looked = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A turn that is under way is not waited for."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """Take the next turn now."""
        self._woken.set()

    def look(self) -> None:
        """One turn: build and activate if a file changed, or if what failed may pass by itself. Raises nothing."""
        now = self._fingerprint()
        if now != self._seen or self._tries_again:
            self._seen = now
            self._problems, self._tries_again = self._outcome()
        self._looked = self._clock()

    def health(self) -> PartHealth:
        """Not ready while the files are not what serves, and while no one looks at them."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set():
            return not_ready("watch_ended", "the policies are watched no more: start the service again")
        late = self._clock() - self._looked
        if late > _LATE_SECONDS:
            text = f"the policies were not looked at for {late:.0f} seconds, a build or a disk hangs"
            return not_ready("watch_late", text)
        return PartHealth(not self._problems, self._problems)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(_POLL_SECONDS)
            self._woken.clear()
            if not self._stopping.is_set():
                self.look()

    def _outcome(self) -> tuple[tuple[Problem, ...], bool]:
        """What is wrong with the files, or nothing, and whether it may pass by itself."""
        try:
            self._activate(self._build())
        except StartupFault as fault:
            return _refused(fault), fault.code in _PASSING
        except OSError as error:
            text = f"the policies cannot be read: {error.strerror or 'input or output failed'}"
            return (Problem("policy_unreadable", text),), True
        except Exception as error:
            # A build reads files of any content. Whatever it does not foresee is reported and must not end the
            # watching.
            text = f"the policies cannot be built, the last good policy serves: {type(error).__name__}"
            return (Problem("internal_error", text),), True
        return (), False


def _refused(fault: StartupFault) -> tuple[Problem, ...]:
    """One problem for each code among the faults, all of its faults reported in one."""
    if not fault.faults:
        return (Problem(fault.code, fault.message),)
    by_code: dict[str, list[str]] = {}
    for one in fault.faults:
        by_code.setdefault(one.code, []).append(str(one))
    return tuple(
        Problem(code, f"{fault.message}, the last good policy serves: {'; '.join(problems)}")
        for code, problems in by_code.items()
    )
