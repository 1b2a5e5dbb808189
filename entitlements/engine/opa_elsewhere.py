"""An OPA server that someone else started: asked as any other, and looked at for being locked down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.engine.opa_server import OpaServer
from entitlements.engine.unix_socket import Check, only_ours_or_roots
from entitlements.errors import EngineUnavailable
from entitlements.model import JSON, PartHealth, Problem, Verdict

_AGAIN_SECONDS = 60.0
_ONE_SECOND = 1.0
_CLOSED_TO_CALLERS = "/v1/policies"


class OpaElsewhere:
    """The OPA at `url` (see `OpaServer`), which may be a Unix socket of our own user or of root.

    plain_http: the address is one of another host without TLS, which the health names. The server is looked at with
    the first question for its health, and then once a minute: who may list its policies may replace them.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        probe: str,
        plain_http: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check: Check | None = only_ours_or_roots(url.removeprefix("unix://")) if url.startswith("unix://") else None
        self._server = OpaServer(url, token=token, probe=probe, check=check)
        self._anonymous = OpaServer(url, check=check, connections=1)
        self._notes: dict[str, JSON] = {"plain_http": url} if plain_http else {}
        self._clock = clock
        self._lock = threading.Lock()
        self._looked: float | None = None
        self._problems: tuple[Problem, ...] = ()

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        return self._server.ask(decision_path, policy_input, deadline=deadline, shape=shape)

    def health(self) -> PartHealth:
        """Whether a decision can be had; a server that is not locked down is a problem beside it."""
        served = self._server.health()
        detail = {**served.detail, **self._notes}
        if not served.ready:
            return replace(served, detail=detail)
        with self._lock:
            if self._looked is None or self._clock() - self._looked >= _AGAIN_SECONDS:
                self._look()
            return PartHealth(True, self._problems, detail)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()
        self._anonymous.close()

    def _look(self) -> None:
        for server, who in ((self._anonymous, "anyone"), (self._server, "the holder of the token")):
            try:
                status = server.status_of(_CLOSED_TO_CALLERS, deadline=time.monotonic() + _ONE_SECOND)
            except EngineUnavailable:
                # Looked at again with the next question: nothing is known of it yet.
                return
            if status not in (401, 403, 404):
                text = f"the OPA server is not locked down: {who} may use its policy API"
                self._problems = (Problem("engine_open", text),)
                break
        else:
            self._problems = ()
        self._looked = self._clock()
