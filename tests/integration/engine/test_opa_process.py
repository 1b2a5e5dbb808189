"""The supervised child: what it was given serves, what it does not activate is refused with its reason."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from entitlements.engine import Opa, OpaProcess
from entitlements.errors import StartupFault
from tests.child_opa import answer, answers, bundle, child, wait_until

REFUSED = {
    "no archive": (b"garbage", "archive read failed"),
    "nothing": (b"", "EOF"),
    "cut short": (bundle("true", "r2")[:150], ""),
    "no Rego": (bundle("{", "r2"), "shop/authz.rego:4"),
    "an unsafe variable": (bundle("x", "r2"), "shop/authz.rego:3"),
    "another root": (bundle("true", "r2", other__a_DOT_rego="package other\n"), "do not permit"),
    "data where a rule stands": (
        bundle("true", "r2", data_DOT_json='{"shop": {"authz": {"decision": true}}}'),
        "conflicting rule",
    ),
    "another revision": (bundle("true", "r3"), "another revision"),
}


@pytest.fixture
def engine(opa: Opa) -> Iterator[OpaProcess]:
    running = OpaProcess(opa.executable, bundle("true", "r1"), "r1")
    try:
        yield running
    finally:
        running.close()


def test_another_bundle_serves_once_activate_returns_and_after_a_restart(engine: OpaProcess) -> None:
    assert answer(engine) == (True, "r1")
    engine.activate(bundle("false", "r2"), "r2")
    assert answer(engine) == (False, "r2")
    assert engine.revision == "r2"
    assert engine.health().detail["revision"] == "r2"
    os.kill(child(engine).pid, signal.SIGKILL)
    wait_until(lambda: answers(engine, (False, "r2")))


@pytest.mark.parametrize("name", REFUSED)
def test_a_bundle_that_opa_does_not_activate_is_refused_with_the_reason_and_the_last_one_serves(
    engine: OpaProcess, name: str
) -> None:
    """R7: also after a restart."""
    content, reason = REFUSED[name]
    with pytest.raises(StartupFault) as fault:
        engine.activate(content, "r2")
    assert fault.value.code == "bundle_refused"
    assert reason in fault.value.message
    assert answer(engine) == (True, "r1")
    os.kill(child(engine).pid, signal.SIGKILL)
    wait_until(lambda: answers(engine, (True, "r1")))
    engine.activate(bundle("false", "r2"), "r2")
    assert answer(engine) == (False, "r2")


@pytest.mark.parametrize("name", REFUSED)
def test_an_engine_is_not_made_of_a_bundle_that_opa_does_not_activate(opa: Opa, name: str) -> None:
    content, reason = REFUSED[name]
    with pytest.raises(StartupFault) as fault:
        OpaProcess(opa.executable, content, "r2").close()
    assert fault.value.code == "bundle_refused"
    assert reason in fault.value.message


def test_another_bundle_is_activated_when_the_folder_was_tidied_away(engine: OpaProcess) -> None:
    shutil.rmtree(child(engine).folder)
    engine.activate(bundle("false", "r2"), "r2")
    assert answer(engine) == (False, "r2")


def test_many_bundles_in_a_row_leave_the_last_one_serving(engine: OpaProcess) -> None:
    for number in range(2, 12):
        engine.activate(bundle("true" if number % 2 else "false", f"r{number}"), f"r{number}")
        assert answer(engine) == (bool(number % 2), f"r{number}")
