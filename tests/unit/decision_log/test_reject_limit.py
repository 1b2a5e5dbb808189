"""A flood of refused tokens costs a bounded number of lines, is counted in whole, and drops no decision."""

import json
import os
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from entitlements.decision_log import DecisionRecord, JsonLinesLog, open_log
from entitlements.decision_log.reject_limit import RejectLimit
from entitlements.errors import DecisionLogUnavailable

REJECT = DecisionRecord(
    time="t", decision_id="d", request_id="", effect="reject", refusal="signature_invalid", subject=""
)
OTHER = replace(REJECT, refusal="token_expired")
ALLOW = replace(REJECT, effect="allow", refusal="")
DENY = replace(REJECT, effect="deny", refusal="")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def effects(path: Path) -> Counter[object]:
    return Counter(row["effect"] for row in rows(path))


def test_flood_costs_as_many_lines_a_second_as_are_permitted(path: Path, clock: Clock) -> None:
    log = open_log(str(path), clock=clock, rejects_per_second=3)
    for second in range(4):
        clock.now = 100.0 + second
        for _ in range(50):
            log.append(REJECT)
    assert effects(path) == {"reject": 12}
    clock.now += 1000
    for _ in range(50):
        log.append(REJECT)
    assert effects(path) == {"reject": 15}
    log.close()


def test_line_comes_back_with_its_share_of_the_second(path: Path, clock: Clock) -> None:
    log = open_log(str(path), clock=clock, rejects_per_second=4)
    for _ in range(9):
        log.append(REJECT)
    clock.now += 0.25
    log.append(REJECT)
    log.append(REJECT)
    assert effects(path) == {"reject": 5}
    log.close()


def test_decisions_are_never_dropped(path: Path, clock: Clock) -> None:
    log = open_log(str(path), clock=clock, rejects_per_second=1)
    for _ in range(20):
        for record in (REJECT, ALLOW, DENY):
            log.append(record)
    assert effects(path) == {"reject": 1, "allow": 20, "deny": 20}
    log.close()


def test_summary_counts_by_cause_what_has_no_line(path: Path, clock: Clock) -> None:
    log = open_log(str(path), clock=clock, rejects_per_second=1)
    for record in (REJECT, REJECT, OTHER, REJECT):
        log.append(record)
    clock.now += 0.5
    log.look()
    assert effects(path) == {"reject": 1}
    clock.now += 0.5
    log.look()
    summary = rows(path)[-1]
    assert summary.pop("time")
    assert summary == {
        "effect": "reject_summary",
        "count": 3,
        "codes": {"signature_invalid": 2, "token_expired": 1},
        "seconds": 1.0,
    }
    log.look()
    assert effects(path)["reject_summary"] == 1
    assert log.counts()["rejects_unlisted"] == 3
    log.close()


def test_summary_comes_without_a_request(path: Path) -> None:
    log = open_log(str(path), rejects_per_second=1)
    log.watch(0.01)
    for _ in range(5):
        log.append(REJECT)
    for _ in range(3000):
        if effects(path)["reject_summary"]:
            break
        threading.Event().wait(0.01)
    assert effects(path)["reject_summary"] == 1
    log.close()


def test_summary_is_written_at_close(path: Path, clock: Clock) -> None:
    log = open_log(str(path), clock=clock, rejects_per_second=1)
    for _ in range(5):
        log.append(REJECT)
    log.close()
    assert rows(path)[-1]["count"] == 4


def test_every_refusal_is_in_a_line_or_a_summary_under_threads(path: Path) -> None:
    log = open_log(str(path), rejects_per_second=5)
    log.watch(0.001)
    threads = [threading.Thread(target=lambda: [log.append(REJECT) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    summaries = sum(int(str(row["count"])) for row in rows(path) if row["effect"] == "reject_summary")
    assert summaries + effects(path)["reject"] == 800
    assert log.counts()["rejects_unlisted"] == summaries > 0


def test_summary_that_cannot_be_written_is_kept_for_the_next_look(clock: Clock, path: Path) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = JsonLinesLog(target, owned=True, rejects=RejectLimit(1, clock))
    log.append(REJECT)
    log.append(OTHER)
    clock.now += 1
    turned_to("/dev/full", target)
    log.look()
    turned_to(str(path), target)
    log.look()
    assert [row["effect"] for row in rows(path)] == ["reject", "reject_summary"]
    assert rows(path)[-1]["codes"] == {"token_expired": 1}
    log.close()


def turned_to(path: str, descriptor: int) -> None:
    """The open descriptor writes to another place: a disk that fills up, or has space again."""
    other = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.dup2(other, descriptor)
    os.close(other)


def test_log_that_failed_is_ready_again_without_a_request(path: Path) -> None:
    path.touch()
    target = os.open("/dev/full", os.O_WRONLY)
    log = JsonLinesLog(target, owned=True)
    with pytest.raises(DecisionLogUnavailable):
        log.append(ALLOW)
    log.look()
    assert not log.health().ready
    turned_to(str(path), target)
    log.look()
    assert log.health().ready
    assert [row["effect"] for row in rows(path)] == ["log_resumed"]
    log.append(ALLOW)
    assert effects(path) == {"log_resumed": 1, "allow": 1}
    log.close()


def test_log_that_never_failed_is_not_written_to_by_a_look(path: Path) -> None:
    log = open_log(str(path))
    log.append(DENY)
    for _ in range(3):
        log.look()
        assert log.health().ready
    assert effects(path) == {"deny": 1}
    log.close()
