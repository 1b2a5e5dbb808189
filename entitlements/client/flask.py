"""A guard for Flask: a decorator says what a view needs, and a view of which nothing is said is refused."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

import flask

from entitlements.client.answers import Answer, Question
from entitlements.client.guard import Refusal, checked_public_url, obligations_of
from entitlements.client.sync import Client
from entitlements.client.wsgi import ANSWER, Handler, Thumbprint, guarded, shown_by

_LOG = logging.getLogger("entitlements.client")
_MARK = "__entitlements_guarded__"
View = Callable[..., Any]


class FlaskGuard:
    """Asks before a view is called.

    app: every endpoint of it has to be guarded by `requires`, or named in `public`; others are refused with 403, so
    that a view whose decorator was forgotten, or stands above its route, is open to no one.
    obligations, public_url, certificate: as of `WSGIGuard`.
    The view finds the answer in `flask.g.entitlements`.
    """

    def __init__(
        self,
        app: flask.Flask,
        pdp: Client,
        *,
        public: Collection[str] = (),
        obligations: Mapping[str, Handler] | None = None,
        public_url: str = "",
        certificate: Thumbprint | None = None,
    ) -> None:
        self._pdp = pdp
        self._public = frozenset(public)
        self._obligations = dict(obligations or {})
        self._public_url = checked_public_url(public_url)
        self._certificate = certificate
        app.before_request(self._refuse_unguarded)

    def requires(
        self,
        action: str | Mapping[str, object],
        resource: Callable[..., Mapping[str, object]],
        context: Callable[..., Mapping[str, object]] | None = None,
    ) -> Callable[[View], View]:
        """The view needs `action` on what `resource` gives for the view's arguments; below `app.route`."""

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def guarded_view(*args: Any, **kwargs: Any) -> Any:
                told = {} if context is None else context(*args, **kwargs)
                refused = self._ask(Question(action, resource(*args, **kwargs), told))
                return flask.current_app.ensure_sync(view)(*args, **kwargs) if refused is None else refused

            setattr(guarded_view, _MARK, True)
            return guarded_view

        return decorate

    def refusal(self, answer: Answer) -> flask.Response:
        """The API's answer where `answer` lets no one pass, for views that ask by themselves. Raises ValueError."""
        found = obligations_of(answer, {})
        if not isinstance(found, Refusal):
            raise ValueError("an allow is not refused")  # noqa: TRY004
        return _response(found)

    def _ask(self, question: Question) -> flask.Response | None:
        environ = flask.request.environ
        shown = shown_by(environ, self._public_url, self._certificate)
        refusal = guarded(self._pdp, question, shown, environ, self._obligations)
        if refusal is not None:
            return _response(refusal)
        flask.g.entitlements = environ[ANSWER]
        return None

    def _refuse_unguarded(self) -> flask.Response | None:
        name = flask.request.endpoint
        if name is None or name in self._public:
            return None
        if getattr(flask.current_app.view_functions[name], _MARK, False):
            return None
        _LOG.error("the endpoint `%s` is neither guarded nor public: put `requires` below its route", name)
        return flask.Response(
            '{"error": "access_denied"}', 403, {"Cache-Control": "no-store"}, mimetype="application/json"
        )


def _response(refusal: Refusal) -> flask.Response:
    return flask.Response(refusal.body, refusal.status, [*refusal.headers])
