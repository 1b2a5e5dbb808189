"""The supervised child: what it was given serves, what it does not activate is refused with its reason."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from entitlements.engine import OpaProcess
from entitlements.errors import EngineUnavailable, StartupFault

SECONDS = 20.0


def bundle(rule: str, revision: str, **more: str) -> bytes:
    """The bytes of a bundle of one rule; `more`: further files by name, with `__` for `/` and `_DOT_` for a dot."""
    files = {
        ".manifest": json.dumps({"revision": revision, "roots": ["shop", "system"]}),
        "shop/authz.rego": f"package shop.authz\n\ndecision := {rule}\n",
        "system/authz.rego": "package system.authz\n\nallow := true\n",
        **{name.replace("__", "/").replace("_DOT_", "."): text for name, text in more.items()},
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


REFUSED = {
    "no archive": (b"garbage", "archive read failed"),
    "nothing": (b"", "EOF"),
    "cut short": (bundle("true", "r2")[:-20], ""),
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
def engine(opa: Path) -> Iterator[OpaProcess]:
    running = OpaProcess(opa, bundle("true", "r1"), "r1")
    try:
        yield running
    finally:
        running.close()


def answer(engine: OpaProcess) -> tuple[bool, str]:
    verdict = engine.ask("shop/authz/decision", {}, deadline=time.monotonic() + SECONDS)
    return verdict.allow, verdict.revision


def answers(engine: OpaProcess, wanted: tuple[bool, str]) -> bool:
    try:
        return answer(engine) == wanted and engine.health().ready
    except EngineUnavailable:
        return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def opa_pid(engine: OpaProcess) -> int:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(engine.folder) in command and "guardian" not in command:
            return int(entry.name)
    raise AssertionError("no OPA runs")


def test_another_bundle_serves_once_activate_returns_and_after_a_restart(engine: OpaProcess) -> None:
    assert answer(engine) == (True, "r1")
    engine.activate(bundle("false", "r2"), "r2")
    assert answer(engine) == (False, "r2")
    assert engine.revision == "r2"
    assert engine.health().detail["revision"] == "r2"
    os.kill(opa_pid(engine), signal.SIGKILL)
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
    os.kill(opa_pid(engine), signal.SIGKILL)
    wait_until(lambda: answers(engine, (True, "r1")))
    engine.activate(bundle("false", "r2"), "r2")
    assert answer(engine) == (False, "r2")


@pytest.mark.parametrize("name", REFUSED)
def test_an_engine_is_not_made_of_a_bundle_that_opa_does_not_activate(opa: Path, name: str) -> None:
    content, reason = REFUSED[name]
    with pytest.raises(StartupFault) as fault:
        OpaProcess(opa, content, "r2").close()
    assert fault.value.code == "bundle_refused"
    assert reason in fault.value.message


def test_another_bundle_is_activated_when_the_folder_was_tidied_away(engine: OpaProcess) -> None:
    assert engine.folder is not None
    shutil.rmtree(engine.folder)
    engine.activate(bundle("false", "r2"), "r2")
    assert answer(engine) == (False, "r2")


def test_many_bundles_in_a_row_leave_the_last_one_serving(engine: OpaProcess) -> None:
    for number in range(2, 12):
        engine.activate(bundle("true" if number % 2 else "false", f"r{number}"), f"r{number}")
        assert answer(engine) == (bool(number % 2), f"r{number}")
