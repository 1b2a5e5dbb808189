"""What came of the fetches of one document."""

from __future__ import annotations

from entitlements.model import Fetched, Problem


class FetchLog:
    """Counts the fetches that failed, and keeps what is wrong now. Called by one thread at a time."""

    def __init__(self) -> None:
        self.problem: Problem | None = None
        self._failures = 0
        self._last = ""
        self._when = 0.0

    def succeeded(self) -> None:
        """The last fetch brought the document."""
        self.problem = None

    def failed(self, problem: Problem, now: float) -> None:
        """The last fetch brought nothing that can be used."""
        self.problem = problem
        self._failures += 1
        self._last, self._when = problem.code, now

    def told(self, what: str, source: str, age: float | None, now: float) -> Fetched:
        """See `Fetched`."""
        since = now - self._when if self._failures else None
        return Fetched(what, source, age, self._failures, self._last, since)
