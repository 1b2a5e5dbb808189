"""Processes that solve: started, asked, ended, and one that is idle kept for the next check of this process.

A process that is handed on begins with a context of its own, so that what was asked before makes no difference. Only
one whose every question was answered is handed on.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

_GRACE = 2.0
_MOST_IDLE = 2


class SolverProcess:
    """A running one. script: what it runs; memory_mb: what it may use. Raises OSError where it cannot be started."""

    def __init__(self, script: Path, memory_mb: int) -> None:
        self.kind = script, memory_mb
        self.owner = os.getpid()
        self._begins = True
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(script), str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_listen, args=(self.process, self._answers), daemon=True).start()

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def begin_anew(self) -> None:
        """Have the next question asked in a context of its own."""
        self._begins = True

    def ask(self, script: str, seconds: float) -> str:
        """The line that it answers; empty where it ended. Raises queue.Empty where it does not answer in time."""
        question = {"script": script, "seconds": seconds, "begins": self._begins}
        try:
            if self.process.stdin is None:
                return ""
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError):
            return ""
        self._begins = False
        return self._answers.get(timeout=seconds + _GRACE)

    def end(self) -> None:
        """Kill it and wait for its end."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                # What was not sent is flushed on closing, to no one.
                with contextlib.suppress(OSError):
                    pipe.close()


_idle: list[SolverProcess] = []


def taken(script: Path, memory_mb: int) -> SolverProcess:
    """An idle process of this script and limit, or a new one. Raises OSError."""
    for found in [one for one in _idle if one.kind == (script, memory_mb)]:
        with contextlib.suppress(ValueError):
            # Another thread may have taken it.
            _idle.remove(found)
            # A process that was forked from its owner would read the owner's answers.
            if found.owner == os.getpid():
                if found.runs:
                    return found
                found.end()
    return SolverProcess(script, memory_mb)


def give_back(process: SolverProcess) -> None:
    """Keep a process that answered all that it was asked, until others are given back."""
    if process.owner != os.getpid():
        return
    process.begin_anew()
    _idle.append(process)
    while len(_idle) > _MOST_IDLE:
        _idle.pop(0).end()


@atexit.register
def _end_idle() -> None:
    while _idle:
        process = _idle.pop()
        if process.owner == os.getpid():
            process.end()


def _listen(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    with contextlib.suppress(ValueError):
        for line in process.stdout or ():
            answers.put(line)
    answers.put("")
