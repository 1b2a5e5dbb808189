"""How many lines a second refused tokens may cost.

Anyone can send tokens that are refused, and each one is a line: a flood would fill the disk, and a full disk ends all
decisions. Beyond the limit refusals are counted by cause, and one summary represents them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_SUMMARY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Refusals that have no line of their own: how many by cause, and over how many seconds."""

    codes: dict[str, int]
    seconds: float

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.codes.values())


class RejectLimit:
    """A token bucket that holds one second's worth. clock: seconds, never going back."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._left = float(per_second)
        self._filled = clock()
        self._unlisted: Counter[str] = Counter()
        self._since = 0.0
        self._total = 0

    def admits(self, code: str) -> bool:
        """Whether a refusal may have a line of its own; one that may not is counted."""
        with self._lock:
            now = self._clock()
            self._left = min(float(self._rate), self._left + (now - self._filled) * self._rate)
            self._filled = now
            if self._left >= 1:
                self._left -= 1
                return True
            if not self._unlisted:
                self._since = now
            self._unlisted[code] += 1
            self._total += 1
            return False

    def due(self, *, final: bool = False) -> Unlisted | None:
        """What a summary has to tell now: once a second, or whatever there is where `final`. It stays until `told`."""
        with self._lock:
            seconds = self._clock() - self._since
            if not self._unlisted or (seconds < _SUMMARY_SECONDS and not final):
                return None
            return Unlisted(dict(sorted(self._unlisted.items())), round(seconds, 3))

    def told(self, unlisted: Unlisted) -> None:
        """These stand in a summary now; what came since is kept for the next one."""
        with self._lock:
            self._unlisted = self._unlisted - Counter(unlisted.codes)
            self._since = self._clock()

    @property
    def total(self) -> int:
        """Refusals without a line of their own since the start."""
        return self._total
