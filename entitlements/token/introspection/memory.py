"""Answers of an introspection endpoint that are cached for a while, bounded in number, size and age.

What is cached is the answer itself, by the SHA-256 of the whole token: it is judged anew for each request, so that
neither times nor keys nor contracts of the moment it came in outlive that moment.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from entitlements.token.introspection.answer import Answer

_BYTES_PER_ENTRY = 2048


def name_of(token: str) -> bytes:
    """What an answer is cached under, and what two questions for one token share. Every text has a name."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class AnswerMemory:
    """Forgets what is older than `seconds` of a monotonic clock, and what was not used for longest. For many threads.

    entries: how many answers are cached, and of how many times 2 KiB in all; 0 remembers none.
    """

    def __init__(self, entries: int, seconds: float) -> None:
        self._entries = entries
        self._seconds = seconds
        self._lock = threading.Lock()
        self._cached: OrderedDict[bytes, tuple[Answer, float]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._cached)

    def get(self, name: bytes, now: float) -> Answer | None:
        """What is cached and young enough at `now`."""
        with self._lock:
            answer, since = self._cached.get(name, (None, 0.0))
            if answer is None:
                return None
            if not 0 <= now - since < self._seconds:
                self._drop(name)
                return None
            self._cached.move_to_end(name)
            return answer

    def put(self, name: bytes, answer: Answer, since: float) -> None:
        """Remember an answer to a question that was asked at `since`."""
        with self._lock:
            self._drop(name)
            self._cached[name] = answer, since
            self._bytes += len(answer.body)
            while len(self._cached) > self._entries or self._bytes > self._entries * _BYTES_PER_ENTRY:
                self._drop(next(iter(self._cached)))

    def forget(self, name: bytes) -> None:
        """Forget one answer."""
        with self._lock:
            self._drop(name)

    def _drop(self, name: bytes) -> None:
        answer, _ = self._cached.pop(name, (None, 0.0))
        self._bytes -= len(answer.body) if answer is not None else 0
