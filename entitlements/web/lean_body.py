"""A body of `POST /authorize` read without marshmallow: the plain ones, to the same objects, and no other.

What is refused, and how that is worded, is for schemas.py alone; here a body is read or declined. Declined is more than
what is refused: escapes of NUL, explicit nulls and proofs of possession are left to the other reader, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from entitlements import strict_json
from entitlements.errors import JSONRefused
from entitlements.model import CONTEXT_TIME, JSON, Action, Resource

# The loop is not held up by a large body.
MAX_LEAN_BODY = 8 * 1024
_MEMBERS = frozenset({"action", "resource", "context", "audience"})
_ACTION_MEMBERS = frozenset({"name", "properties"})
_RESOURCE_MEMBERS = frozenset({"type", "id", "properties"})
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}")
_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,1024}")


@dataclass(frozen=True, slots=True)
class LeanBody:
    """What a plain body asks: the members of AuthorizeSchema but `proof`."""

    action: Action
    resource: Resource
    context: dict[str, JSON]
    audience: str | None


def read_lean(body: bytes) -> LeanBody | None:
    """What marshmallow would load of the body; None for whatever is not plain."""
    if len(body) > MAX_LEAN_BODY or b"\\u0000" in body:
        return None
    try:
        document = strict_json.loads(body)
    except JSONRefused:
        return None
    if not isinstance(document, dict) or not document.keys() <= _MEMBERS:
        return None
    action = _action(document.get("action"))
    resource = _resource(document.get("resource"))
    context = document.get("context", {})
    if action is None or resource is None or not isinstance(context, dict) or CONTEXT_TIME in context:
        return None
    audience = document.get("audience") if "audience" in document else ""
    if not isinstance(audience, str) or ("audience" in document and not _ID.fullmatch(audience)):
        return None
    return LeanBody(action, resource, context, audience or None)


def _action(value: JSON) -> Action | None:
    members: JSON = {"name": value} if isinstance(value, str) else value
    if not isinstance(members, dict) or not members.keys() <= _ACTION_MEMBERS:
        return None
    name, properties = members.get("name"), members.get("properties", {})
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(properties, dict):
        return None
    return Action(name, properties)


def _resource(value: JSON) -> Resource | None:
    if not isinstance(value, dict) or not value.keys() <= _RESOURCE_MEMBERS:
        return None
    kind, name, properties = value.get("type"), value.get("id"), value.get("properties", {})
    if not isinstance(kind, str) or not _NAME.fullmatch(kind) or not isinstance(properties, dict):
        return None
    if not isinstance(name, str) or not _ID.fullmatch(name):
        return None
    return Resource(kind, name, properties)
