"""`POST /authorize/batch`: many requests by one token, answered one by one and in their order."""

from __future__ import annotations

import time

from flask import Blueprint, Response, json, request

from entitlements.batch import BatchAnswer, decide_batch
from entitlements.errors import DecisionUnavailable, EntitlementsError, RequestInvalid, TokenRejected
from entitlements.model import JSON, AccessRequest, Decision
from entitlements.pdp import PolicyDecisionPoint
from entitlements.web.authorize import bearer_token, document_of, loaded, render, scheme_of
from entitlements.web.metrics import Metrics
from entitlements.web.problems import invalid_body, refused_body, tell_unavailable, unavailable_body
from entitlements.web.request_id import HEADER, request_id
from entitlements.web.schemas import BATCH

PATH = "/authorize/batch"
MAX_BATCH_BODY = 512 * 1024
# Each request stands in a list in an object, and may be as deep as one that stands alone.
_DEEPER = 2


def blueprint(pdp: PolicyDecisionPoint, metrics: Metrics) -> Blueprint:
    """The route, bound to the decision point that answers it."""
    routes = Blueprint("batch", __name__)

    @routes.post(PATH)
    def batch() -> Response:
        document = document_of(request, MAX_BATCH_BODY, deeper=_DEEPER)
        token, asked = bearer_token(request), loaded(BATCH, document)
        audience, proof = asked["audience"], asked["proof"]
        if audience is None:
            metrics.silent()
        questions = [AccessRequest(token=token, audience=audience, proof=proof, **one) for one in asked["requests"]]
        started = time.perf_counter()
        found = decide_batch(pdp, questions, request_id=request_id(request.headers.get(HEADER)))
        _count(found, metrics, time.perf_counter() - started)
        answers: list[JSON] = [_rendered(answer, scheme_of(proof)) for answer in found.answers]
        return Response(json.dumps({"batch_id": found.id, "answers": answers}), 200, content_type="application/json")

    return routes


def _rendered(answer: Decision | EntitlementsError, scheme: str) -> dict[str, JSON]:
    """The body that the same request alone would be answered with."""
    if isinstance(answer, Decision):
        return render(answer, scheme)
    if isinstance(answer, TokenRejected):
        return refused_body(answer)
    if isinstance(answer, RequestInvalid):
        return invalid_body(answer)
    if isinstance(answer, DecisionUnavailable):
        return unavailable_body(answer)
    raise answer


def _count(found: BatchAnswer, metrics: Metrics, seconds: float) -> None:
    """Count each answer as if it had been asked for alone; of causes that come again one is told."""
    told: set[str] = set()
    for answer in found.answers:
        if isinstance(answer, Decision):
            metrics.decided(answer, len(answer.ignored), seconds / len(found.answers))
        elif isinstance(answer, TokenRejected):
            metrics.refused(answer.code)
        elif isinstance(answer, RequestInvalid):
            metrics.failed("invalid_request")
        elif isinstance(answer, DecisionUnavailable):
            metrics.unavailable(answer.code)
            if answer.code not in told:
                tell_unavailable(answer)
            told.add(answer.code)
