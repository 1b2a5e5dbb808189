"""What tests of the child OPA share: bundles of one rule, and what the child answers."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from entitlements.engine import OpaProcess
from entitlements.engine.opa_child import OpaChild
from entitlements.errors import EngineUnavailable

SECONDS = 20.0


def bundle(rule: str, revision: str, **more: str) -> bytes:
    """The bytes of a bundle of one rule; `more`: further files by name, with `__` for `/` and `_DOT_` for a dot."""
    files = {
        ".manifest": json.dumps({"revision": revision, "roots": ["shop"]}),
        "shop/authz.rego": f"package shop.authz\n\ndecision := {rule}\n",
        **{name.replace("__", "/").replace("_DOT_", "."): text for name, text in more.items()},
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


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


def child(engine: OpaProcess) -> OpaChild:
    assert engine.child is not None
    return engine.child


def freeze(pid: int) -> None:
    """Stop a process, and return once it has stopped: the signal is only on its way when `kill` returns."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(_state(task) in "tT" for task in Path(f"/proc/{pid}/task").iterdir()))


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
