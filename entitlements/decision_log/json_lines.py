"""One JSON line a decision, appended with one write and handed to the system before the answer leaves."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

from entitlements.decision_log.record import DecisionRecord
from entitlements.errors import DecisionLogUnavailable, StartupFault
from entitlements.model import PartHealth


class JsonLinesLog:
    """Appends records to a file descriptor.

    A line is one `write` of the whole record, so a killed process leaves either the whole line or none of it. After
    a write that the system cut short the next record starts on a line of its own.
    """

    def __init__(self, descriptor: int, *, owned: bool, torn: bool = False) -> None:
        self._descriptor = descriptor
        self._owned = owned
        self._lock = threading.Lock()
        self._torn = torn
        self._problem = ""

    def append(self, record: DecisionRecord) -> None:
        """Write one line. Raises DecisionLogUnavailable where it could not be written whole."""
        line = json.dumps(record.as_json(), ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
        with self._lock:
            data = b"\n" + line if self._torn else line
            try:
                written = os.write(self._descriptor, data)
            except OSError as error:
                self._problem = f"the decision log cannot be written: {os.strerror(error.errno or 0)}"
                raise DecisionLogUnavailable("decision_log_unavailable", self._problem) from None
            self._torn = written != len(data)
            self._problem = "the decision log was cut short" if self._torn else ""
            if self._torn:
                raise DecisionLogUnavailable("decision_log_unavailable", self._problem)

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
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
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
