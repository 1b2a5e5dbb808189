"""One answer of an introspection endpoint, judged: the claims of an access token, a refusal, or no word at all.

Nothing here talks to anyone. A refusal (TokenRejected) is the issuer's word about the token, or what follows from it;
IntrospectionUnavailable is for everything that tells nothing about the token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from entitlements import strict_json
from entitlements.errors import IntrospectionUnavailable, JSONRefused, TokenRejected
from entitlements.model import JSON, TokenProfile, VerifiedClaims, same_json
from entitlements.profiles import answer_misfit, for_audience, introspected, kind_misfits
from entitlements.token import compact
from entitlements.token.binding import DPOP, Binding, binding_of, permitting
from entitlements.token.claims import Times, audiences, check_times
from entitlements.token.codes import Refusal, refuse
from entitlements.token.introspection.signed import content_of
from entitlements.token.key_source import KeySource

MAX_ANSWER_BYTES = 64 * 1024
# What says that the endpoint gave something that is no JWT of its issuer at all, and not which token it is.
_BROKEN = (
    *(Refusal.TOKEN_MALFORMED, Refusal.TOKEN_TOO_LARGE, Refusal.SIGNATURE_INVALID, Refusal.UNKNOWN_KEY),
    *(Refusal.ALGORITHM_NOT_PERMITTED, Refusal.HEADER_NOT_PERMITTED),
)
# RFC 6749 section 5.2: words about us, not about the token.
_OUR_FAULT = ("invalid_client", "unauthorized_client", "access_denied")


class AnswerForm(StrEnum):
    """What an endpoint is asked for, and must answer."""

    JSON = "json"  # RFC 7662
    SIGNED = "signed"  # RFC 9701: a JWT around the same members
    TOKEN = "token"  # noqa: S105 - the access token as a JWT: Keycloak's member `jwt`, Curity's phantom token

    @property
    def media_type(self) -> str:
        """What is asked for in `Accept`, and nothing beside it: Keycloak compares octets."""
        return {"json": "application/json", "signed": "application/token-introspection+jwt"}.get(
            self.value, "application/jwt"
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, media type without parameters, body. received_at: seconds since the epoch."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    received_at: float


@dataclass(frozen=True, slots=True)
class Judged:
    """An active access token. binding: the key that its sender has to prove to hold, for each request anew."""

    claims: VerifiedClaims = field(repr=False)
    binding: Binding | None


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer is held against.

    profiles: the versions of one contract audience by the issuer that was asked, one at least; client_id: ours at that
    issuer; keys: of the issuer; verify_jwt: the whole verification of a JWT for the audience; leeway, monotonic: see
    TokenVerifier.
    """

    profiles: tuple[TokenProfile, ...]
    form: AnswerForm
    client_id: str
    keys: KeySource
    verify_jwt: Callable[[str, float], Judged]
    leeway: int
    monotonic: Callable[[], float]

    @property
    def issuer(self) -> str:
        """The issuer that was asked."""
        return self.profiles[0].issuer

    @property
    def audience(self) -> str:
        """The audience of the API that asks."""
        return self.profiles[0].audience


def judge(answer: Answer, question: Question, now: float) -> Judged:
    """The claims of an active access token; whether its sender holds its key is not looked at.

    now: seconds since the epoch. Raises TokenRejected with a code of `Refusal`, IntrospectionUnavailable
    introspection_client_refused, introspection_failed or introspection_answer_invalid, or KeysUnavailable.
    """
    _check_status(answer)
    if question.form is AnswerForm.SIGNED:
        _check_media_type(answer, question.form.media_type)
        members: Mapping[str, JSON] = content_of(answer.body, question, answer.received_at)
        return _claims(members, question, now)
    if question.form is AnswerForm.TOKEN and answer.content_type == question.form.media_type:
        return _of_jwt(_text(answer.body), question, now)
    _check_media_type(answer, AnswerForm.JSON.media_type)
    members = _members(answer.body)
    if members.get("active") is not True:
        raise refuse(Refusal.TOKEN_INACTIVE, "the issuer says that the token is not active")
    if question.form is AnswerForm.TOKEN:
        return _agreeing(members, _of_jwt(_phantom(members), question, now))
    return _claims(members, question, now)


def _check_status(answer: Answer) -> None:
    if answer.status == 200:
        return
    if answer.status == 204:
        # Curity's answer for a token that is not active.
        raise refuse(Refusal.TOKEN_INACTIVE, "the issuer says that the token is not active")
    if answer.status in (401, 403) or _error(answer) in _OUR_FAULT:
        raise IntrospectionUnavailable(
            "introspection_client_refused", "the introspection endpoint refuses the credentials of this service"
        )
    if answer.status == 400 and _error(answer):
        raise refuse(Refusal.INTROSPECTION_DECLINED, "the issuer does not introspect the token")
    raise IntrospectionUnavailable("introspection_failed", f"the introspection endpoint answered {answer.status}")


def _error(answer: Answer) -> str:
    """The error code of RFC 6749 section 5.2; empty where the answer has none."""
    try:
        value = strict_json.loads(answer.body, max_depth=compact.HEADER_DEPTH)
    except JSONRefused:
        return ""
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, str) else ""


def _check_media_type(answer: Answer, wanted: str) -> None:
    if answer.content_type != wanted:
        raise _invalid(f"the introspection endpoint did not answer in `{wanted}`")


def _members(body: bytes) -> dict[str, JSON]:
    try:
        value = strict_json.loads(body, max_depth=compact.PAYLOAD_DEPTH)
    except JSONRefused as refusal:
        if refusal.code == "json_duplicate_member":
            # Two readers could see two answers, of which one is not active.
            raise refuse(Refusal.TOKEN_INACTIVE, "the issuer's answer names a member twice") from None
        raise _invalid(f"the introspection answer is refused: {refusal.message}") from None
    if not isinstance(value, dict):
        raise _invalid("the introspection answer is not a JSON object")
    return value


def _claims(members: Mapping[str, JSON], question: Question, now: float) -> Judged:
    """Claims of an answer that speaks of an access token by one of the versions. Raises the first refusal."""
    refusals: list[TokenRejected] = []
    fitting: list[TokenProfile] = []
    for profile in question.profiles:
        found = answer_misfit(profile.rules, members)
        if found is None:
            fitting.append(replace(profile, rules=introspected(profile.rules)))
        else:
            refusals.append(refuse(Refusal(found.code), found.text))
    if not fitting:
        raise refusals[0]
    if members["iss"] != question.issuer:
        raise refuse(Refusal.ISSUER_MISMATCH, "the introspection answer is of another issuer than the one asked")
    binding = _binding(members)
    times = check_times(members)
    times.check(now, question.leeway)
    _check_for(fitting, members, _lifetime(times, now), bound=binding is not None)
    claims = VerifiedClaims(
        values=MappingProxyType({name: value for name, value in members.items() if name not in _ABOUT_THE_ANSWER}),
        issuer=question.issuer,
        audience=question.audience,
        algorithm="",
        expires_at=times.expires_at,
        lifetime=_lifetime(times, now),
        header_type="",
        introspected=True,
        bound=binding is not None,
    )
    return Judged(claims, binding)


_SAID_TWICE = ("iss", "sub", "exp")
_ABOUT_THE_ANSWER = ("active", "jwt", "phantom_token")


def _binding(members: Mapping[str, JSON]) -> Binding | None:
    binding = binding_of(members)
    if str(members["token_type"]).lower() == "dpop" and (binding is None or binding.method != DPOP):
        raise refuse(Refusal.SENDER_CONSTRAINED, "`token_type` says that the token is bound, `cnf` names no such key")
    return binding


def _check_for(fitting: list[TokenProfile], members: Mapping[str, JSON], lifetime: float, *, bound: bool) -> None:
    named = audiences(members)
    if not any(for_audience(profile, members, named) for profile in fitting):
        raise refuse(Refusal.AUDIENCE_MISMATCH, "the token is not for the audience that asks")
    fitting = permitting(fitting, bound=bound)
    if not lifetime <= max(profile.max_lifetime for profile in fitting):
        raise refuse(Refusal.LIFETIME_TOO_LONG, "the token lives longer than the contract permits")


def _lifetime(times: Times, now: float) -> float:
    return times.expires_at - (times.issued_at or now)


def _phantom(members: Mapping[str, JSON]) -> str:
    """The JWT in a JSON answer: Keycloak's `jwt`, or `phantom_token` of a Curity procedure."""
    found = [members[name] for name in ("jwt", "phantom_token") if name in members]
    if len(found) != 1 or not isinstance(found[0], str):
        raise _invalid("the introspection answer does not hold the access token as one JWT")
    return found[0]


def _agreeing(members: Mapping[str, JSON], found: Judged) -> Judged:
    """The JWT's claims, where the answer around it speaks of the same token, of its kind and bound to the same key.

    Raises TokenRejected type_not_access_token, sender_constrained or claim_invalid.
    """
    kind = {"token_type": "Bearer", **members}
    refused = next(kind_misfits(kind), None)
    if refused is not None:
        raise refuse(Refusal(refused.code), refused.text)
    bound = "cnf" in members or str(kind["token_type"]).lower() == "dpop"
    if bound and _binding({**kind, "cnf": members.get("cnf", found.claims.values.get("cnf"))}) != found.binding:
        raise refuse(Refusal.SENDER_CONSTRAINED, "the answer says that the token is bound, its JWT is not so bound")
    for name in _SAID_TWICE:
        if name in members and not same_json(members[name], found.claims.values.get(name)):
            raise refuse(Refusal.CLAIM_INVALID, f"the introspection answer and its JWT disagree about `{name}`")
    return found


def _text(body: bytes) -> str:
    return body.decode("latin-1").removesuffix("\n")


def _of_jwt(token: str, question: Question, now: float) -> Judged:
    """The claims of the JWT that the endpoint gave for the token: judged like one that was presented."""
    try:
        found = question.verify_jwt(token, now)
    except TokenRejected as refusal:
        if refusal.code in _BROKEN:
            raise _invalid(f"the JWT of the introspection endpoint cannot be verified: {refusal.message}") from None
        raise
    if found.claims.issuer != question.issuer:
        raise refuse(Refusal.ISSUER_MISMATCH, "the introspection answer is of another issuer than the one asked")
    return replace(found, claims=replace(found.claims, exchanged=True))


def _invalid(message: str) -> IntrospectionUnavailable:
    return IntrospectionUnavailable("introspection_answer_invalid", message)
