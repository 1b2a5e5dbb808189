"""A guard in front of an ASGI application, such as one of Starlette or FastAPI."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote

from entitlements.client.aio import AsyncClient
from entitlements.client.answers import Obligation, Question
from entitlements.client.guard import (
    PUBLIC,
    Credentials,
    Public,
    Refusal,
    checked_public_url,
    credentials,
    obligations_of,
    unfulfilled,
)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Asked: TypeAlias = Question | Public
Handler: TypeAlias = Callable[[Obligation, Scope], bool | Awaitable[bool]]
ANSWER = "entitlements.answer"
# What a path may hold unescaped (RFC 3986 section 3.3).
_PATH = "/:@!$&'()*+,;=~"

__all__ = ["ANSWER", "PUBLIC", "ASGIGuard", "Handler"]


class ASGIGuard:
    """Asks before `app` is called, and calls it only where the answer is an allow whose obligations are fulfilled.

    question: what is asked of a request, by its scope, or PUBLIC for one that everybody may make; obligations: by id
    what fulfils one, which says `True` where it did; public_url: the API as its clients see it,
    `https://host[:port]`, for DPoP; certificate: the thumbprint of the client's certificate, for certificate-bound
    tokens. `question` and what fulfils obligations may be coroutine functions.

    The application finds the answer in `scope["entitlements.answer"]`. WebSockets are asked about as they open.
    """

    def __init__(
        self,
        app: App,
        pdp: AsyncClient,
        question: Callable[[Scope], Asked | Awaitable[Asked]],
        *,
        obligations: Mapping[str, Handler] | None = None,
        public_url: str = "",
        certificate: Callable[[Scope], str | None] | None = None,
    ) -> None:
        self._app = app
        self._pdp = pdp
        self._question = question
        self._obligations = dict(obligations or {})
        self._public_url = checked_public_url(public_url)
        self._certificate = certificate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"}:
            raise TypeError("requests and WebSockets are guarded, and nothing else is let through")
        refusal = await self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _answer(refusal, send)
        else:
            # Before it is accepted: servers answer the handshake with 403.
            await send({"type": "websocket.close", "code": 1008})

    async def _refusal(self, scope: Scope) -> Refusal | None:
        """Ask; None where the request may go on. Raises what the API's own functions raise."""
        asked = await _result(self._question(scope))
        if asked is PUBLIC:
            return None
        if not isinstance(asked, Question):
            raise TypeError("what is asked of a request has to be a `Question` or `PUBLIC`")
        shown = self._shown(scope)
        answer = await self._pdp.authorize(
            shown.token,
            asked.action,
            asked.resource,
            asked.context,
            proof=shown.proof,
            request_id="".join(_values(scope, b"x-request-id")),
        )
        found = obligations_of(answer, self._obligations)
        if isinstance(found, Refusal):
            return found
        for obligation in found:
            if await _result(self._obligations[obligation.id](obligation, scope)) is not True:
                return unfulfilled(answer)
        scope[ANSWER] = answer
        return None

    def _shown(self, scope: Scope) -> Credentials:
        """What the client of the API showed."""
        raw = scope.get("raw_path")
        path = raw.decode("latin-1").partition("?")[0] if raw else quote(scope["path"], safe=_PATH)
        return credentials(
            _values(scope, b"authorization"),
            _values(scope, b"dpop"),
            method=scope.get("method", "GET"),
            url=self._public_url and self._public_url + path,
            thumbprint=None if self._certificate is None else self._certificate(scope),
        )


async def _result(said: Any) -> Any:
    return await said if inspect.isawaitable(said) else said


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for other, value in scope["headers"] if other.lower() == name]


async def _answer(refusal: Refusal, send: Send) -> None:
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in refusal.headers]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})
