"""R1: another user of the machine neither asks the child OPA nor answers in its place, also not at a crash."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entitlements.engine import Opa, OpaProcess, OpaServer
from entitlements.engine.unix_socket import only_process
from entitlements.errors import EngineUnavailable
from tests.child_opa import answers, bundle, child, freeze, wait_until

# No account has this number; nothing on the machine is his.
OTHER = 61234
SCRIPT = Path(__file__).with_name("second_user.py")


class Attacker:
    """A process of the other user, who tries for as long as it is let."""

    def __init__(self, base: Path, work: Path) -> None:
        script = work / "second_user.py"
        shutil.copy(SCRIPT, script)
        self._process = subprocess.Popen(
            [_python(), "-I", "-S", str(script), str(base)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=OTHER,
            group=OTHER,
            extra_groups=[],
            cwd="/",
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def end(self) -> dict[str, object]:
        out, _ = self._process.communicate("end\n", timeout=30)
        found: dict[str, object] = json.loads(out)
        return found


def _python() -> str:
    """An interpreter that every user may run."""
    for name in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            command = [name, "-I", "-S", "-c", ""]
            done = subprocess.run(
                command, check=False, capture_output=True, user=OTHER, group=OTHER, extra_groups=[], cwd="/"
            )
            if done.returncode == 0:
                return name
    pytest.fail("there is no Python that another user may run")


@pytest.fixture
def base() -> Iterator[Path]:
    """As /tmp is: everybody may make folders in it."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI runs this as root, who can be another user")
        pytest.skip("only root can be another user")
    folder = Path(tempfile.mkdtemp(prefix="base-", dir="/tmp"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def work() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="attacker-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_another_user_gets_no_question_and_no_answer(opa: Opa, base: Path, work: Path) -> None:
    attacker = Attacker(base, work)
    allowed = 0
    # The attacker is there before the child is.
    engine = OpaProcess(opa.executable, bundle("false", "r1"), "r1", base=base)
    try:
        for _ in range(4):
            first = child(engine)
            for _ in range(50):
                allowed += engine.ask("shop/authz/decision", {}, deadline=time.monotonic() + 20).allow
            os.kill(first.pid, signal.SIGKILL)
            while engine.child is first or engine.child is None:
                try:
                    allowed += engine.ask("shop/authz/decision", {}, deadline=time.monotonic() + 1).allow
                except EngineUnavailable:
                    continue
            wait_until(lambda: answers(engine, (False, "r1")))
    finally:
        engine.close()
    found = attacker.end()
    assert allowed == 0
    assert found["asked"] == []
    assert found["entered"] == []
    # He did try, and did take the names of folders that were gone.
    assert isinstance(found["tried"], int)
    assert found["tried"] > 0
    assert found["taken"] != 0


def test_another_user_who_listens_where_the_child_was_is_sent_nothing(opa: Opa, base: Path, work: Path) -> None:
    """The folder is taken from under a child that is believed to run: who listens there then is looked at."""
    engine = OpaProcess(opa.executable, bundle("false", "r1"), "r1", base=base)
    try:
        held = child(engine)
        freeze(held.pid)
        shutil.rmtree(held.folder)
        held.folder.mkdir()
        held.folder.chmod(0o777)
        attacker = Attacker(base, work)
        wait_until(held.socket.exists)
        codes = set()
        for _ in range(5):
            with pytest.raises(EngineUnavailable) as failure:
                server = OpaServer(f"unix://{held.socket}", check=only_process(held.pid, held.alive))
                server.ask("shop/authz/decision", {}, deadline=time.monotonic() + 5)
            codes.add(failure.value.code)
        found = attacker.end()
        assert found["asked"] == []
        assert "engine_not_trusted" in codes
    finally:
        engine.close()
