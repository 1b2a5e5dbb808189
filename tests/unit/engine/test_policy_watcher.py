"""The watcher of a policy folder: what changed is activated, what goes wrong is reported, nothing ends the watching."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from entitlements.engine.policy_folder import policy_fingerprint
from entitlements.engine.policy_watcher import PolicyWatcher
from entitlements.errors import Fault, StartupFault


class World:
    """A folder with one file, a build that can be told to fail, and what was activated."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "a.rego"
        self.now = 100.0
        self.activated: list[bytes] = []
        self.failure: BaseException | None = None
        self.meanwhile: Callable[[], object] = lambda: None
        self.file.write_text("1")
        self.watcher = PolicyWatcher(
            lambda: policy_fingerprint(folder),
            self.build,
            lambda built: self.activate(*built),
            seen=policy_fingerprint(folder),
            clock=lambda: self.now,
        )

    def build(self) -> tuple[bytes, str]:
        content = self.file.read_bytes()
        self.meanwhile()
        if self.failure is not None:
            raise self.failure
        return content, "r"

    def activate(self, bundle: bytes, revision: str) -> None:
        assert revision == "r"
        self.activated.append(bundle)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_only_an_edit_is_activated(world: World) -> None:
    world.watcher.look()
    assert world.activated == []
    world.file.write_text("22")
    world.watcher.look()
    world.watcher.look()
    assert world.activated == [b"22"]
    assert world.watcher.health().ready


def test_an_edit_during_a_build_is_activated_by_the_next_look(world: World) -> None:
    world.file.write_text("22")
    world.meanwhile = lambda: world.file.write_text("333")
    world.watcher.look()
    world.meanwhile = lambda: None
    world.watcher.look()
    assert world.activated == [b"22", b"333"]


@pytest.mark.parametrize(
    ("failure", "told", "again"),
    [
        (StartupFault("policy_invalid", "no good", [Fault("x", "wrong", "a.rego", 7)]), "a.rego:7: wrong", False),
        (StartupFault("bundle_refused", "no good"), "no good", False),
        (StartupFault("opa_failed", "failed"), "failed", True),
        (PermissionError(13, "Permission denied"), "Permission denied", True),
        (OSError("odd"), "cannot be read", True),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "UnicodeEncodeError", True),
        (RecursionError(), "RecursionError", True),
        (MemoryError(), "MemoryError", True),
    ],
)
def test_whatever_a_build_raises_is_told_and_the_next_look_is_taken(
    world: World, failure: BaseException, told: str, again: bool
) -> None:
    """R6: no content and no name of a file may end the watching."""
    world.failure = failure
    world.file.write_text("22")
    world.watcher.look()
    assert not world.watcher.health().ready
    assert told in world.watcher.health().problem
    assert world.activated == []
    world.failure = None
    world.watcher.look()
    assert world.activated == ([b"22"] if again else [])
    world.file.write_text("333")
    world.watcher.look()
    assert world.activated[-1] == b"333"
    assert world.watcher.health().ready


def test_a_look_that_hangs_is_told_while_it_hangs(world: World) -> None:
    """R6: a build that reads a pipe never ends."""
    reached, over = threading.Event(), threading.Event()
    world.meanwhile = lambda: (reached.set(), over.wait(30))
    world.watcher.start()
    world.file.write_text("22")
    try:
        assert reached.wait(30)
        assert world.watcher.health().ready
        world.now += 11
        assert "were not looked at for 11 seconds" in world.watcher.health().problem
        assert not world.watcher.health().ready
    finally:
        world.watcher.stop()
        over.set()


def test_a_watcher_that_died_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    died = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: died.set())
    world.failure = SystemExit()

    def end() -> None:
        raise KeyboardInterrupt

    world.meanwhile = end
    world.watcher.start()
    world.file.write_text("22")
    assert died.wait(30)
    world.watcher._thread.join(30)
    assert "watched no more" in world.watcher.health().problem
