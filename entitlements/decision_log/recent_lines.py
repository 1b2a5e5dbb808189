"""The latest lines of a file, kept so that a truncation loses none.

Who rotates by copying and truncating loses what is written between the two. The copy holds the same octets at the same
places, so each of the latest lines can be looked up in it, and what it lacks is written again.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 10.0
_BYTES = 8 * 1024 * 1024
_COPIES = 16


@dataclass(frozen=True, slots=True)
class _Line:
    written: float
    offset: int
    data: bytes


class RecentLines:
    """Lines of the last seconds with their places in the file, bounded. clock: seconds, never going back."""

    def __init__(self, clock: Callable[[], float], *, seconds: float = _SECONDS, most: int = _BYTES) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._lines: deque[_Line] = deque()
        self._held = 0

    def add(self, offset: int, line: bytes) -> None:
        """Keep one line that stands at `offset`, and let go of what is old or too much."""
        now = self._clock()
        self._lines.append(_Line(now, offset, line))
        self._held += len(line)
        while self._held > self._most or self._lines[0].written < now - self._seconds:
            self._held -= len(self._lines.popleft().data)

    def clear(self) -> None:
        """Let go of all."""
        self._lines.clear()
        self._held = 0

    def take_missing(self, path: Path) -> tuple[list[bytes], bool]:
        """The lines that stand in no copy of the file at `path`, and whether there is a copy beside it."""
        first = self._clock() - self._seconds
        lines = [line for line in self._lines if line.written >= first]
        self.clear()
        missing = [_missing_from(copy, lines) for copy in _copies(path)]
        best = min(missing, key=len, default=lines)
        return [line.data for line in best], len(best) < len(lines)


def _copies(path: Path) -> Iterator[Path]:
    """The newest files beside `path` whose names begin as its own does."""
    found: list[tuple[float, Path]] = []
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(path.stem) and entry.name != path.name:
                with suppress(OSError):
                    if entry.is_file(follow_symlinks=False):
                        found.append((entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)))
    return (copy for _, copy in sorted(found, reverse=True)[:_COPIES])


def _missing_from(copy: Path, lines: list[_Line]) -> list[_Line]:
    try:
        descriptor = os.open(copy, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return lines
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return lines
        return [line for line in lines if os.pread(descriptor, len(line.data), line.offset) != line.data]
    except OSError:
        return lines
    finally:
        os.close(descriptor)
