"""R10: a log that is moved, removed, replaced or truncated while it is written loses no record, or says so."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entitlements.decision_log import DecisionRecord, JsonLinesLog, open_log
from entitlements.errors import DecisionLogUnavailable, StartupFault


def record(name: str) -> DecisionRecord:
    return DecisionRecord(time="t", decision_id=name, request_id="", effect="deny")


def ids(path: Path) -> list[str]:
    return [json.loads(line)["decision_id"] for line in path.read_bytes().splitlines()]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.log"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(path: Path, clock: Clock) -> Iterator[JsonLinesLog]:
    opened = open_log(str(path), clock=clock)
    yield opened
    opened.close()


def alarms(log: JsonLinesLog) -> list[tuple[str, int]]:
    found = log.health().detail.get("alarms", [])
    return [(alarm["code"], alarm["records"]) for alarm in found]  # type: ignore[union-attr, index, call-overload]


def test_moved_log_is_opened_again_and_nothing_is_lost(log: JsonLinesLog, path: Path) -> None:
    log.append(record("a"))
    old = path.rename(path.with_name("decisions.log.1"))
    log.append(record("b"))
    assert (ids(old), ids(path)) == (["a"], ["b"])
    assert log.health().ready
    assert alarms(log) == []
    assert log.counts()["moved"] == 1


def test_log_that_was_moved_compressed_and_deleted_is_no_loss(log: JsonLinesLog, path: Path) -> None:
    log.append(record("a"))
    path.rename(path.with_name("decisions.log.1")).unlink()
    log.append(record("b"))
    assert ids(path) == ["b"]
    assert (log.counts()["moved"], log.counts()["removed"], alarms(log)) == (1, 0, [])


def test_removed_log_is_opened_again_and_the_loss_is_told(
    log: JsonLinesLog, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "abc":
        log.append(record(name))
    path.unlink()
    with caplog.at_level(logging.ERROR):
        log.append(record("d"))
    assert ids(path) == ["d"]
    assert alarms(log) == [("decision_log_removed", 3)]
    assert log.health().ready
    assert (log.counts()["removed"], log.counts()["lost"]) == (1, 3)
    (told,) = caplog.messages
    assert "was removed" in told
    assert "3 records" in told
    path.unlink()
    log.append(record("e"))
    assert alarms(log) == [("decision_log_removed", 4)]


def test_log_that_another_file_was_moved_over_is_told_as_removed(log: JsonLinesLog, path: Path) -> None:
    log.append(record("a"))
    other = path.with_name("other")
    other.write_text('{"decision_id": "x"}\n')
    other.rename(path)
    log.append(record("b"))
    assert ids(path) == ["x", "b"]
    assert alarms(log) == [("decision_log_removed", 1)]


def test_log_that_has_another_name_too_is_not_lost(log: JsonLinesLog, path: Path) -> None:
    log.append(record("a"))
    path.with_name("backup").hardlink_to(path)
    path.unlink()
    log.append(record("b"))
    assert (ids(path.with_name("backup")), ids(path), alarms(log)) == (["a"], ["b"], [])


def test_removal_is_noticed_by_a_look_without_a_record(log: JsonLinesLog, path: Path) -> None:
    log.append(record("a"))
    path.unlink()
    log.look()
    assert path.read_bytes() == b""
    assert alarms(log) == [("decision_log_removed", 1)]


def test_watched_log_is_opened_again_without_a_record(log: JsonLinesLog, path: Path) -> None:
    log.watch(0.01)
    path.unlink()
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, "nobody looked"
        time.sleep(0.01)


def test_path_that_cannot_be_opened_is_an_error_until_it_can(log: JsonLinesLog, path: Path) -> None:
    moved = path.parent.rename(path.parent.with_name("moved"))
    with pytest.raises(DecisionLogUnavailable) as caught:
        log.append(record("a"))
    assert "cannot be opened again" in caught.value.message
    assert not log.health().ready
    assert not ids(moved / path.name)
    path.parent.mkdir()
    assert log.health().ready
    log.append(record("b"))
    assert ids(path) == ["b"]


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder", "device"])
def test_what_is_put_in_the_place_of_the_file_is_not_written_to(log: JsonLinesLog, path: Path, kind: str) -> None:
    log.append(record("a"))
    path.rename(path.with_name("decisions.log.1"))
    elsewhere = path.with_name("elsewhere")
    reader = None
    if kind == "link":
        elsewhere.touch()
        path.symlink_to(elsewhere)
    elif kind == "dangling":
        path.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    elif kind == "folder":
        path.mkdir()
    else:
        with contextlib.suppress(PermissionError):
            os.mknod(path, 0o020600, os.makedev(1, 3))
        if not path.exists():
            pytest.skip("only root can make a device; CI runs as root")
    with pytest.raises(DecisionLogUnavailable):
        log.append(record("b"))
    assert not log.health().ready
    assert not elsewhere.exists() or elsewhere.read_bytes() == b""
    if reader is not None:
        assert os.read(reader, 1) == b""
        os.close(reader)
    path.rmdir() if kind == "folder" else path.unlink()
    log.append(record("c"))
    assert ids(path) == ["c"]


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_stops_the_start(path: Path, kind: str) -> None:
    path.mkdir() if kind == "folder" else path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(StartupFault) as caught:
        open_log(str(path))
    assert caught.value.code == "decision_log_unwritable"
    assert not path.with_name("elsewhere").exists()


def test_pipe_that_was_made_anew_is_opened_again(path: Path) -> None:
    def pipe() -> int:
        os.mkfifo(path)
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    first = pipe()
    log = open_log(str(path))
    log.append(record("a"))
    path.unlink()
    with pytest.raises(DecisionLogUnavailable):
        log.append(record("lost"))
    second = pipe()
    log.append(record("b"))
    for reader, name in ((first, "a"), (second, "b")):
        assert json.loads(os.read(reader, 65536))["decision_id"] == name
        os.close(reader)
    log.close()


def test_new_file_is_for_those_who_could_read_the_old_one(log: JsonLinesLog, path: Path) -> None:
    for mode, wanted in ((0o600, 0o600), (0o640, 0o640), (0o666, 0o640)):
        path.chmod(mode)
        path.rename(path.with_name("decisions.log.1"))
        log.look()
        assert path.stat().st_mode & 0o777 == wanted
        path.chmod(0o600)


def test_truncated_log_without_a_copy_has_its_latest_records_again(log: JsonLinesLog, path: Path, clock: Clock) -> None:
    log.append(record("old"))
    clock.now += 11
    log.append(record("new"))
    os.truncate(path, 0)
    log.append(record("next"))
    first, second = path.read_bytes().splitlines()
    assert (json.loads(first)["decision_id"], json.loads(first)["again"]) == ("new", True)
    assert json.loads(second)["decision_id"] == "next"
    assert alarms(log) == [("decision_log_truncated", 1)]
    assert (log.counts()["truncated"], log.counts()["written_again"]) == (1, 1)


def test_copied_and_truncated_log_has_only_again_what_the_copy_lacks(log: JsonLinesLog, path: Path) -> None:
    log.append(record("a"))
    shutil.copy(path, path.with_name("decisions.log.1"))
    log.append(record("between"))
    os.truncate(path, 0)
    log.append(record("b"))
    assert ids(path.with_name("decisions.log.1")) == ["a"]
    assert ids(path) == ["between", "b"]
    assert alarms(log) == []


def test_truncation_is_noticed_by_a_look_without_a_record(log: JsonLinesLog, path: Path) -> None:
    log.append(record("a"))
    os.truncate(path, 0)
    log.look()
    assert ids(path) == ["a"]


def test_truncation_in_the_middle_of_a_line_does_not_join_two(log: JsonLinesLog, path: Path) -> None:
    log.append(record("a"))
    os.truncate(path, 10)
    log.append(record("b"))
    _, *whole = path.read_bytes().splitlines()
    assert [json.loads(line)["decision_id"] for line in whole] == ["a", "b"]


def test_torn_file_that_is_put_in_place_gets_a_line_end(log: JsonLinesLog, path: Path) -> None:
    path.rename(path.with_name("decisions.log.1"))
    path.write_text('{"torn')
    log.append(record("a"))
    torn, line = path.read_bytes().splitlines()
    assert torn == b'{"torn'
    assert json.loads(line)["decision_id"] == "a"


def by_moving(path: Path, number: int) -> None:
    path.rename(path.with_name(f"decisions.log.{number}"))


def by_moving_and_compressing(path: Path, number: int) -> None:
    """What a rotator does that compresses at once: it reads to the end, then the file is gone."""
    moved = path.rename(path.with_name(f"moved.{number}"))
    shutil.copy(moved, path.with_name(f"decisions.log.{number}"))
    moved.unlink()


def by_copying_and_truncating(path: Path, number: int) -> None:
    shutil.copy(path, path.with_name(f"decisions.log.{number}"))
    time.sleep(0.002)
    os.truncate(path, 0)


def by_removing(path: Path, _number: int) -> None:
    path.unlink()


def under_load(log: JsonLinesLog, path: Path, rotate: Callable[[Path, int], None], times: int) -> list[str]:
    """The records that were kept, by four threads, while the file was rotated."""
    kept: list[str] = []
    over = threading.Event()

    def write(thread: int) -> None:
        number = 0
        while not over.is_set():
            name = f"{thread}-{number}"
            log.append(record(name))
            kept.append(name)
            number += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for number in range(times):
        before = len(kept)
        while len(kept) < before + 200:
            time.sleep(0.001)
        with contextlib.suppress(FileNotFoundError):
            rotate(path, number)
    over.set()
    for thread in threads:
        thread.join(30)
    return kept


@pytest.mark.parametrize("rotate", [by_moving, by_moving_and_compressing, by_copying_and_truncating])
def test_rotation_under_load_loses_nothing(log: JsonLinesLog, path: Path, rotate: Callable[[Path, int], None]) -> None:
    kept = under_load(log, path, rotate, 20)
    log.look()
    found = [name for file in path.parent.iterdir() for name in ids(file)]
    assert set(kept) <= set(found)
    rows = [json.loads(line) for file in path.parent.iterdir() for line in file.read_bytes().splitlines()]
    first = [row["decision_id"] for row in rows if "again" not in row]
    assert len(set(first)) == len(first)
    assert alarms(log) == []
    assert log.counts()["lost"] == 0


def test_removal_under_load_loses_what_was_removed_and_counts_it(log: JsonLinesLog, path: Path) -> None:
    kept = under_load(log, path, by_removing, 20)
    log.look()
    missing = set(kept) - set(ids(path))
    assert log.counts()["lost"] >= len(missing) > 0
    assert [code for code, _ in alarms(log)] == ["decision_log_removed"]
