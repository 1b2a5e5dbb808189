"""`tokens.access_token` of a contract: a profile by its name, or every rule said by hand (`generic`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from entitlements.model import JSON, Condition, TokenRules
from entitlements.profiles import GENERIC, PROFILES

Place = tuple[str | int, ...]
BY_HAND = ("header_types", "marker", "never", "scope", "client", "registered")
_PLACE: Place = ("tokens", "access_token")
_HEADER_DECIDES = ("at+jwt",)
_TESTS = ("present", "one_of", "prefix")
# What no access token has, whatever a contract says (OpenID Connect Core section 3.3.2.11, RFC 8417, RFC 9701).
_NEVER = ("at_hash", "c_hash", "s_hash", "events", "token_introspection")


def token_rules(access: Mapping[str, Any]) -> TokenRules:
    """The rules that a checked document says. Raises ValueError for one that `rule_faults` faults."""
    audience = access["audience"] or {"claim": "", "values": []}
    given: dict[str, Any] = {
        "audience_clients": tuple(sorted(audience["values"])),
        "audience_is": access["audience_is"],
    }
    if access["profile"] != GENERIC:
        named = PROFILES[access["profile"]]
        return replace(named, **given)
    return TokenRules(
        name=GENERIC,
        header_types=tuple(sorted("" if name == "none" else name.lower() for name in access["header_types"])),
        marker=None if access["marker"] is None else _condition(access["marker"]),
        never=tuple(sorted({*access["never"], *_NEVER})),
        scopes=tuple((one["claim"], one["form"]) for one in access["scope"]),
        client=tuple(access["client"]),
        registered=tuple(sorted({*access["registered"]})),
        **given,
    )


def canonical_rules(rules: TokenRules) -> dict[str, JSON]:
    """What the digest of a contract covers of its rules; nothing where they are those of RFC 9068."""
    if rules == TokenRules():
        return {}
    return {
        "rules": {
            "header_types": [*rules.header_types],
            "marker": None if rules.marker is None else _written(rules.marker),
            "never": [*rules.never],
            "scope": [[name, form] for name, form in rules.scopes],
            "client": [*rules.client],
            "registered": [*rules.registered],
            "audience_clients": [*rules.audience_clients],
            "audience_is": rules.audience_is,
        }
    }


def canonical_binding(sender_constrained: str) -> dict[str, JSON]:
    """What the digest covers of sender constraint; nothing where bound tokens are refused, as they always were."""
    return {} if sender_constrained == "refused" else {"sender_constrained": sender_constrained}


def rule_faults(document: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What is wrong with the rules of a document whose shape is right."""
    access = document["tokens"]["access_token"]
    by_hand = [name for name in BY_HAND if access[name] is not None]
    if access["profile"] != GENERIC:
        for name in by_hand:
            yield (*_PLACE, name), f"the profile `{access['profile']}` says it, `profile: {GENERIC}` leaves it to you"
    else:
        yield from _generic_faults(access)
    yield from _audience_faults(document, access)


def _generic_faults(access: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for name in ("header_types", "never", "scope", "client", "registered"):
        if access[name] is None:
            yield (*_PLACE, name), f"`profile: {GENERIC}` needs it"
    kinds = access["header_types"]
    if kinds is not None and not kinds:
        yield (*_PLACE, "header_types"), "one type or more is needed, `none` for a header without `typ`"
    if access["marker"] is None and kinds and tuple(name.lower() for name in kinds) != _HEADER_DECIDES:
        yield (
            (*_PLACE, "marker"),
            "a header other than `at+jwt` does not tell access tokens from others: say what only they have",
        )
    if access["marker"] is not None:
        yield from _marker_faults(access["marker"], (*_PLACE, "marker"))
        if not any(_tests(access["marker"])):
            yield (*_PLACE, "marker"), "tests nothing"
    registered, client = access["registered"], access["client"]
    if registered is not None and not {"iss", "exp"} <= {*registered}:
        yield (*_PLACE, "registered"), "names `iss` and `exp` at least"
    if registered is not None and client is not None and not {"sub", *client} & {*registered}:
        yield (*_PLACE, "registered"), "names `sub` or a claim for the client"


def _audience_faults(document: Mapping[str, Any], access: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    audience, named = access["audience"], access["profile"] != GENERIC
    client = PROFILES[access["profile"]].client if named else tuple(access["client"] or ())
    if audience is None and access["profile"] == "cognito":
        yield (
            (*_PLACE, "audience"),
            "Cognito issues no `aud`: name the clients, `{claim: client_id, values: [...]}`",
        )
    if audience is not None:
        if audience["claim"] not in client:
            yield (*_PLACE, "audience", "claim"), "names no claim for the client"
        if not audience["values"]:
            yield (*_PLACE, "audience", "values"), "one client or more is needed"
    found = _looks_like(str(document["audience"]), str(document["issuer"]))
    if found and access["audience_is"] != found:
        yield (
            ("audience",),
            f"is {_WORDS[found]}, which stands in tokens for other APIs too: use one of the API's own, "
            f"or say `audience_is: {found}`",
        )


_WORDS = {"account": "Keycloak's account console", "issuer": "the issuer itself", "userinfo": "the userinfo endpoint"}


def _looks_like(audience: str, issuer: str) -> str:
    if audience == "account":
        return "account"
    if audience.rstrip("/") == issuer.rstrip("/"):
        return "issuer"
    try:
        path = urlsplit(audience).path
    except ValueError:
        return ""
    return "userinfo" if path.rstrip("/").endswith("/userinfo") else ""


def _marker_faults(marker: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if marker == "audience_is_not_client":
        return
    if not isinstance(marker, Mapping):
        yield place, "is `audience_is_not_client` or an object"
        return
    joined = [name for name in ("all_of", "any_of") if name in marker]
    if joined:
        parts = marker[joined[0]]
        if len(marker) != 1 or not isinstance(parts, list) or not parts:
            yield place, "holds `all_of` or `any_of` alone, with a list of conditions"
            return
        for index, part in enumerate(parts):
            yield from _marker_faults(part, (*place, joined[0], index))
        return
    tests = [name for name in _TESTS if name in marker]
    if len(tests) != 1 or {*marker} != {"claim", tests[0]} or not isinstance(marker.get("claim"), str):
        yield place, "holds `claim` and one of `present`, `one_of` and `prefix`"
        return
    value = marker[tests[0]]
    fits = {
        "present": value is True,
        "one_of": isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value),
        "prefix": isinstance(value, str) and bool(value),
    }
    if not fits[tests[0]]:
        yield (*place, tests[0]), "is `true` for `present`, strings for `one_of`, a string for `prefix`"


def _tests(marker: Any) -> Iterator[str]:
    """What a marker tests beside `any claim of every token is present`."""
    if isinstance(marker, Mapping):
        for part in [*(marker.get("all_of") or []), *(marker.get("any_of") or [])]:
            yield from _tests(part)
        if marker.get("claim") not in (None, "iss", "exp", "iat", "sub", "aud"):
            yield str(marker["claim"])
    elif marker == "audience_is_not_client":
        yield marker


def _condition(marker: Any) -> Condition:
    if marker == "audience_is_not_client":
        return Condition("audience_is_not_client")
    for test in ("all_of", "any_of"):
        if test in marker:
            return Condition(test, parts=tuple(map(_condition, marker[test])))
    (test,) = (name for name in _TESTS if name in marker)
    values = {"present": (), "one_of": tuple(marker.get("one_of", ())), "prefix": (marker.get("prefix", ""),)}
    return Condition(test, marker["claim"], values[test])


def _written(condition: Condition) -> JSON:
    if condition.parts:
        return {condition.test: [_written(part) for part in condition.parts]}
    return [condition.test, condition.claim, *condition.values]
