"""An introspection answer as a signed JWT (RFC 9701): opened, or no word about the token."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

from entitlements.algorithms import SUPPORTED_ALGORITHMS
from entitlements.errors import IntrospectionUnavailable, TokenRejected
from entitlements.model import JSON
from entitlements.token import compact
from entitlements.token.header import check_header
from entitlements.token.key_source import KeySource
from entitlements.token.signature import is_bound, signature_holds

# How old an answer may be when it comes: it was made for this question.
MAX_AGE_SECONDS = 60
_TYPE = "token-introspection+jwt"


class Asked(Protocol):
    """What the answer has to be signed by and made for; see `Question`."""

    @property
    def issuer(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def keys(self) -> KeySource: ...
    @property
    def leeway(self) -> int: ...
    @property
    def monotonic(self) -> Callable[[], float]: ...


def content_of(body: bytes, asked: Asked, received_at: float) -> Mapping[str, JSON]:
    """The member `token_introspection` of an answer that the issuer signed for us, a moment before it was received.

    The type has to be exact, so that no other JWT of the issuer passes for an answer (RFC 9701 section 8.1). Nothing
    else in it is read. Raises IntrospectionUnavailable introspection_answer_invalid, or KeysUnavailable.
    """
    try:
        parts = compact.parse(body.decode("latin-1"))
        header = check_header(parts.header, SUPPORTED_ALGORITHMS, (_TYPE,))
        key = asked.keys.find(header.kid, header.algorithm, asked.monotonic())
    except TokenRejected as refusal:
        raise _invalid(f"the signed introspection answer is refused: {refusal.message}") from None
    # A key without `alg` signs answers with RS256, the default of RFC 9701 section 6, as no contract says otherwise.
    bound = is_bound(key, (key.algorithm, "RS256"))
    if not bound or key.algorithm != header.algorithm or (header.kid is not None and key.kid != header.kid):
        raise _invalid("the key source gave a key that does not fit the header of the introspection answer")
    if not signature_holds(key, parts.signing_input, parts.signature):
        raise _invalid("the signature of the introspection answer does not hold")
    _check_made_for_us(parts.payload, asked, received_at)
    content = parts.payload.get("token_introspection")
    if not isinstance(content, dict):
        raise _invalid("the signed introspection answer has no object `token_introspection`")
    return content


def _check_made_for_us(payload: Mapping[str, JSON], asked: Asked, received_at: float) -> None:
    if payload.get("iss") != asked.issuer:
        raise _invalid("the introspection answer is signed for another issuer than the one asked")
    audience = payload.get("aud")
    if asked.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise _invalid("the introspection answer is for another client than this service")
    made = payload.get("iat")
    if isinstance(made, bool) or not isinstance(made, int | float) or not math.isfinite(made):
        raise _invalid("the signed introspection answer has no time `iat`")
    if not made - asked.leeway <= received_at <= made + asked.leeway + MAX_AGE_SECONDS:
        raise _invalid("the signed introspection answer was not made just now")


def _invalid(message: str) -> IntrospectionUnavailable:
    return IntrospectionUnavailable("introspection_answer_invalid", message)
