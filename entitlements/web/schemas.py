"""The shapes that cross the HTTP edge, checked by marshmallow. Nothing is coerced, nothing unknown is passed on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from entitlements.model import Action, Resource

_NAME = [
    validate.Length(min=1, max=255),
    validate.Regexp(r"\A[^\x00-\x1f\x7f-\x9f]*\Z", error="must not hold control characters"),
]
# A member name comes from the caller: only a plain one is repeated in an answer.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
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


class AuthorizeSchema(_StrictSchema):
    """The body of `POST /authorize`."""

    action = _ActionField(required=True)
    resource = fields.Nested(ResourceSchema, required=True)
    context = _Properties()
    audience = fields.String(load_default=None, validate=_ID)


_ACTION = ActionSchema()
AUTHORIZE = AuthorizeSchema()


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
