"""Every answer that is no decision, in one shape: `{"error": …, "error_description": …}`.

The text that reaches the client is the same for every cause of a refused token but expiry; the exact cause stands in
the decision log under the decision id.
"""

from __future__ import annotations

import itertools
import logging

from flask import Flask, Response, json
from werkzeug.exceptions import HTTPException

from entitlements.algorithms import PROOF_ALGORITHMS
from entitlements.errors import Challenge, DecisionUnavailable, RequestInvalid, TokenRejected
from entitlements.model import JSON
from entitlements.web.metrics import Metrics

_LOG = logging.getLogger("entitlements")
# A body of 64 KiB can be wrong in thousands of fields, and an answer is bounded too.
_MAX_DETAILS = 100
_PARAMETERS = {"DPoP": f', algs="{" ".join(PROOF_ALGORITHMS)}"'}
_DESCRIPTIONS = {
    "invalid_token": "the access token is not valid",
    "invalid_dpop_proof": "the DPoP proof is not valid",
    "use_dpop_nonce": "the DPoP proof needs the nonce of this answer",
}
_ERRORS = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large", 415: "unsupported_media_type"}


def problem(status: int, body: dict[str, JSON], headers: dict[str, str] | None = None) -> Response:
    """A JSON answer with the status and headers given."""
    return Response(json.dumps(body), status, headers, content_type="application/json")


def install(app: Flask, metrics: Metrics) -> None:
    """Translate each error class to its one answer."""

    @app.errorhandler(TokenRejected)
    def _token(error: TokenRejected) -> Response:
        metrics.refused(error.code)
        return _unauthorized(error)

    @app.errorhandler(RequestInvalid)
    def _request(error: RequestInvalid) -> Response:
        metrics.failed("invalid_request")
        return problem(400, invalid_body(error))

    @app.errorhandler(DecisionUnavailable)
    def _unavailable(error: DecisionUnavailable) -> Response:
        metrics.unavailable(error.code)
        tell_unavailable(error)
        return problem(503, unavailable_body(error), {"Retry-After": str(error.retry_after)})

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        name = _ERRORS.get(status, "invalid_request" if status < 500 else "internal_error")
        metrics.failed(name)
        body: dict[str, JSON] = {"error": name, "error_description": (error.name or "").lower()}
        allowed = getattr(error, "valid_methods", None)
        return problem(status, body, {"Allow": ", ".join(sorted(allowed))} if allowed else None)

    @app.errorhandler(Exception)
    def _bug(error: Exception) -> Response:
        # The class and the place only: a message could quote a token or a claim.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else "?"
        _LOG.critical("defect: %s in %s", type(error).__name__, place)
        metrics.failed("internal_error")
        return problem(500, {"error": "internal_error", "error_description": "a defect of the service"})


def invalid_body(error: RequestInvalid) -> dict[str, JSON]:
    """What is wrong with a request, field by field."""
    first = itertools.islice(error.details.items(), _MAX_DETAILS)
    details: dict[str, JSON] = {path: list(faults) for path, faults in first}
    return {"error": "invalid_request", "code": error.code, "error_description": error.message, "details": details}


def unavailable_body(error: DecisionUnavailable) -> dict[str, JSON]:
    """That no decision can be made, and the code of the cause."""
    return {"error": "decision_unavailable", "code": error.code, "error_description": "no decision can be made now"}


def tell_unavailable(error: DecisionUnavailable) -> None:
    """Tell the operator the cause."""
    # Anyone can send a token of a key that no one knows: it is counted, and fills no log.
    level = logging.DEBUG if error.code == "key_not_confirmed" else logging.ERROR
    _LOG.log(level, "no decision can be made: %s: %s", error.code, error.message)


def refused_body(error: TokenRejected) -> dict[str, JSON]:
    """That the token is refused; the cause is in the decision log alone."""
    asked = error.challenge or Challenge()
    return {
        "decision": False,
        "effect": "deny",
        "error": asked.error,
        "error_description": _described(error.code, asked),
        "decision_id": error.decision_id,
    }


def _unauthorized(error: TokenRejected) -> Response:
    """RFC 6750 section 3: a bare challenge where no credentials were sent, else why not; RFC 9449 section 7.1."""
    asked = error.challenge or Challenge()
    description = _described(error.code, asked)
    why = f', error="{asked.error}", error_description="{description}"' if error.code != "token_missing" else ""
    answer = problem(401, refused_body(error))
    for scheme in asked.schemes:
        answer.headers.add("WWW-Authenticate", f'{scheme} realm="entitlements"{why}{_PARAMETERS.get(scheme, "")}')
    if asked.nonce:
        answer.headers["DPoP-Nonce"] = asked.nonce
    return answer


def _described(code: str, asked: Challenge) -> str:
    if code == "token_missing":
        return "no access token was sent"
    if code == "token_expired":
        return "the access token expired"
    return _DESCRIPTIONS[asked.error]
