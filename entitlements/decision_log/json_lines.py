"""One JSON line a decision, appended with one write and handed to the system before the answer leaves."""

from __future__ import annotations

import logging
import os
import select
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from entitlements.decision_log.line import line_of, marked
from entitlements.decision_log.log_file import Change, LogFile, takes_more
from entitlements.decision_log.record import DecisionRecord
from entitlements.decision_log.reject_limit import RejectLimit
from entitlements.errors import DecisionLogUnavailable, StartupFault
from entitlements.model import JSON, PartHealth, Problem

_LOG = logging.getLogger("entitlements")
# How long a record may wait for those before it and for a reader that has stopped reading a pipe.
_SECONDS = 1.0
_ATTEMPTS = 5
_WATCH_SECONDS = 0.25
_EVENTS = ("moved", "removed", "truncated", "lost", "written_again")


class JsonLinesLog:
    """Appends records to a file descriptor.

    A line is one `write` of the whole record, so a killed process leaves either the whole line or none of it. Into a
    pipe it is written in chunks that never block, so that a reader who has stopped holds up no one for long. After a
    write that was truncated the next record starts on a line of its own.

    file: where the lines go to a path; it is settled before each write, and a line that a rotation may have caught
    under way is written again. Without it `descriptor` is written to for good. rejects: how many refused tokens may
    have a line; None: all.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        owned: bool,
        file: LogFile | None = None,
        now: Callable[[], float] = time.time,
        rejects: RejectLimit | None = None,
    ) -> None:
        self._stream = descriptor
        self._now = now
        self._owned = owned
        self._file = file
        self._rejects = rejects
        self._lock = threading.Lock()
        self._chunk = 0 if stat.S_ISREG(os.fstat(descriptor).st_mode) else select.PIPE_BUF
        self._torn = file is not None and file.torn
        self._problem = ""
        self._unsettled = ""
        self._again: list[bytes] = []
        self._counts: Counter[str] = Counter(dict.fromkeys(_EVENTS, 0))
        self._alarms: dict[str, dict[str, JSON]] = {}
        self._closed = threading.Event()
        self._watching: threading.Thread | None = None

    @property
    def _descriptor(self) -> int:
        return self._stream if self._file is None else self._file.descriptor

    def append(self, record: DecisionRecord) -> None:
        """Write one whole line, or count a refused token beyond the limit. Raises DecisionLogUnavailable."""
        if record.effect == "reject" and self._rejects is not None and not self._rejects.admits(record.refusal):
            return
        line = line_of(record.as_json())
        deadline = time.monotonic() + _SECONDS
        if not self._lock.acquire(timeout=_SECONDS):
            raise DecisionLogUnavailable("decision_log_unavailable", "the decision log is too slow")
        try:
            self._noted(self._settle(deadline) or self._keep(line, deadline))
        finally:
            self._lock.release()

    def append_now(self, line: bytes) -> bool:
        """See LoopLog.append_now; False also while anything about the file is to be settled first."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not self._takes_now(line):
                return False
            self._noted(self._keep(line, time.monotonic()))
        finally:
            self._lock.release()
        return True

    def _noted(self, problem: str) -> None:
        """Raises DecisionLogUnavailable where there is a problem."""
        # What was written stays written: whether the next one can be is reported by the next look.
        self._problem = "" if problem == self._unsettled else problem
        if problem:
            raise DecisionLogUnavailable("decision_log_unavailable", problem)

    def _takes_now(self, line: bytes) -> bool:
        """Whether a line can be written without a wait, and nothing has to be done before."""
        if self._torn or self._problem or self._unsettled or self._again or self._closed.is_set():
            return False
        if self._file is not None and self._file.change() is not Change.NONE:
            return False
        return not self._chunk or (len(line) <= self._chunk and takes_more(self._descriptor, 0.0))

    def _keep(self, line: bytes, deadline: float) -> str:
        """Write one line into the file that the path names before and after. Out: empty, or why it could not be."""
        for _ in range(_ATTEMPTS):
            problem = self._write(line, deadline)
            if problem or self._file is None:
                return problem
            self._file.wrote(line)
            change = self._file.change()
            if change is Change.NONE:
                return ""
            if change is Change.TRUNCATED:
                return self._settle(deadline)
            # No one can say whether a rotator had read to the end of the file before this line came to stand there.
            self._file.lines -= 1
            line = marked(line)
            problem = self._settle(deadline)
            if problem:
                return problem
            self._counts["written_again"] += 1
        return "the decision log does not stay the same file"

    def _settle(self, deadline: float) -> str:
        """Make sure that the path names what is written to. Out: empty, or why it does not."""
        if self._closed.is_set():
            return "the decision log is closed"
        if self._file is None:
            return ""
        try:
            change = self._file.change()
            if change in (Change.MOVED, Change.REMOVED):
                self._replaced(self._file, change)
            elif change is Change.TRUNCATED:
                self._truncated(self._file)
            self._unsettled = ""
        except OSError as error:
            why = (error.strerror or "").lower()
            self._unsettled = f"the decision log `{self._file.path}` cannot be opened again: {why}"
        return self._unsettled or self._write_again(self._file, deadline)

    def _replaced(self, file: LogFile, change: Change) -> None:
        records = file.lines
        file.open_again()
        self._torn = file.torn
        self._counts[change.value] += 1
        if change is Change.REMOVED:
            self._lost(change, f"the decision log `{file.path}` was removed and is opened again", records)
        else:
            _LOG.info("the decision log `%s` was moved, a new one is opened", file.path)

    def _truncated(self, file: LogFile) -> None:
        records = file.lines
        missing, copied = file.begin_again()
        self._torn = file.torn
        self._counts[Change.TRUNCATED.value] += 1
        self._again += [marked(line) for line in missing]
        if copied:
            _LOG.info("the decision log `%s` was copied and truncated", file.path)
        else:
            text = f"the decision log `{file.path}` was truncated and no copy stands beside it"
            self._lost(Change.TRUNCATED, text, records - len(missing))

    def _write_again(self, file: LogFile, deadline: float) -> str:
        while self._again:
            problem = self._write(self._again[0], deadline)
            if problem:
                return problem
            file.wrote(self._again.pop(0))
            self._counts["written_again"] += 1
        return ""

    def _lost(self, change: Change, text: str, records: int) -> None:
        """Tell that records are gone: once to whoever reads standard error, and in `health` until the process ends."""
        _LOG.error("%s: %d records of this process stood in it", text, records)
        self._counts["lost"] += records
        code = f"decision_log_{change.value}"
        before = self._alarms.get(code, {}).get("records", 0)
        self._alarms[code] = {"code": code, "time": self._time("seconds"), "records": int(str(before)) + records}

    def _write(self, data: bytes, deadline: float) -> str:
        """Write it all and say nothing, or say why not all was written."""
        data = b"\n" + data if self._torn else data
        step, written, problem = self._chunk or len(data), 0, ""
        try:
            while written < len(data) and not problem:
                chunk = data[written : written + step]
                if self._chunk and not takes_more(self._descriptor, deadline - time.monotonic()):
                    problem = "the decision log takes no more, its reader has stopped"
                    break
                done = os.write(self._descriptor, chunk)
                written += done
                problem = "" if done == len(chunk) else "the decision log was truncated"
        except OSError as error:
            problem = f"the decision log cannot be written: {os.strerror(error.errno or 0)}"
        self._torn = bool(problem) and (written > 0 or self._torn)
        return problem

    def watch(self, seconds: float = _WATCH_SECONDS) -> None:
        """Look after the log every so many seconds, in a thread of its own, until the log is closed."""

        def run() -> None:
            while not self._closed.wait(seconds):
                self.look()

        if not self._watching:
            self._watching = threading.Thread(target=run, name="decision-log-watch", daemon=True)
            self._watching.start()

    def look(self, *, final: bool = False) -> None:
        """Do what needs no request: notice a rotation, try whether a log that failed works again, tell the summary."""
        if self._lock.acquire(timeout=_SECONDS):
            try:
                problem = self._settle(time.monotonic() + _SECONDS) or self._try_again()
                if not problem:
                    self._summarise(final)
            finally:
                self._lock.release()

    def _try_again(self) -> str:
        """After a failed write only a write can say that the next will hold. It is a line of its own, no decision."""
        if self._problem:
            self._problem = self._tell({"effect": "log_resumed"})
        return self._problem

    def _summarise(self, final: bool) -> None:
        unlisted = self._rejects.due(final=final) if self._rejects is not None else None
        if self._rejects is None or unlisted is None:
            return
        codes: dict[str, JSON] = dict(unlisted.codes)
        summary: dict[str, JSON] = {"count": unlisted.count, "codes": codes, "seconds": unlisted.seconds}
        # A reader that is slow for a moment is no failure of a decision: the next look tells it.
        if not self._tell({"effect": "reject_summary", **summary}):
            self._rejects.told(unlisted)

    def _tell(self, members: dict[str, JSON]) -> str:
        """Write a line that is no decision, without waiting for a reader. Out: empty, or why it could not be."""
        return self._keep(line_of({"time": self._time("milliseconds"), **members}), time.monotonic())

    def _time(self, precision: str) -> str:
        return datetime.fromtimestamp(self._now(), UTC).isoformat(timespec=precision)

    def health(self) -> PartHealth:
        """Not ready while the path is not what is written to, and from a failed write on until one succeeds."""
        self.look()
        problem = self._unsettled or self._problem
        alarms: list[JSON] = [dict(alarm) for alarm in self._alarms.values()]
        problems = (Problem("decision_log_unavailable", problem),) if problem else ()
        return PartHealth(not problem, problems, {"alarms": alarms} if alarms else {})

    def counts(self) -> Mapping[str, int]:
        """How often the file was moved, removed and truncated; how many records were lost, written again or counted
        in a summary instead of a line.
        """
        return {**self._counts, "rejects_unlisted": self._rejects.total if self._rejects else 0}

    def close(self) -> None:
        """Close the file, after a last look at it; standard output stays open."""
        self.look(final=True)
        self._closed.set()
        if self._watching is not None:
            self._watching.join()
        with self._lock:
            if self._owned:
                os.close(self._descriptor)


def open_log(
    target: str, *, clock: Callable[[], float] = time.monotonic, rejects_per_second: int | None = None
) -> JsonLinesLog:
    """Open `stdout` or the file at the path `target` for appending (created with mode 0600).

    rejects_per_second: lines that refused tokens may cost; None: no limit.

    Raises StartupFault `decision_log_unwritable`.
    """
    rejects = None if rejects_per_second is None else RejectLimit(rejects_per_second, clock)
    if target == "stdout":
        return JsonLinesLog(1, owned=False, rejects=rejects)
    try:
        file = LogFile(Path(target), clock)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "no such path"
        raise StartupFault(
            "decision_log_unwritable", f"the decision log `{target}` cannot be opened: {why.lower()}"
        ) from None
    return JsonLinesLog(file.descriptor, owned=True, file=file, rejects=rejects)
