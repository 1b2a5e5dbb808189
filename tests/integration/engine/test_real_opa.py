"""The real OPA behind the port: what it answers when a policy is odd, when it is killed, attacked or edited."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devkit.watched_opa import WatchedOpa, watched_opa
from entitlements.engine import Opa
from entitlements.engine.opa_child import OpaChild
from entitlements.errors import EngineUnavailable
from tests.child_opa import freeze

POLICY = """package shop.authz

default decision := false

decision if input.subject.id == input.resource.id

missing if input.nothing

text := "true"

one := 1

listed := [true]

spelt := {"allow": "true"}

counted := {"allow": 1}

capital := {"Allow": true}

fine := {"allow": true}

denied := {"allow": false}

broken if 1 / input.zero == 1

conflict := true if input.subject

conflict := false if input.resource

slow if {
	count([x | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); x := i * j]) > 0
}
"""
RULES = ("decision", "missing", "text", "one", "listed", "spelt", "counted", "capital", "fine", "denied")
FAILING = ("broken", "conflict", "slow")
SECONDS = 20.0
STARTS = """
import sys, time
from pathlib import Path
from devkit.watched_opa import watched_opa
from entitlements.engine import Opa
engine = watched_opa(Opa(Path(sys.argv[1])), Path(sys.argv[2]), ["shop/authz/decision"])
print(engine.process.child.folder, flush=True)
time.sleep(600)
"""


def question(subject: str, resource: str) -> dict[str, object]:
    return {"subject": {"id": subject}, "resource": {"id": resource}, "zero": 0}


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies" / "shop" / "authz"
    folder.mkdir(parents=True)
    (folder / "authz.rego").write_text(POLICY, encoding="utf-8")
    return tmp_path / "policies"


@pytest.fixture
def engine(opa: Opa, policies: Path) -> Iterator[WatchedOpa]:
    running = watched_opa(opa, policies, [f"shop/authz/{rule}" for rule in (*RULES, *FAILING)])
    try:
        yield running
    finally:
        running.close()


def allows(engine: WatchedOpa, rule: str = "decision", subject: str = "a", resource: str = "a") -> bool:
    return engine.ask(f"shop/authz/{rule}", question(subject, resource), deadline=time.monotonic() + SECONDS).allow


def processes_naming(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in command and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def child_of(engine: WatchedOpa) -> OpaChild:
    child = engine.process.child
    assert child is not None
    return child


def work_of(engine: WatchedOpa) -> Path:
    return child_of(engine).folder


def opa_pid(engine: WatchedOpa) -> int:
    return child_of(engine).pid


def test_only_the_literal_true_allows(engine: WatchedOpa) -> None:
    assert allows(engine)
    assert allows(engine, "fine")
    assert not allows(engine, subject="b")
    for rule in ("missing", "text", "one", "listed", "spelt", "counted", "capital", "denied"):
        assert not allows(engine, rule), rule


@pytest.mark.parametrize("rule", ["broken", "conflict"])
def test_an_error_of_the_policy_is_no_decision(engine: WatchedOpa, rule: str) -> None:
    with pytest.raises(EngineUnavailable):
        allows(engine, rule)


def test_a_policy_that_explodes_ends_at_the_deadline_and_the_next_question_is_answered(engine: WatchedOpa) -> None:
    with pytest.raises(EngineUnavailable) as failure:
        engine.ask("shop/authz/slow", question("a", "a"), deadline=time.monotonic() + 0.3)
    assert failure.value.code == "engine_timeout"
    assert allows(engine)


def test_a_killed_child_is_started_again(engine: WatchedOpa) -> None:
    killed = opa_pid(engine)
    os.kill(killed, signal.SIGKILL)

    def answers() -> bool:
        try:
            return allows(engine)
        except EngineUnavailable:
            return False

    wait_until(lambda: answers() and opa_pid(engine) != killed)
    assert not allows(engine, subject="b")


def test_a_hanging_child_is_no_decision_and_answers_again_when_it_goes_on(engine: WatchedOpa) -> None:
    pid = opa_pid(engine)
    freeze(pid)
    try:
        with pytest.raises(EngineUnavailable):
            engine.ask("shop/authz/fine", question("a", "a"), deadline=time.monotonic() + 0.3)
    finally:
        os.kill(pid, signal.SIGCONT)

    def answers() -> bool:
        try:
            return allows(engine)
        except EngineUnavailable:
            return False

    wait_until(answers)


def heals(engine: WatchedOpa) -> bool:
    try:
        return allows(engine) and engine.health().ready
    except EngineUnavailable:
        return False


def test_a_child_that_hangs_for_good_is_ended_and_started_again(engine: WatchedOpa) -> None:
    """P4: nobody has to wake it."""
    hanging = opa_pid(engine)
    freeze(hanging)
    wait_until(lambda: heals(engine))
    assert opa_pid(engine) != hanging


def test_a_child_whose_folder_was_tidied_away_is_started_again(engine: WatchedOpa) -> None:
    """P10: as a cleaner of temporary files does."""
    killed, folder = opa_pid(engine), work_of(engine)
    shutil.rmtree(folder)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: heals(engine))
    assert work_of(engine) != folder
    assert not allows(engine, subject="b")


def test_a_child_is_started_again_once_it_can_be(opa: Opa, policies: Path, tmp_path: Path) -> None:
    """P10: the executable is away for a while, as during its own update."""
    executable, away = tmp_path / "opa", tmp_path / "away"
    shutil.copy2(opa, executable)
    running = watched_opa(Opa(executable), policies, ["shop/authz/decision"])
    try:
        executable.rename(away)
        os.kill(opa_pid(running), signal.SIGKILL)
        wait_until(lambda: not running.health().ready)
        with pytest.raises(EngineUnavailable):
            allows(running)
        away.rename(executable)
        wait_until(lambda: heals(running))
    finally:
        running.close()


@pytest.mark.parametrize(
    "rules",
    [
        "default decision := false\n\ndecision if input.subject\n\ndecision := false if not input.subject\n\n"
        "decision := true if not input.resource\n",
        'default decision := false\n\ndecision if to_number(object.get(input, "zero", "none")) == 0\n',
    ],
    ids=["conflict", "built-in error"],
)
def test_a_policy_that_fails_for_an_empty_input_is_served_and_healthy(opa: Opa, tmp_path: Path, rules: str) -> None:
    """Health asks with an empty input: what the policy makes of that says nothing of real questions."""
    folder = tmp_path / "shop" / "authz"
    folder.mkdir(parents=True)
    (folder / "authz.rego").write_text(f"package shop.authz\n\n{rules}", encoding="utf-8")
    running = watched_opa(opa, tmp_path, ["shop/authz/decision"])
    try:
        assert running.health().ready
        assert allows(running)
        with pytest.raises(EngineUnavailable):
            running.ask("shop/authz/decision", {}, deadline=time.monotonic() + SECONDS)
    finally:
        running.close()


def test_nothing_is_left_behind_when_the_engine_is_closed(opa: Opa, policies: Path) -> None:
    running = watched_opa(opa, policies, ["shop/authz/decision"])
    work = str(work_of(running))
    assert processes_naming(work)
    running.close()
    wait_until(lambda: not processes_naming(work))
    assert not Path(work).exists()


def test_the_child_goes_when_its_owner_is_killed(opa: Opa, policies: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, str(opa), str(policies)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        work = owner.stdout.readline().strip()
        assert processes_naming(work)
        owner.kill()
    wait_until(lambda: not processes_naming(work))


def test_an_edit_is_served_without_a_restart_and_a_broken_one_leaves_the_last_good(
    engine: WatchedOpa, policies: Path
) -> None:
    file = policies / "shop" / "authz" / "authz.rego"
    file.write_text(POLICY.replace("==", "!="), encoding="utf-8")
    wait_until(lambda: allows(engine, subject="b"))
    assert not allows(engine)
    file.write_text(POLICY + "\nbroken if {", encoding="utf-8")
    wait_until(lambda: not engine.health().ready)
    assert "authz.rego" in engine.health().problem
    assert allows(engine, subject="b")
    file.write_text(POLICY, encoding="utf-8")
    wait_until(lambda: allows(engine) and engine.health().ready)


@pytest.fixture(scope="module")
def shared(opa: Opa, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedOpa]:
    folder = tmp_path_factory.mktemp("policies")
    (folder / "shop" / "authz").mkdir(parents=True)
    (folder / "shop" / "authz" / "authz.rego").write_text(POLICY, encoding="utf-8")
    running = watched_opa(opa, folder, [f"shop/authz/{rule}" for rule in (*RULES, *FAILING)])
    try:
        yield running
    finally:
        running.close()


def test_eight_threads_each_get_the_answers_to_their_own_questions(shared: WatchedOpa) -> None:
    wrong: list[str] = []

    def ask(thread: int) -> None:
        for number in range(100):
            name = f"{thread}-{number}"
            other = name if number % 2 else f"{thread}-{number + 1}"
            if allows(shared, subject=name, resource=other) is not (name == other):
                wrong.append(name)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
