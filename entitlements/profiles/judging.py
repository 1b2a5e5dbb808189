"""Whether claims are those of an access token by the rules of a profile, and what stands where in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from entitlements.model import JSON, Condition, TokenProfile, TokenRules
from entitlements.profiles.servers import FOREIGN

_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}", re.DOTALL)
_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# What the claim `typ` of a token that anyone may present says, where it is there (Keycloak; RFC 9449 section 5).
_KINDS = frozenset({"bearer", "dpop", "at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a token is not an access token by some rules.

    code: as of a refused token; text: holds no claim value; topic: of what to set on the server, see `remedy`.
    """

    code: str
    text: str
    topic: str = ""


def header_type(header: Mapping[str, JSON]) -> str | None:
    """The `typ` of a header as rules spell it; empty where there is none, None for what is not a type.

    Types are compared without regard to case, and `application/` may be left out (RFC 7515 section 4.1.9). Lower-casing
    is safe only for ASCII: `K` has a Unicode twin that str.lower maps onto it.
    """
    if "typ" not in header:
        return ""
    value = header["typ"]
    if not isinstance(value, str) or not value or not value.isascii():
        return None
    return value.lower().removeprefix("application/")


def misfit(rules: TokenRules, kind: str | None, claims: Mapping[str, JSON]) -> Misfit | None:
    """The first of `misfits`, or None."""
    return next(misfits(rules, kind, claims), None)


def misfits(rules: TokenRules, kind: str | None, claims: Mapping[str, JSON]) -> Iterator[Misfit]:
    """Why claims under a header type are not those of an access token by these rules.

    kind: see `header_type`. Neither signature nor audience and times are looked at.
    """
    if kind is None or kind not in rules.header_types:
        yield Misfit("type_not_access_token", "the header's `typ` is not that of an access token", "type")
    for name in rules.never:
        if name in claims:
            yield _never(name)
    typed = claims.get("typ", "Bearer")
    if typed == "ID":
        yield Misfit("id_token", "the claim `typ` says that it is an ID token")
    elif not isinstance(typed, str) or not typed.isascii() or typed.lower() not in _KINDS:
        yield Misfit("type_not_access_token", "the claim `typ` does not say that it is an access token")
    for name in rules.registered if rules.audience_clients else (*rules.registered, "aud"):
        if name not in claims:
            yield Misfit("claim_missing", f"the required claim `{name}` is missing", _topic(rules, name))
    if rules.marker is not None and not holds(rules.marker, rules, claims):
        wanted = f"the claims do not show an access token: {told(rules.marker)} is wanted"
        yield Misfit("type_not_access_token", wanted, "marker")
    yield from _identity_misfits(rules, claims)


def _topic(rules: TokenRules, name: str) -> str:
    """Of what to set where a registered claim is missing."""
    return "audience" if name == "aud" else "client" if name in rules.client else "registered"


def told(condition: Condition) -> str:
    """A condition in words."""
    if condition.parts:
        word = " and " if condition.test == "all_of" else " or "
        joined = word.join(map(told, condition.parts))
        return f"({joined})" if len(condition.parts) > 1 else joined
    values = " or ".join(f"`{value}`" for value in condition.values)
    return {
        "present": f"`{condition.claim}`",
        "one_of": f"`{condition.claim}` {values}",
        "prefix": f"`{condition.claim}` that begins with {values}",
        "audience_is_not_client": "an `aud` that is not the client",
    }[condition.test]


def client_of(rules: TokenRules, claims: Mapping[str, JSON]) -> str:
    """The client that a fitting token names; empty where it names none."""
    return next((str(claims[name]) for name in rules.client if name in claims), "")


def names_client(rules: TokenRules) -> bool:
    """Whether every token that fits the rules, and is for an audience by them, names its client."""
    registered = any(name in rules.registered for name in rules.client)
    return (
        bool(rules.audience_clients) or registered or (rules.marker is not None and _shows_client(rules.marker, rules))
    )


def _shows_client(condition: Condition, rules: TokenRules) -> bool:
    if condition.test in ("all_of", "any_of"):
        joined = any if condition.test == "all_of" else all
        return joined(_shows_client(part, rules) for part in condition.parts)
    return condition.test == "audience_is_not_client" or condition.claim in rules.client


def subject_of(rules: TokenRules, claims: Mapping[str, JSON]) -> str:
    """The subject of a fitting token: a token without `sub` is the client's own."""
    return str(claims["sub"]) if "sub" in claims else client_of(rules, claims)


def scopes_of(rules: TokenRules, claims: Mapping[str, JSON]) -> tuple[str, ...] | None:
    """The granted scopes, sorted; none for no scope claim, an empty string or an empty list.

    None where one has another form than the rules say, or two claims disagree.
    """
    found = [_scopes(form, claims[name]) for name, form in rules.scopes if name in claims]
    if any(scopes is None for scopes in found) or len(set(found)) > 1:
        return None
    return found[0] if found else ()


def for_audience(profile: TokenProfile, claims: Mapping[str, JSON], audiences: Iterable[str]) -> bool:
    """Whether a fitting token is for the audience of a contract.

    audiences: the entries of its `aud`, none where it has none. The client itself is no API: such an audience is that
    of an ID token.
    """
    rules, named = profile.rules, {*audiences}
    client = client_of(rules, claims)
    if rules.audience_clients:
        if client not in rules.audience_clients or (named and profile.audience not in named):
            return False
    elif profile.audience not in named:
        return False
    return client != profile.audience or rules.audience_is == "client"


def named_audiences(claims: Mapping[str, JSON]) -> tuple[str, ...]:
    """The entries of the `aud` of a token whose registered claims were checked."""
    audience = claims.get("aud", [])
    entries = audience if isinstance(audience, list) else [audience]
    return tuple(entry for entry in entries if isinstance(entry, str))


def _never(name: str) -> Misfit:
    if name in FOREIGN:
        return Misfit("type_not_access_token", "the claims are those of another kind of token")
    return Misfit("id_token", "the claims are those of an ID token")


def _identity_misfits(rules: TokenRules, claims: Mapping[str, JSON]) -> Iterator[Misfit]:
    for name in dict.fromkeys(("sub", *rules.client, "jti")):
        value = claims.get(name, "-")
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            yield Misfit("claim_invalid", f"`{name}` is not 1 to 255 characters without control characters")
            return
    if len({claims[name] for name in rules.client if name in claims}) > 1:
        yield Misfit("claim_invalid", "two claims name different clients", "client")
    if "sub" not in claims and not client_of(rules, claims):
        yield Misfit("claim_missing", "neither `sub` nor a claim for the client is there", "client")


def holds(condition: Condition, rules: TokenRules, claims: Mapping[str, JSON]) -> bool:
    """Whether claims satisfy a condition."""
    if condition.test == "all_of":
        return all(holds(part, rules, claims) for part in condition.parts)
    if condition.test == "any_of":
        return any(holds(part, rules, claims) for part in condition.parts)
    if condition.test == "audience_is_not_client":
        audience = claims.get("aud")
        entries = audience if isinstance(audience, list) else [audience]
        client = client_of(rules, claims)
        return bool(client) and client not in entries
    value = claims.get(condition.claim)
    if condition.test == "present":
        return condition.claim in claims and value is not None
    if condition.test == "one_of":
        return isinstance(value, str) and value in condition.values
    if condition.test == "prefix":
        return isinstance(value, str) and value.startswith(condition.values)
    raise ValueError(f"no such test: {condition.test}")


def _scopes(form: str, value: JSON) -> tuple[str, ...] | None:
    if form == "string":
        if not isinstance(value, str) or (value and not _SCOPES.fullmatch(value)):
            return None
        return tuple(sorted({*value.split(" ")} - {""}))
    if not isinstance(value, list):
        return None
    named = [item for item in value if isinstance(item, str) and _SCOPE.fullmatch(item)]
    return tuple(sorted({*named})) if len(named) == len(value) else None
