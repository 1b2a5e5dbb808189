"""Writing from an event loop: one whole line at once, or nothing and no wait."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from entitlements.decision_log import DecisionRecord, JsonLinesLog, open_log
from entitlements.decision_log.line import line_of
from entitlements.errors import DecisionLogUnavailable

RECORD = DecisionRecord(time="2026-01-01T00:00:00.000+00:00", decision_id="d", effect="deny")
LINE = line_of(RECORD.as_json())


@pytest.fixture
def pipe() -> Iterator[tuple[int, JsonLinesLog]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    log = JsonLinesLog(writing, owned=True)
    yield reading, log
    log.close()
    os.close(reading)


def test_line_is_that_of_an_append_that_may_wait(tmp_path: Path) -> None:
    log = open_log(str(tmp_path / "log"))
    log.append(RECORD)
    assert log.append_now(LINE)
    first, second = (tmp_path / "log").read_bytes().splitlines()
    assert first == second
    log.close()


def test_pipe_takes_a_line_and_one_that_is_full_takes_none(pipe: tuple[int, JsonLinesLog]) -> None:
    reading, log = pipe
    assert log.append_now(LINE)
    whole = os.read(reading, 1 << 20)
    assert whole.count(b"\n") == 1
    while log.append_now(LINE):
        pass
    data = os.read(reading, 1 << 20)
    assert data == whole * (len(data) // len(whole))
    assert log.health().ready


def test_line_that_a_pipe_may_take_in_pieces_is_not_begun(pipe: tuple[int, JsonLinesLog]) -> None:
    reading, log = pipe
    assert not log.append_now(line_of(replace(RECORD, subject="x" * select.PIPE_BUF).as_json()))
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)


def test_nothing_is_written_while_another_writes(tmp_path: Path) -> None:
    log = open_log(str(tmp_path / "log"))
    with log._lock:
        assert not log.append_now(LINE)
    assert (tmp_path / "log").read_bytes() == b""
    log.close()


def test_nothing_is_written_behind_half_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"torn')
    log = open_log(str(tmp_path / "log"))
    assert not log.append_now(LINE)
    log.append(RECORD)
    assert log.append_now(LINE)
    torn, *lines = (tmp_path / "log").read_bytes().splitlines()
    assert (torn, len(lines)) == (b'{"torn', 2)
    log.close()


@pytest.mark.parametrize("change", ["moved", "removed", "truncated"])
def test_nothing_is_written_into_a_file_that_is_to_be_settled(tmp_path: Path, change: str) -> None:
    path = tmp_path / "log"
    log = open_log(str(path))
    assert log.append_now(LINE)
    if change == "moved":
        path.rename(tmp_path / "log.1")
    elif change == "removed":
        path.unlink()
    else:
        os.truncate(path, 0)
    assert not log.append_now(LINE)
    assert not path.exists() or path.read_bytes() == b""
    log.append(RECORD)
    assert log.append_now(LINE)
    assert b'"decision_id":"d"' in path.read_bytes()
    log.close()


def test_record_that_could_not_be_written_is_an_error_and_the_next_may_wait() -> None:
    log = JsonLinesLog(os.open("/dev/full", os.O_WRONLY), owned=True)
    with pytest.raises(DecisionLogUnavailable):
        log.append_now(LINE)
    assert not log.health().ready
    assert not log.append_now(LINE)
    log.close()


def test_closed_log_takes_nothing(tmp_path: Path) -> None:
    log = open_log(str(tmp_path / "log"))
    log.close()
    assert not log.append_now(LINE)
