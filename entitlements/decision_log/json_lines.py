"""One JSON line a decision, appended with one write and handed to the system before the answer leaves."""

from __future__ import annotations

import json
import os
import select
import stat
import threading
import time
from pathlib import Path

from entitlements.decision_log.record import DecisionRecord
from entitlements.errors import DecisionLogUnavailable, StartupFault
from entitlements.model import PartHealth

# How long a record may wait for those before it and for a reader that has stopped reading a pipe.
_SECONDS = 1.0


class JsonLinesLog:
    """Appends records to a file descriptor.

    A line is one `write` of the whole record, so a killed process leaves either the whole line or none of it. Into a
    pipe it is written in pieces that never block, so that a reader who has stopped holds up nobody for long. After a
    write that was cut short the next record starts on a line of its own.
    """

    def __init__(self, descriptor: int, *, owned: bool, torn: bool = False) -> None:
        self._descriptor = descriptor
        self._owned = owned
        self._lock = threading.Lock()
        self._piece = 0 if stat.S_ISREG(os.fstat(descriptor).st_mode) else select.PIPE_BUF
        self._torn = torn
        self._problem = ""

    def append(self, record: DecisionRecord) -> None:
        """Write one line. Raises DecisionLogUnavailable where it could not be written whole."""
        line = json.dumps(record.as_json(), ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
        deadline = time.monotonic() + _SECONDS
        if not self._lock.acquire(timeout=_SECONDS):
            raise DecisionLogUnavailable("decision_log_unavailable", "the decision log is too slow")
        try:
            self._problem = self._write(b"\n" + line if self._torn else line, deadline)
        finally:
            self._lock.release()
        if self._problem:
            raise DecisionLogUnavailable("decision_log_unavailable", self._problem)

    def _write(self, data: bytes, deadline: float) -> str:
        """Write it all and say nothing, or say why not all was written."""
        step, written, problem = self._piece or len(data), 0, ""
        try:
            while written < len(data) and not problem:
                piece = data[written : written + step]
                if self._piece and not self._takes_more(deadline):
                    problem = "the decision log takes no more, its reader has stopped"
                    break
                done = os.write(self._descriptor, piece)
                written += done
                problem = "" if done == len(piece) else "the decision log was cut short"
        except OSError as error:
            problem = f"the decision log cannot be written: {os.strerror(error.errno or 0)}"
        self._torn = bool(problem) and (written > 0 or self._torn)
        return problem

    def _takes_more(self, deadline: float) -> bool:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        return bool(waiting.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def health(self) -> PartHealth:
        """Not ready from a failed write on until one succeeds."""
        return PartHealth(not self._problem, self._problem)

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._owned:
            os.close(self._descriptor)


def open_log(target: str) -> JsonLinesLog:
    """Open `stdout` or the file at the path `target` for appending (created with mode 0600).

    Raises StartupFault `decision_log_unwritable`.
    """
    if target == "stdout":
        return JsonLinesLog(1, owned=False)
    path = Path(target)
    try:
        # Not blocking: to open a pipe that nobody reads is an error, not a wait without end.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise StartupFault(
            "decision_log_unwritable", f"the decision log `{target}` cannot be opened: {os.strerror(error.errno or 0)}"
        ) from None
    return JsonLinesLog(descriptor, owned=True, torn=_ends_mid_line(path, descriptor))


def _ends_mid_line(path: Path, descriptor: int) -> bool:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
