"""`POST /authorize` and `POST /authorize/<contract>`: parse strictly, decide, render. The only reader of a request."""

from __future__ import annotations

import re
import time
from typing import Any

from flask import Blueprint, Request, Response, json, request
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from entitlements import strict_json
from entitlements.errors import JSONRefused, RequestInvalid
from entitlements.model import JSON, AccessRequest, Decision, DPoPProof, Proof
from entitlements.pdp import PolicyDecisionPoint
from entitlements.web.metrics import Metrics
from entitlements.web.request_id import HEADER, request_id
from entitlements.web.schemas import AUTHORIZE, flatten
from entitlements.web.server import SINCE
from entitlements.web.step_up import step_up_challenge

MAX_BODY = 64 * 1024
JSON_TYPE = re.compile(r'application/json(?:[ \t]*;[ \t]*charset="?utf-8"?)?', re.IGNORECASE)
_BEARER = re.compile(r"bearer (.+)", re.IGNORECASE | re.DOTALL)


def blueprint(pdp: PolicyDecisionPoint, metrics: Metrics) -> Blueprint:
    """The route, bound to the decision point that answers it."""
    routes = Blueprint("authorize", __name__)

    @routes.post("/authorize")
    @routes.post("/authorize/<contract>")
    def authorize(contract: str | None = None) -> Response:
        started = time.perf_counter()
        access_request = _parse(request, contract)
        if access_request.audience is None and contract is None:
            metrics.silent()
        decision = pdp.decide(
            access_request, request_id=request_id(request.headers.get(HEADER)), since=request.environ.get(SINCE)
        )
        metrics.decided(decision, len(decision.ignored), time.perf_counter() - started)
        scheme = scheme_of(access_request.proof)
        return Response(json.dumps(render(decision, scheme)), 200, content_type="application/json")

    return routes


def scheme_of(proof: Proof | None) -> str:
    """By which scheme the token was sent (RFC 9449 section 7.1)."""
    return "DPoP" if isinstance(proof, DPoPProof) else "Bearer"


def _parse(incoming: Request, contract: str | None) -> AccessRequest:
    document = document_of(incoming, MAX_BODY)
    token = bearer_token(incoming)
    return AccessRequest(token=token, contract=contract, **loaded(AUTHORIZE, document))


def document_of(incoming: Request, most: int, *, deeper: int = 0) -> JSON:
    """The body of `most` bytes at most, strictly read; deeper: how much deeper than others it may nest.

    Raises RequestInvalid and what Flask answers by itself.
    """
    if not JSON_TYPE.fullmatch(incoming.headers.get("Content-Type", "")):
        raise UnsupportedMediaType
    body = incoming.get_data(cache=False)
    if len(body) > most:
        raise RequestEntityTooLarge
    if incoming.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType
    try:
        document = strict_json.loads(body, max_depth=strict_json.MAX_DEPTH + deeper)
    except JSONRefused as refusal:
        raise RequestInvalid(refusal.code, "the body is not acceptable JSON", {"body": [refusal.message]}) from None
    if b"\\u0000" in body and _holds_nul(document):
        raise RequestInvalid("request_malformed", "the request is malformed", {"body": ["a string holds NUL"]})
    return document


def loaded(schema: Schema, document: JSON) -> Any:
    """What a schema makes of a document. Raises RequestInvalid `request_malformed`."""
    try:
        return schema.load(document)  # type: ignore[arg-type]
    except ValidationError as error:
        raise RequestInvalid("request_malformed", "the request is malformed", flatten(error.messages)) from None


def bearer_token(incoming: Request) -> str:
    """The credentials of RFC 6750 section 2.1, or empty. Other places (sections 2.2 and 2.3) are never read."""
    header = incoming.headers.get("Authorization", "")
    if header and "access_token" in incoming.args:
        raise RequestInvalid(
            "token_in_two_places", "the token was sent twice", {"access_token": ["send the token as a header only"]}
        )
    match = _BEARER.fullmatch(header)
    return match[1] if match else ""


def _holds_nul(value: JSON) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, list):
        return any(_holds_nul(item) for item in value)
    if isinstance(value, dict):
        return any("\x00" in key or _holds_nul(item) for key, item in value.items())
    return False


def render(decision: Decision, scheme: str) -> dict[str, JSON]:
    """The answer of a decision. `decision` is a JSON boolean, so that a careless reader cannot fail open."""
    ref = decision.contract
    body: dict[str, JSON] = {
        "decision": decision.allow,
        "effect": "allow" if decision.allow else "deny",
        "decision_id": decision.id,
        "reasons": list(decision.reasons),
        "obligations": [dict(obligation) for obligation in decision.obligations],
        "contract": {"name": ref.name, "version": ref.version, "digest": ref.digest} if ref else None,
        "policy": {"revision": decision.policy_revision},
    }
    challenge = step_up_challenge(decision.obligations, scheme)
    if challenge:
        body["www_authenticate"] = challenge
    if decision.violations:
        body["violations"] = [
            {"code": violation.code, "claim": violation.claim, "message": violation.message}
            for violation in decision.violations
        ]
    return body
