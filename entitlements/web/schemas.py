"""The shapes that cross the HTTP edge, checked by marshmallow. Nothing is coerced, nothing unknown is passed on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from entitlements.errors import RequestInvalid
from entitlements.model import CONTEXT_TIME, JSON, Action, CertificateProof, DPoPProof, Proof, Resource

_NAME = [
    validate.Length(min=1, max=255),
    validate.Regexp(r"\A[^\x00-\x1f\x7f-\x9f]*\Z", error="must not hold control characters"),
]
# A member name comes from the caller: only a plain one is repeated in an answer.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_#-]{1,64}")
_METHOD = validate.Regexp(r"\A[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}\Z", error="must be an HTTP method")
_SHA256 = validate.Regexp(r"\A[A-Za-z0-9_-]{43}\Z", error="must be a SHA-256 as base64url without padding")
MAX_REQUESTS = 100
_ID = [validate.Length(min=1, max=1024), _NAME[1]]


class _StrictSchema(Schema):
    class Meta:
        unknown = RAISE


class _Properties(fields.Dict):
    """A JSON object with free members."""

    def __init__(self, **options: Any) -> None:
        super().__init__(keys=fields.String(), load_default=dict, **options)


class ActionSchema(_StrictSchema):
    """`{"name": "read", "properties": {}}`."""

    name = fields.String(required=True, validate=_NAME)
    properties = _Properties()

    @post_load
    def _freeze(self, data: Mapping[str, Any], **_: Any) -> Action:
        return Action(**data)


class _ActionField(fields.Field[Action]):
    """An action object, or its name alone."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Action:
        members = {"name": value} if isinstance(value, str) else value
        if not isinstance(members, dict):
            raise ValidationError("must be an object or a string")
        return _ACTION.load(members)  # type: ignore[no-any-return]


class ResourceSchema(_StrictSchema):
    """`{"type": "order", "id": "42", "properties": {}}`."""

    type = fields.String(required=True, validate=_NAME)
    id = fields.String(required=True, validate=_ID)
    properties = _Properties()

    @post_load
    def _freeze(self, data: Mapping[str, Any], **_: Any) -> Resource:
        return Resource(**data)


class DPoPSchema(_StrictSchema):
    """`{"jwt": "eyJ…", "method": "GET", "url": "https://orders.example.com/orders/42"}`."""

    jwt = fields.String(required=True)
    method = fields.String(required=True, validate=_METHOD)
    url = fields.String(required=True, validate=validate.Length(min=1, max=8192))


class CertificateSchema(_StrictSchema):
    """`{"x5t#S256": "…"}` (RFC 8705 section 3.1)."""

    thumbprint = fields.String(required=True, validate=_SHA256, data_key="x5t#S256")


class ProofSchema(_StrictSchema):
    """What a client showed the API beside its token: exactly one of `dpop` and `mtls`."""

    dpop = fields.Nested(DPoPSchema, load_default=None, allow_none=False)
    mtls = fields.Nested(CertificateSchema, load_default=None, allow_none=False)

    @post_load
    def _freeze(self, data: Mapping[str, Any], **_: Any) -> Proof:
        if (data["dpop"] is None) == (data["mtls"] is None):
            raise ValidationError("must hold exactly one of `dpop` and `mtls`")
        return CertificateProof(**data["mtls"]) if data["dpop"] is None else DPoPProof(**data["dpop"])


class QuestionSchema(_StrictSchema):
    """One request: what is to be done to what, under which circumstances."""

    action = _ActionField(required=True)
    resource = fields.Nested(ResourceSchema, required=True)
    context = _Properties()

    @validates_schema
    def _tells_no_time(self, data: Mapping[str, Any], **_: Any) -> None:
        """The time of a decision is the service's own, whether a contract declares it or not."""
        if CONTEXT_TIME in data["context"]:
            raise ValidationError({"context": {CONTEXT_TIME: ["is the service's own, leave it out"]}})


class AuthorizeSchema(QuestionSchema):
    """The body of `POST /authorize`."""

    audience = fields.String(load_default=None, validate=_ID)
    proof = fields.Nested(ProofSchema, load_default=None)


class BatchSchema(_StrictSchema):
    """The body of `POST /authorize/batch`."""

    audience = fields.String(load_default=None, validate=_ID)
    proof = fields.Nested(ProofSchema, load_default=None)
    requests = fields.List(
        fields.Nested(QuestionSchema), required=True, validate=validate.Length(min=1, max=MAX_REQUESTS)
    )


_ACTION = ActionSchema()
AUTHORIZE = AuthorizeSchema()
BATCH = BatchSchema()


def proof_of(document: JSON) -> Proof:
    """The member `proof` of a body alone. Raises RequestInvalid."""
    try:
        return ProofSchema().load(document)  # type: ignore[arg-type,no-any-return]
    except ValidationError as error:
        details = flatten(error.messages, "proof")
        raise RequestInvalid("request_malformed", "the request is malformed", details) from None


def flatten(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Marshmallow's nested messages as one map from a dotted field path to its faults."""
    if isinstance(messages, dict):
        found: dict[str, list[str]] = {}
        for key, inner in messages.items():
            name = key if _PLAIN_NAME.fullmatch(str(key)) else "?"
            place = path if key == "_schema" else f"{path}.{name}" if path else str(name)
            for where, faults in flatten(inner, place).items():
                found.setdefault(where, []).extend(faults)
        return found
    faults = [messages] if isinstance(messages, str) else [str(fault) for fault in messages]
    return {path or "body": [fault[:1].lower() + fault[1:].rstrip(".") for fault in faults]}
