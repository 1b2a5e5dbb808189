"""OPA as a supervised child: started with the bytes of a bundle, given others while it runs, restarted when it dies.

It knows no policy folder: what it serves is what it was given. Bytes that OPA does not activate leave the last ones
serving.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.engine.bundle_trial import named_revision, refusal
from entitlements.engine.child_client import ChildClient
from entitlements.engine.opa_child import OpaChild
from entitlements.engine.policy_files import CONSTANT_PATH
from entitlements.engine.private_folder import private_base
from entitlements.errors import EngineUnavailable, StartupFault
from entitlements.model import JSON, PartHealth, Problem, Verdict, not_ready

_START_SECONDS = 15.0
# A bundle that was replaced while OPA still read the one before may not be seen: it is written again.
_AGAIN_SECONDS = 1.0
_MAX_BACKOFF = 2.0
_LOOK_SECONDS = 1.0
# How long OPA may leave every question unanswered before it is ended and started again.
_HANGING_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What OPA is to serve, also after its next start."""

    bundle: bytes = field(repr=False)
    revision: str


class OpaProcess:
    """A policy engine that owns its OPA.

    executable: the pinned OPA; bundle: an OPA bundle (`.tar.gz`) whose manifest names `revision`; probe: the path that
    `health` asks; base: the folder below which each child gets a private one.

    Raises StartupFault `bundle_refused` where OPA does not activate the bundle, `no_private_folder`, and
    `opa_not_started` where it does not come up.
    """

    def __init__(
        self, executable: Path, bundle: bytes, revision: str, *, probe: str = CONSTANT_PATH, base: Path | None = None
    ) -> None:
        self._executable = executable
        self._base = base or private_base()
        self._probe = probe
        self._loaded = _Loaded(bundle, revision)
        self._activating = threading.Lock()
        # Held while what is to be loaded and the child that loads it are brought together.
        self._joining = threading.Lock()
        self._stopping = threading.Event()
        self._child: OpaChild | None = None
        try:
            self._start_first(bundle, revision)
        except BaseException:
            self.close()
            raise
        self._supervisor = threading.Thread(target=self._supervise, name="opa-supervisor", daemon=True)
        self._supervisor.start()

    @property
    def revision(self) -> str:
        """The revision that was activated last."""
        return self._loaded.revision

    @property
    def child(self) -> OpaChild | None:
        """The OPA that runs now; None while it is being restarted."""
        return self._child

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        return self._running().client.ask(decision_path, policy_input, deadline=deadline, shape=shape)

    async def ask_on_loop(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """The same, from an event loop."""
        return await self._running().on_loop.ask(decision_path, policy_input, deadline=deadline, shape=shape)

    def _running(self) -> OpaChild:
        child = self._child
        if child is None:
            raise EngineUnavailable("engine_unreachable", "the engine is being restarted")
        return child

    def activate(self, bundle: bytes, revision: str) -> None:
        """Serve other bytes from now on, and after each restart; returns when OPA answers with `revision`.

        Raises StartupFault `bundle_refused` (with OPA's reason), `opa_failed` or `opa_not_started`; what was activated
        before serves on then.
        """
        with self._activating:
            self._try(bundle, revision)
            before = self._loaded
            try:
                self._load(_Loaded(bundle, revision))
                self._wait_until_served()
            except BaseException:
                with contextlib.suppress(StartupFault):
                    self._load(before)
                raise

    def health(self) -> PartHealth:
        """Whether OPA answers, and with the revision that was activated last."""
        child = self._child
        if child is None:
            return not_ready("engine_unreachable", "the engine is being restarted")
        served = child.client.health()
        other = served.detail.get("revision") != self._loaded.revision
        if served.ready and other and not self._activating.locked():
            text = "the engine serves another revision than the active one"
            return not_ready("policy_not_locked", text, served.detail)
        if not self._supervisor.is_alive() and not self._stopping.is_set():
            problem = Problem("engine_not_supervised", "no one restarts the engine: start the service again")
            return replace(served, problems=(*served.problems, problem))
        return served

    def close(self) -> None:
        """Stop OPA and remove what was written."""
        self._stopping.set()
        self._end_child()

    def _try(self, bundle: bytes, revision: str) -> None:
        """Raises StartupFault `bundle_refused` or `opa_failed`."""
        try:
            reason = refusal(self._executable, bundle)
        except OSError as error:
            raise StartupFault("opa_failed", "the OPA executable could not try the bundle") from error
        if reason:
            raise StartupFault("bundle_refused", f"OPA does not activate the bundle: {reason}")
        # OPA would serve it, and no answer would ever name the revision that is waited for.
        if named_revision(bundle) != revision:
            raise StartupFault("bundle_refused", "the manifest of the bundle names another revision than was given")

    def _start_first(self, bundle: bytes, revision: str) -> None:
        if named_revision(bundle) != revision:
            self._try(bundle, revision)
        try:
            self._start_child()
        except OSError as error:
            raise StartupFault("opa_not_started", f"OPA cannot be started: {error.strerror}") from error
        try:
            self._wait_until_served(stop_when_dead=True)
        except StartupFault:
            self._try(bundle, revision)
            raise

    def _load(self, loaded: _Loaded) -> None:
        """Have the child serve this, now and after a restart. Raises StartupFault where it cannot be written."""
        with self._joining:
            self._loaded = loaded
        self._write()

    def _write(self) -> None:
        with self._joining:
            child = self._child
            if child is None:
                return
            try:
                child.replace(self._loaded.bundle)
            except FileNotFoundError:
                # Someone tidied the folder away: the supervisor makes another, for another child.
                child.kill()
            except OSError as error:
                raise StartupFault("opa_failed", f"the bundle cannot be written: {error.strerror}") from error

    def _start_child(self) -> None:
        with self._joining:
            if not self._stopping.is_set():
                self._child = OpaChild(self._executable, self._loaded.bundle, base=self._base, probe=self._probe)

    def _end_child(self) -> None:
        with self._joining:
            child, self._child = self._child, None
        if child is not None:
            child.stop()

    def _wait_until_served(self, *, stop_when_dead: bool = False) -> None:
        """Wait for an answer with the very revision. Raises StartupFault `opa_not_started`."""
        began = written = time.monotonic()
        while time.monotonic() - began < _START_SECONDS and not self._stopping.is_set():
            child, wanted = self._child, self._loaded.revision
            if child is not None and child.client.health().detail.get("revision") == wanted:
                return
            if stop_when_dead and (child is None or not child.alive()):
                break
            if time.monotonic() - written > _AGAIN_SECONDS:
                self._write()
                written = time.monotonic()
            time.sleep(0.02)
        raise StartupFault("opa_not_started", "OPA did not start to serve the policies")

    def _supervise(self) -> None:
        backoff = 0.1
        look = _Look()
        while not self._stopping.wait(0.05):
            child = self._child
            if child is not None and child.alive() and not look.finds_hanging(child.client):
                continue
            self._end_child()
            if self._stopping.wait(backoff):
                return
            try:
                self._start_child()
                self._wait_until_served(stop_when_dead=True)
                backoff = 0.1
            except (StartupFault, OSError):
                # OSError: no process can be started now. The next turn finds none, and tries again.
                backoff = min(backoff * 2, _MAX_BACKOFF)
            look = _Look()
        self._end_child()


class _Look:
    """Looks at OPA now and then, and knows since when it has not answered."""

    def __init__(self) -> None:
        self._looked = self._answered = time.monotonic()

    def finds_hanging(self, client: ChildClient) -> bool:
        """Whether OPA has left questions unanswered for too long."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return False
        if client.health().ready:
            self._answered = time.monotonic()
        self._looked = time.monotonic()
        return self._looked - self._answered >= _HANGING_SECONDS
