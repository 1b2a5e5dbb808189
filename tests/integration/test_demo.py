"""The demonstration and the benchmark do what they say, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from devkit.service import free_address

ROOT = Path(__file__).resolve().parents[2]
# As nohup and jobs in the background are started.
IGNORING = ["sh", "-c", 'trap \'\' INT HUP; exec "$0" "$@"']
SECONDS = 120


def test_the_demonstration_answers_every_request_as_expected() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "devkit"], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    asked, right = map(int, re.findall(r"(\d+) requests, (\d+) answered as expected", done.stdout)[0])
    assert asked == right
    assert asked >= 15


def test_the_line_that_serve_prints_can_be_pasted() -> None:
    with serving([]) as (line, printed):
        answer = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, timeout=SECONDS, check=True
        ).stdout
        assert json.loads(answer)["decision"] is True
        logged = json.loads(next(line for line in printed if line.strip()))
        assert logged["effect"] == "allow"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
def test_serve_stops_with_its_service_where_its_starter_ignored_the_signals(stop: signal.Signals) -> None:
    with serving(IGNORING, stop=stop) as (line, _):
        address = re.findall(r"127\.0\.0\.1:(\d+)", line)[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(address)), timeout=SECONDS)


@contextmanager
def serving(command: list[str], *, stop: signal.Signals = signal.SIGINT) -> Iterator[tuple[str, IO[str]]]:
    """`make serve` as a process that must end by a signal: the line to paste, and what it prints afterwards."""
    environment = {**os.environ, "ENTITLEMENTS_LISTEN": free_address()}
    process = subprocess.Popen(
        [*command, sys.executable, "-m", "devkit", "--serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    # Reading has no limit of its own: a process that says nothing is ended, and the reading with it.
    watch = threading.Timer(SECONDS, process.kill)
    watch.start()
    try:
        assert process.stdout is not None
        yield next(line for line in process.stdout if line.startswith("curl ")), process.stdout
        process.send_signal(stop)
        assert process.wait(SECONDS) == 0
    finally:
        watch.cancel()
        process.kill()
        process.wait(SECONDS)
        assert process.stdout is not None
        process.stdout.close()


def test_the_benchmark_measures_every_row() -> None:
    command = [sys.executable, "-m", "bench", "--seconds", "0.2", "--rounds", "1", "--cold", "20", "--rules", "20"]
    command += ["--points", "400"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^/authorize, (?:cached token|new tokens), \w+ +\d+", done.stdout, re.M)) == 6
    assert re.search(r"^OPA alone +\d+ .* 1\.00$", done.stdout, re.M)
    assert re.search(r"^ask OPA +\d+\.\d+$", done.stdout, re.M)
    assert len(re.findall(r"^(?:5|20) +(?:5|20) +(?:unchanged|proved|refuted) +\d+", done.stdout, re.M)) == 6
    assert "The comparison with Cedar's analyzer was left out" in done.stdout or "ours / Cedar's" in done.stdout
