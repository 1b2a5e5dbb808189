"""An OPA server as a policy engine: production and docker-compose."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import urllib3

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.engine.answer import read_answer
from entitlements.engine.decision_path import DECISION_PATH
from entitlements.engine.probe import HEALTH_SECONDS, probed_health
from entitlements.engine.unix_socket import Check
from entitlements.errors import EngineUnavailable
from entitlements.model import JSON, PartHealth, Verdict, not_ready

if TYPE_CHECKING:
    from entitlements.engine.http_answer import Answer

_QUERY = {"strict-builtin-errors": "true", "provenance": "true"}
_T = TypeVar("_T")


class OpaServer:
    """Asks the OPA at `url`: `http://` or `https://` with host and port, or `unix://` with the path of a socket.

    check: who may listen on that socket; token: bearer token for OPA's own authorization, or None; probe: a decision
    path that `health` asks with an empty input, for which a policy may fail; connections: how many requests may be
    under way at once.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        probe: str = "",
        connections: int = 64,
        check: Check | None = None,
    ) -> None:
        # The client of OPA brings a second HTTP library: whoever asks no server does not wait for it.
        from entitlements.engine.opa_client_strict import StrictOpaClient

        self._client = StrictOpaClient(connections=connections, token=token, **_where(url, check))
        self._probe = probe

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        if not DECISION_PATH.fullmatch(decision_path):
            raise ValueError("a decision path is made of Rego identifiers")

        def query() -> bytes:
            body: bytes = self._client.query_rule(dict(policy_input), decision_path, query_params=_QUERY)
            return body

        return read_answer(self._within(deadline, query), shape)

    def health(self) -> PartHealth:
        """Whether a decision can be had, and of which policy revision."""
        if self._probe:
            return probed_health(self.ask, self._probe)
        try:
            healthy = self._within(time.monotonic() + HEALTH_SECONDS, self._client.check_health)
        except EngineUnavailable as error:
            return not_ready(error.code, error.message)
        return PartHealth(True) if healthy else not_ready("engine_unreachable", "the engine is not healthy")

    def status_of(self, path: str, *, deadline: float) -> int:
        """The status of a GET of `path`. Raises EngineUnavailable."""

        def look() -> int:
            answer: Answer = self._client._session.get(f"opa://engine{path}", timeout=None)
            return answer.status_code

        return self._within(deadline, look)

    def close(self) -> None:
        """Close the connections."""
        self._client.close_connection()

    def _within(self, deadline: float, call: Callable[[], _T]) -> _T:
        """Run a request of the client under a deadline; a connection that was found dead is replaced once."""
        self._client.until(deadline)
        try:
            try:
                return call()
            except urllib3.exceptions.ProtocolError:
                # An idle connection that the peer had closed: no byte of an answer came, and a query changes nothing.
                if time.monotonic() >= deadline:
                    raise
                return call()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if time.monotonic() >= deadline:
                raise EngineUnavailable("engine_timeout", "the engine took too long") from error
            raise EngineUnavailable("engine_unreachable", "the engine cannot be reached") from error


def _where(url: str, check: Check | None) -> dict[str, Any]:
    """The options of the client that say whom to ask. Raises ValueError for any other address."""
    scheme, _, rest = url.partition("://")
    if scheme == "unix" and rest.startswith("/") and check is not None:
        return {"unix": (rest, check)}
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the engine's address must be http or https, or the path of a Unix socket")
    tls = parts.scheme == "https"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return {"host": host, "port": parts.port or (443 if tls else 80), "ssl": tls}
