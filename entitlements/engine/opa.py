"""The OPA executable, and what it made of files so far: each is checked, parsed and planned once.

One object is made where the settings are read and passed down. What it keeps is known by content, so that an edited
file is another one, and it is bounded; what failed to run is asked again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from entitlements.engine.built_plan import BuiltPlan, read_bundle
from entitlements.engine.forbidden import FORBIDDEN
from entitlements.engine.policy_folder import digest_of
from entitlements.errors import EngineUnavailable
from entitlements.files import write_files

_SECONDS = 120
_MOST_MODULES, _MOST_FOLDERS = 512, 64
# A process that ends soon need not collect its garbage often.
_ENVIRONMENT = {"GOGC": "400"}
_Key = tuple[str, ...]
_T = TypeVar("_T")


class Opa:
    """executable: the pinned one (see `find_opa`). It is its own path where a program is started."""

    def __init__(self, executable: Path) -> None:
        self.executable = executable.resolve()
        self._modules = _Memory(_MOST_MODULES)
        self._folders = _Memory(_MOST_FOLDERS)

    def __fspath__(self) -> str:
        return str(self.executable)

    __str__ = __fspath__

    def run(
        self, *arguments: str, document: bytes = b"", folder: str | Path | None = None, seconds: float = _SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it in a folder with a document on its standard input, whatever its exit status.

        Raises EngineUnavailable where it cannot be run or does not end in time.
        """
        try:
            return subprocess.run(
                [str(self.executable), *arguments],
                input=document,
                capture_output=True,
                cwd=folder,
                env=_ENVIRONMENT,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            raise EngineUnavailable("engine_failed", "the OPA executable cannot be run, or does not end") from None

    def check(self, files: Mapping[str, bytes], *, strict: bool = False) -> str | None:
        """What OPA has against policy files, as JSON; None where it has nothing against them.

        strict: also what its strict mode has against files that compile.
        """
        return self._begin_check(files, strict=strict).result()

    def parse(self, content: bytes) -> dict[str, Any] | None:
        """One module as OPA's parser reads it, not to be changed; None where it is not Rego."""
        return self._begin_parse(content).result()

    def plan(self, files: Mapping[str, bytes], decision_path: str) -> BuiltPlan | None:
        """OPA's plan of one rule, not to be changed; None where OPA makes none: there is no such rule."""
        return self._begin_plan(files, decision_path).result()

    def begin(self, files: Mapping[str, bytes], decision_paths: Sequence[str] = ()) -> None:
        """Check, parse and plan files at the same time from now on: whoever asks for it later waits for less."""
        self._begin_check(files)
        for name, content in files.items():
            if name.endswith(".rego"):
                self._begin_parse(content)
        for path in decision_paths:
            self._begin_plan(files, path)

    def kept(self, what: str, files: Mapping[str, bytes], make: Callable[[], _T]) -> _T:
        """What else is made of files, by its name; not to be changed. What `make` raises is not kept."""
        return self._folders.made((what, digest_of(files)), make)

    def _begin_check(self, files: Mapping[str, bytes], *, strict: bool = False) -> Future[str | None]:
        files, mode = dict(files), ("--strict",) if strict else ()
        return self._folders.begin(("check", *mode, digest_of(files)), lambda: self._checked(files, mode))

    def _begin_parse(self, content: bytes) -> Future[dict[str, Any] | None]:
        return self._modules.begin((hashlib.sha256(content).hexdigest(),), lambda: self._parsed(content))

    def _begin_plan(self, files: Mapping[str, bytes], path: str) -> Future[BuiltPlan | None]:
        files = dict(files)
        return self._folders.begin(("plan", digest_of(files), path), lambda: self._planned(files, path))

    def _checked(self, files: Mapping[str, bytes], mode: Sequence[str]) -> str | None:
        with tempfile.TemporaryDirectory(prefix="entitlements-") as work:
            root, capabilities = Path(work) / "policies", Path(work) / "capabilities.json"
            write_files(root, files)
            capabilities.write_bytes(self._capabilities())
            options = (*mode, "--bundle", "--format", "json", "--capabilities", str(capabilities))
            done = self.run("check", *options, str(root))
            told = (done.stderr or done.stdout).decode("utf-8", "replace")
            return told.replace(str(root), "") if done.returncode else None

    def _parsed(self, content: bytes) -> dict[str, Any] | None:
        with tempfile.TemporaryDirectory(prefix="entitlements-") as work:
            file = Path(work) / "policy.rego"
            file.write_bytes(content)
            done = self.run("parse", "--format", "json", "--json-include", "locations", str(file))
        module: dict[str, Any] | None = json.loads(done.stdout) if done.returncode == 0 else None
        return module

    def _planned(self, files: Mapping[str, bytes], decision_path: str) -> BuiltPlan | None:
        with tempfile.TemporaryDirectory(prefix="entitlements-plan-") as work:
            root, out = Path(work) / "policies", Path(work) / "bundle.tar.gz"
            write_files(root, files)
            command = ("build", "-t", "plan", "--bundle", "-e", decision_path, "-o", str(out), ".")
            done = self.run(*command, folder=root)
            return read_bundle(out.read_bytes(), decision_path) if done.returncode == 0 else None

    def _capabilities(self) -> bytes:
        """The capabilities of this OPA without what policies may not use, asked for once."""
        return self._folders.made(
            ("capabilities",), lambda: _without_forbidden(self.run("capabilities", "--current").stdout)
        )


class _Memory:
    """The newest results by key, each made in a thread of its own. A failure is told to whoever waits, and not kept.

    No thread outlives its result, and a process that is forked takes over what was made and begins the rest anew.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[_Key, Any] = OrderedDict()
        self._begin_here()
        forked = weakref.WeakMethod(self._begin_here)
        os.register_at_fork(after_in_child=lambda: (begin := forked()) and begin())

    def _begin_here(self) -> None:
        """Locks and threads are those of one process."""
        self._lock = threading.Lock()
        self._places = threading.Semaphore(2 * (os.cpu_count() or 1))
        self._begun: dict[_Key, Future[Any]] = {}

    def begin(self, key: _Key, make: Callable[[], _T]) -> Future[_T]:
        """The result of a key, which is made in another thread unless that was begun already."""
        with self._lock:
            if key in self._made:
                known: Future[_T] = Future()
                known.set_result(self._used(key))
                return known
            if key not in self._begun:
                self._begun[key] = Future()
                threading.Thread(target=self._make, args=(key, make, self._begun[key]), name="opa").start()
            return self._begun[key]

    def made(self, key: _Key, make: Callable[[], _T]) -> _T:
        """The result of a key, which is made in this thread unless it is there."""
        with self._lock:
            if key in self._made:
                found: _T = self._used(key)
                return found
        result = make()
        with self._lock:
            self._keep(key, result)
        return result

    def _make(self, key: _Key, make: Callable[[], _T], told: Future[_T]) -> None:
        try:
            with self._places:
                result = make()
        except BaseException as error:
            with self._lock:
                del self._begun[key]
            told.set_exception(error)
            return
        with self._lock:
            del self._begun[key]
            self._keep(key, result)
        told.set_result(result)

    def _used(self, key: _Key) -> Any:
        self._made.move_to_end(key)
        return self._made[key]

    def _keep(self, key: _Key, result: object) -> None:
        self._made[key] = result
        self._made.move_to_end(key)
        while len(self._made) > self._most:
            self._made.popitem(last=False)


def _without_forbidden(told: bytes) -> bytes:
    try:
        capabilities: dict[str, Any] = json.loads(told)
    except ValueError:
        raise EngineUnavailable("engine_failed", "OPA does not tell its capabilities") from None
    capabilities["builtins"] = [
        one for one in capabilities["builtins"] if not one.get("nondeterministic") and one["name"] not in FORBIDDEN
    ]
    capabilities["allow_net"] = []
    return json.dumps(capabilities).encode()
