"""The decision log keeps one whole JSON line a record, or says that it could not."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from entitlements.decision_log import DecisionRecord, JsonLinesLog, open_log
from entitlements.errors import DecisionLogUnavailable, StartupFault

RECORD = DecisionRecord(time="2026-01-01T00:00:00.000+00:00", decision_id="d", request_id="", effect="deny")


def test_record_is_one_line_and_empty_members_are_left_out(tmp_path: Path) -> None:
    log = open_log(str(tmp_path / "log"))
    log.append(RECORD)
    log.append(RECORD)
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["effect"] for line in lines] == ["deny", "deny"]
    assert "request_id" not in json.loads(lines[0])
    log.close()


def test_line_breaks_and_foreign_letters_stay_inside_one_line(tmp_path: Path) -> None:
    log = open_log(str(tmp_path / "log"))
    evil = 'x\n{"effect":"allow"}\u2028\x1b[31m\u202e'
    log.append(DecisionRecord(time="t", decision_id="d", request_id="r", effect="deny", subject=evil))
    (line,) = (tmp_path / "log").read_bytes().splitlines()
    assert json.loads(line)["subject"] == evil
    log.close()


def test_torn_last_line_is_closed_before_the_next_record(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"torn')
    log = open_log(str(path))
    log.append(RECORD)
    torn, line = path.read_text().splitlines()
    assert torn == '{"torn'
    assert json.loads(line)["decision_id"] == "d"
    log.close()


def test_full_disk_is_an_error_and_heals() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    log = JsonLinesLog(full, owned=True)
    with pytest.raises(DecisionLogUnavailable):
        log.append(RECORD)
    assert not log.health().ready
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, full)
    os.close(null)
    log.append(RECORD)
    assert log.health().ready
    log.close()


def test_write_that_was_cut_short_is_an_error_and_the_next_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    script = (
        "import resource, signal, sys\n"
        "from entitlements.decision_log import DecisionRecord, open_log\n"
        "from entitlements.errors import DecisionLogUnavailable\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40, resource.RLIM_INFINITY))\n"
        "log = open_log(sys.argv[1])\n"
        "record = DecisionRecord(time='t', decision_id='d' * 60, request_id='', effect='deny')\n"
        "try:\n    log.append(record)\n"
        "except DecisionLogUnavailable:\n    pass\n"
        "else:\n    sys.exit('a torn line was reported as kept')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "log.append(record)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)
    assert json.loads(path.read_text().splitlines()[-1])["effect"] == "deny"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


LARGE = DecisionRecord(time="t", decision_id="d", request_id="", effect="deny", resource_id="x" * 60_000)


@pytest.mark.parametrize("blocking", [True, False])
def test_reader_that_has_stopped_is_an_error_in_bounded_time_and_heals(blocking: bool) -> None:
    """A4: no one waits for ever on a pipe, and no line runs into another one."""
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    log = JsonLinesLog(writer, owned=True)
    log.append(LARGE)
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        failures = [pool.submit(log.append, LARGE).exception() for _ in range(4)]
    assert all(isinstance(failure, DecisionLogUnavailable) for failure in failures)
    assert time.monotonic() - started < 10
    assert "reader has stopped" in log.health().problem
    received = []
    drain = threading.Thread(target=lambda: received.extend(iter(lambda: os.read(reader, 65536), b"")))
    drain.start()
    log.append(LARGE)
    assert log.health().ready
    log.close()
    drain.join(30)
    os.close(reader)
    lines = [line for line in b"".join(received).split(b"\n") if line]
    assert [json.loads(line)["effect"] for line in (lines[0], lines[-1])] == ["deny", "deny"]
    for torn in lines[1:-1]:
        with pytest.raises(ValueError):
            json.loads(torn)


def test_reader_that_has_gone_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = JsonLinesLog(writer, owned=True)
    with pytest.raises(DecisionLogUnavailable):
        log.append(RECORD)
    log.close()


def test_pipe_that_nobody_reads_stops_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(StartupFault) as caught:
        open_log(str(tmp_path / "log"))
    assert caught.value.code == "decision_log_unwritable"


def test_unwritable_target_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupFault) as caught:
        open_log(str(tmp_path / "absent" / "log"))
    assert caught.value.code == "decision_log_unwritable"


def test_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    open_log(str(tmp_path / "log")).close()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
