"""The file at a path, as long as the path names it: compared before and after each write, and opened again.

A rotator renames, removes or truncates the file that a process holds open. What is written on into the old one is gone
when that is compressed or deleted, so the file is compared with its path (device, inode, links, length) and the path
is opened again when it names another one. Only the kind of file that stood there at the start is taken, and a symbolic
link never.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path

from entitlements.decision_log.recent_lines import RecentLines

# Not blocking: to open a pipe that no one reads is an error, not a wait without end.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_ATTEMPTS = 5


class Change(Enum):
    """What became of the file that is written to."""

    NONE = ""
    MOVED = "moved"
    REMOVED = "removed"
    TRUNCATED = "truncated"


class LogFile:
    """A path that is appended to. `descriptor` is open on what the path named when it was last settled.

    torn: whether the file ended in the middle of a line when it was opened; lines: how many were written into it
    since. Raises OSError with words of its own where the path cannot be used.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.path = path
        self.descriptor = _open(path, None)
        self.torn = _ends_mid_line(path, self.descriptor)
        self.lines = 0
        self._opened = os.fstat(self.descriptor)
        self._end = 0
        self._behind_cut: tuple[int, bytes] | None = None
        self._recent = RecentLines(clock)

    @property
    def regular(self) -> bool:
        """Whether lines are kept in a file, and not handed on through a pipe or to a device."""
        return stat.S_ISREG(self._opened.st_mode)

    def wrote(self, line: bytes) -> None:
        """Remember that a line was appended whole."""
        self.lines += 1
        if not self.regular:
            return
        end = os.lseek(self.descriptor, 0, os.SEEK_CUR)
        if end < self._end:
            # Truncated just before this line, which stands behind the cut and needs no second look.
            self._behind_cut = (end - len(line), line)
        else:
            self._end = end
            self._recent.add(end - len(line), line)

    def change(self) -> Change:
        """What happened to the file since it was opened. Costs two system calls."""
        try:
            mine = os.fstat(self.descriptor)
        except OSError:
            # A file server says so (ESTALE) where another of its clients removed the file.
            return Change.REMOVED
        try:
            stays = bool(mine.st_nlink) and os.path.samestat(mine, os.lstat(self.path))
        except OSError:
            stays = False
        if stays:
            return Change.TRUNCATED if self.regular and mine.st_size < self._end else Change.NONE
        # The links are counted anew: the file may have been removed between the two looks above.
        nameless = not os.fstat(self.descriptor).st_nlink
        return Change.REMOVED if nameless and self._was_removed_here() else Change.MOVED

    def open_again(self) -> None:
        """Open what the path names now, in place of what is open, or make it. Raises OSError; the old one stays."""
        with suppress(OSError):
            # Its mode may have been changed since, for a reader of the log.
            self._opened = os.fstat(self.descriptor)
        descriptor = _open(self.path, self._opened)
        with suppress(OSError):
            os.close(self.descriptor)
        self.descriptor = descriptor
        self.lines = self._end = 0
        self.torn = _ends_mid_line(self.path, descriptor)
        self._recent.clear()

    def begin_again(self) -> tuple[list[bytes], bool]:
        """Take the file as it was left by a truncation.

        Out: the latest lines that stand in no copy beside it, and whether there is a copy.
        """
        self.lines = 0
        self._end = os.fstat(self.descriptor).st_size
        self.torn = _ends_mid_line(self.path, self.descriptor)
        missing = self._recent.take_missing(self.path)
        if self._behind_cut is not None:
            self._recent.add(*self._behind_cut)
            self.lines, self._behind_cut = 1, None
        return missing

    def _was_removed_here(self) -> bool:
        """Whether a file without a name lost the one that it is known by here; a rotator's has had another one."""
        try:
            last = str(Path(f"/proc/self/fd/{self.descriptor}").readlink()).removesuffix(" (deleted)")
        except OSError:
            return True
        return last == str(self.path.parent.resolve() / self.path.name)


def takes_more(descriptor: int, seconds: float) -> bool:
    """Whether a pipe takes the next octets without blocking, or does so in time."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    return bool(waiting.poll(max(0.0, seconds) * 1000))


def _open(path: Path, before: os.stat_result | None) -> int:
    """A descriptor on what `path` names, of the kind of `before`, or on a new file. Raises OSError."""
    for _ in range(_ATTEMPTS):
        try:
            there = os.lstat(path)
        except FileNotFoundError:
            descriptor = _make(path, before)
        else:
            _check_kind(there, before)
            descriptor = _open_existing(path)
        if descriptor is None:
            continue
        try:
            _check_kind(os.fstat(descriptor), before)
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise OSError(errno.EAGAIN, "its path does not stay the same file")


def _open_existing(path: Path) -> int | None:
    try:
        return os.open(path, _FLAGS)
    except FileNotFoundError:
        return None


def _make(path: Path, before: os.stat_result | None) -> int | None:
    """A new file for its owner only; the group that could read the old one can read it too."""
    if before is not None and not stat.S_ISREG(before.st_mode):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    try:
        descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return None
    if before is not None and before.st_mode & stat.S_IRGRP:
        # Where the service is not of that group, no one but the owner reads the new file.
        with suppress(OSError):
            os.fchown(descriptor, -1, before.st_gid)
            os.fchmod(descriptor, 0o640)
    return descriptor


def _check_kind(found: os.stat_result, before: os.stat_result | None) -> None:
    """Raises OSError where a path names something that no line may go to."""
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link, name the file itself")
    if before is not None and stat.S_IFMT(found.st_mode) != stat.S_IFMT(before.st_mode):
        raise OSError(errno.EINVAL, "its path names another kind of file than at the start")
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode)):
        raise OSError(errno.EINVAL, "it is neither a file, nor a pipe, nor a character device")


def _ends_mid_line(path: Path, descriptor: int) -> bool:
    """Whether the next line must not follow the last octet. Who cannot read the file has to think so."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return False
    try:
        reader = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        return not os.path.samestat(os.fstat(reader), status) or os.pread(reader, 1, status.st_size - 1) != b"\n"
    except OSError:
        return True
    finally:
        os.close(reader)
