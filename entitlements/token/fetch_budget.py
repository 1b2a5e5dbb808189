"""How often key ids that no one knows may make the service ask an issuer."""

from __future__ import annotations

import math


class FetchBudget:
    """A burst of fetches, then one in each cooldown; a cooldown without a fetch gives one back.

    burst: fetches at once, at least 1; cooldown: in seconds. Every `now` is in seconds of `time.monotonic()`.
    Not safe to use from many threads: whoever owns it holds a lock.
    """

    def __init__(self, burst: int, cooldown: float) -> None:
        self._burst = burst
        self._cooldown = cooldown
        self._left = burst
        self._since = -math.inf

    def take(self, now: float) -> bool:
        """Whether a fetch may be made now; it is counted as made."""
        self._give_back(now)
        if self._left == 0:
            return False
        if self._left == self._burst:
            self._since = now
        self._left -= 1
        return True

    def seconds_left(self, now: float) -> float:
        """How long until a fetch may be made; 0 where one may be made now."""
        self._give_back(now)
        return 0.0 if self._left else max(self._since + self._cooldown - now, 0.0)

    def _give_back(self, now: float) -> None:
        if self._left < self._burst and now - self._since >= self._cooldown:
            cooldowns = int((now - self._since) // self._cooldown)
            self._left = min(self._burst, self._left + cooldowns)
            self._since += cooldowns * self._cooldown
