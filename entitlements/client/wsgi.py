"""A guard in front of a WSGI application: what is asked of each request is the API's, the rest is done here."""

from __future__ import annotations

import http
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication

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
from entitlements.client.sync import Client

Environ = dict[str, Any]
Handler = Callable[[Obligation, Environ], bool]
Thumbprint = Callable[[Environ], str | None]
ANSWER = "entitlements.answer"
# What a path may hold unescaped (RFC 3986 section 3.3).
_PATH = "/:@!$&'()*+,;=~"

__all__ = ["ANSWER", "PUBLIC", "Handler", "Thumbprint", "WSGIGuard", "guarded"]


class WSGIGuard:
    """Asks before `app` is called, and calls it only where the answer is an allow whose obligations are fulfilled.

    question: what is asked of a request, or PUBLIC for one that everybody may make; obligations: by id what fulfils
    one, which says `True` where it did; public_url: the API as its clients see it, `https://host[:port]`, for DPoP;
    certificate: the thumbprint of the client's certificate, for certificate-bound tokens.

    The application finds the answer in `environ["entitlements.answer"]`.
    """

    def __init__(
        self,
        app: WSGIApplication,
        pdp: Client,
        question: Callable[[Environ], Question | Public],
        *,
        obligations: Mapping[str, Handler] | None = None,
        public_url: str = "",
        certificate: Thumbprint | None = None,
    ) -> None:
        self._app = app
        self._pdp = pdp
        self._question = question
        self._obligations = dict(obligations or {})
        self._public_url = checked_public_url(public_url)
        self._certificate = certificate

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        asked = self._question(environ)
        if asked is not PUBLIC:
            shown = shown_by(environ, self._public_url, self._certificate)
            refusal = guarded(self._pdp, asked, shown, environ, self._obligations)
            if refusal is not None:
                status = http.HTTPStatus(refusal.status)
                start_response(f"{status.value} {status.phrase}", [*refusal.headers])
                return [refusal.body]
        return self._app(environ, start_response)


def guarded(
    pdp: Client,
    asked: Question | Public,
    shown: Credentials,
    environ: Environ,
    handlers: Mapping[str, Handler],
) -> Refusal | None:
    """Ask; None where the request may go on. Raises what a handler raises, and TypeError for what is no question."""
    if not isinstance(asked, Question):
        raise TypeError("what is asked of a request has to be a `Question` or `PUBLIC`")
    answer = pdp.authorize(
        shown.token,
        asked.action,
        asked.resource,
        asked.context,
        proof=shown.proof,
        request_id=environ.get("HTTP_X_REQUEST_ID", ""),
    )
    found = obligations_of(answer, handlers)
    if isinstance(found, Refusal):
        return found
    if not all(handlers[obligation.id](obligation, environ) is True for obligation in found):
        return unfulfilled(answer)
    environ[ANSWER] = answer
    return None


def shown_by(environ: Environ, public_url: str, certificate: Thumbprint | None) -> Credentials:
    """What the client of the API showed."""
    path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), safe=_PATH, encoding="latin-1")
    return credentials(
        _values(environ, "HTTP_AUTHORIZATION"),
        _values(environ, "HTTP_DPOP"),
        method=environ["REQUEST_METHOD"],
        url=public_url and public_url + path,
        thumbprint=None if certificate is None else certificate(environ),
    )


def _values(environ: Environ, name: str) -> list[str]:
    return [environ[name]] if name in environ else []
