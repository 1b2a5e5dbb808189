"""The Flask application, made from ready objects only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from entitlements.pdp import PolicyDecisionPoint
from entitlements.readiness import Readiness
from entitlements.web import authorize, batch, bundles, problems, status
from entitlements.web.metrics import Metrics
from entitlements.web.request_id import HEADER, check_request_id, request_id


def create_app(
    pdp: PolicyDecisionPoint,
    readiness: Callable[[], Readiness],
    metrics: Metrics | None = None,
    *,
    operator_token: str = "",
    releases: Callable[[], Mapping[str, bytes]] | None = None,
    bundles_token: str = "",
) -> Flask:
    """The service's HTTP application around a decision point, its readiness and what it counts.

    operator_token: shows a caller from elsewhere the detail of `/readyz` and `/metrics`; empty: no one from elsewhere;
    releases, bundles_token: what OPA servers elsewhere may load, and their bearer token; empty: there is no such route.
    """
    app = Flask("entitlements", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = batch.MAX_BATCH_BODY
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    metrics = metrics or Metrics()
    problems.install(app, metrics)

    @app.before_request
    def _refuse_other_spellings() -> None:
        # werkzeug takes `//authorize` for `/authorize`; whoever guards paths in front of the service does not.
        if request.environ["PATH_INFO"].startswith("//"):
            raise NotFound

    @app.before_request
    def _refuse_other_spellings_of_a_method() -> None:
        # werkzeug takes `post` for `POST`; methods are case-sensitive (RFC 9110 section 9.1).
        method = request.environ["REQUEST_METHOD"]
        allowed = app.url_map.bind_to_environ(request.environ).allowed_methods() if method != method.upper() else ()
        if allowed:
            raise MethodNotAllowed(sorted(allowed))

    @app.before_request
    def _refuse_unclear_headers() -> None:
        check_request_id(request.headers.get(HEADER))

    @app.after_request
    def _finish(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if sent := request_id(request.headers.get(HEADER)):
            response.headers[HEADER] = sent
        return response

    app.register_blueprint(authorize.blueprint(pdp, metrics))
    app.register_blueprint(batch.blueprint(pdp, metrics))
    app.register_blueprint(status.blueprint(readiness, metrics, operator_token))
    if releases is not None and bundles_token:
        app.register_blueprint(bundles.blueprint(releases, bundles_token))
    return app
