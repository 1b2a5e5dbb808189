"""The shape of a contract document, as marshmallow schemas. Meaning across fields is checked by the loader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from entitlements.addresses import is_confidential
from entitlements.algorithms import SUPPORTED_ALGORITHMS
from entitlements.profiles import AUDIENCE_IS, GENERIC, PROFILES

TOKEN_KINDS = ("access_token", "id_token", "userinfo", "introspection", "wrapper_token")
SENSITIVITIES = ("public", "internal", "pii", "secret")
# Whether tokens that are bound to a key of the client (RFC 8705, RFC 9449) may, or have to, be used.
SENDER_CONSTRAINED = ("refused", "permitted", "required")
VERSION = r"\A(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\Z"
_NAME = validate.Regexp(r"\A[a-z][a-z0-9_-]{0,62}\Z", error="must be lower-case letters, digits, `-` and `_`")
# Namespaced names such as `https://example.com/roles` are names like any other (RFC 7519 section 4.2).
_CLAIM = validate.Regexp(r"\A[^\x00-\x20\x7f\[\]]{1,128}\Z", error="must be a plain name")
_TYPE = validate.Regexp(
    r"\A(?!application/)[A-Za-z0-9][A-Za-z0-9!#$&^_.+/-]{0,63}\Z", error="must be a media type or `none`"
)
# Thirty days, which Auth0 permits; `contract lint` warns of more than one.
MAX_LIFETIME = 30 * 86400
_IDENTIFIER = r"[a-zA-Z_][a-zA-Z0-9_]*"
_SCOPE = validate.Regexp(r"\A[\x21\x23-\x5b\x5d-\x7e]{1,128}\Z", error="must be a scope token (RFC 6749 section 3.3)")


def _absolute_url(text: str) -> None:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or any(ord(character) <= 0x20 or character == "\x7f" for character in text):
        raise ValidationError("must be an absolute https URL")
    if not is_confidential(parts):
        raise ValidationError("must be an absolute https URL (http only on a loopback host)")
    if parts.query or parts.fragment or parts.username is not None or "?" in text or "#" in text:
        raise ValidationError("must have no user, query or fragment")


def _plain_text(text: str) -> None:
    if not text or len(text) > 1024 or any(ord(character) <= 0x20 or character == "\x7f" for character in text):
        raise ValidationError("must be text without whitespace")


def _distinct(values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise ValidationError("lists a name twice")


class _Integer(fields.Integer):
    """A whole number: neither a boolean nor a text that looks like one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, **options)

    def _validated(self, value: Any) -> int:
        if isinstance(value, (bool, str)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Boolean(fields.Field[bool]):
    """`true` or `false`, and nothing that looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class _Strict(Schema):
    class Meta:
        unknown = RAISE


def _names(check: validate.Validator, **options: Any) -> fields.List[str]:
    return fields.List(fields.String(validate=check), validate=_distinct, **options)


def _path(**options: Any) -> fields.List[str]:
    return fields.List(fields.String(validate=_CLAIM), validate=validate.Length(1, 4), **options)


class AnswerShape(_Strict):
    """Where the decision stands in the answer of the rule."""

    allow = _path(required=True)
    reasons = _path(load_default=None)
    obligations = _path(load_default=None)
    ignore = fields.List(_path(), load_default=list, validate=validate.Length(0, 32))


class PolicyShape(_Strict):
    """Where the decision is made."""

    package = fields.String(
        required=True, validate=validate.Regexp(rf"\A(?!system\b){_IDENTIFIER}(\.{_IDENTIFIER}){{0,9}}\Z")
    )
    rule = fields.String(required=True, validate=validate.Regexp(rf"\A{_IDENTIFIER}\Z"))
    answer = fields.Nested(AnswerShape, load_default=None)


class ScopeClaimShape(_Strict):
    """A claim with the granted scopes."""

    claim = fields.String(required=True, validate=_CLAIM)
    form = fields.String(required=True, validate=validate.OneOf(["string", "list"]))


class AudienceShape(_Strict):
    """What represents the audience where the server issues no `aud`."""

    claim = fields.String(required=True, validate=_CLAIM)
    values = _names(_CLAIM, required=True)


class OpaqueShape(_Strict):
    """Tokens that are introspected."""

    prefix = fields.String(
        load_default="",
        validate=validate.Regexp(
            r"\A[A-Za-z0-9._~+/-]{1,64}\Z", error="must be 1 to 64 characters of a token (RFC 6750)"
        ),
    )
    jwt = fields.String(load_default="verify", validate=validate.OneOf(["verify", "introspect"]))


class AccessTokenShape(_Strict):
    """What an access token must be before its claims are looked at."""

    profile = fields.String(required=True, validate=validate.OneOf([*PROFILES, GENERIC]))
    algorithms = _names(validate.OneOf(SUPPORTED_ALGORITHMS), required=True)
    max_lifetime = _Integer(required=True, validate=validate.Range(1, MAX_LIFETIME))
    header_types = _names(_TYPE, load_default=None)
    marker = fields.Raw(load_default=None)
    never = _names(_CLAIM, load_default=None)
    scope = fields.List(fields.Nested(ScopeClaimShape), load_default=None)
    client = _names(_CLAIM, load_default=None)
    registered = _names(_CLAIM, load_default=None)
    audience = fields.Nested(AudienceShape, load_default=None)
    audience_is = fields.String(load_default="", validate=validate.OneOf(AUDIENCE_IS))
    sender_constrained = fields.String(load_default=SENDER_CONSTRAINED[0], validate=validate.OneOf(SENDER_CONSTRAINED))
    opaque = fields.Nested(OpaqueShape, load_default=None)


class TokensShape(_Strict):
    """The kinds of token that the contract speaks of."""

    access_token = fields.Nested(AccessTokenShape, required=True)


class _ClaimBase(_Strict):
    description = fields.String(load_default="")
    required = Boolean(load_default=False)
    sensitivity = fields.String(load_default="internal", validate=validate.OneOf(SENSITIVITIES))
    tokens = _names(validate.OneOf(TOKEN_KINDS), load_default=lambda: ["access_token"])
    schema = fields.Raw(required=True)
    renamed_from = fields.String(load_default="", validate=_CLAIM)
    source = fields.List(fields.String(validate=_CLAIM), load_default=None)
    introspection_source = fields.List(fields.String(validate=_CLAIM), load_default=None)
    ignore_items = _names(validate.Length(1, 256), load_default=list)
    absent = fields.String(load_default="", validate=validate.OneOf(["empty"]))
    actor = Boolean(load_default=False)
    overage = _names(_CLAIM, load_default=list)


# One claim. `as` is a word of Python.
ClaimShape = _ClaimBase.from_dict({"as": fields.Raw(load_default=None)}, name="ClaimShape")


class ScopeShape(_Strict):
    """One scope."""

    description = fields.String(load_default="")
    claims = _names(_CLAIM, load_default=list)


class ConsumerShape(_Strict):
    """One consumer."""

    name = fields.String(required=True, validate=_NAME)
    kind = fields.String(required=True, validate=validate.OneOf(["first-party", "third-party"]))
    relies_on = _names(_CLAIM, load_default=list)
    tokens = _names(validate.OneOf(TOKEN_KINDS), load_default=None)
    strict = Boolean(load_default=False)


class ObjectShape(_Strict):
    """A closed set of typed members."""

    properties = fields.Dict(keys=fields.String(validate=_CLAIM), values=fields.Raw(), load_default=dict)
    required = _names(_CLAIM, load_default=list)


class RequestShape(_Strict):
    """What a request may name."""

    actions = _names(_CLAIM, required=True, allow_none=False)
    resources = fields.Dict(keys=fields.String(validate=_CLAIM), values=fields.Nested(ObjectShape), required=True)
    context = fields.Nested(ObjectShape, load_default=lambda: {"properties": {}, "required": []})


class TimeShape(_Strict):
    """The time that the service tells policies."""

    zone = fields.String(
        required=True,
        validate=validate.Regexp(
            r"\A[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}\Z", error="must be an IANA time zone such as `Europe/Berlin`"
        ),
    )


class ContractShape(_Strict):
    """The whole document."""

    contract = fields.String(required=True, validate=_NAME)
    version = fields.String(
        required=True, validate=validate.Regexp(VERSION, error="must be a semantic version such as 1.0.0")
    )
    description = fields.String(load_default="")
    issuer = fields.String(required=True, validate=_absolute_url)
    audience = fields.String(required=True, validate=_plain_text)
    policy = fields.Nested(PolicyShape, required=True)
    tokens = fields.Nested(TokensShape, required=True)
    undeclared_claims = fields.String(load_default="ignore", validate=validate.OneOf(["ignore", "reject"]))
    claims = fields.Dict(keys=fields.String(validate=_CLAIM), values=fields.Nested(ClaimShape), required=True)
    scopes = fields.Dict(keys=fields.String(validate=_SCOPE), values=fields.Nested(ScopeShape), load_default=dict)
    removed = _names(_CLAIM, load_default=list)
    consumers = fields.List(fields.Nested(ConsumerShape), load_default=list)
    request = fields.Nested(RequestShape, load_default=None)
    time = fields.Nested(TimeShape, load_default=None)


def faults(messages: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Marshmallow's nested messages as places and messages."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from faults(inner, path if key in ("_schema", "key", "value") else (*path, key))
        return
    for message in [messages] if isinstance(messages, str) else messages:
        yield path, re.sub(r"^[A-Z]", lambda first: first[0].lower(), str(message)).rstrip(".")
