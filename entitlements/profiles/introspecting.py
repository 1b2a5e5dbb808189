"""What an introspection answer says of an access token (RFC 7662 section 2.2), by the rules for the server's JWTs.

Servers introspect refresh and ID tokens too, and answer `active: true`. Their access tokens alone have a `token_type`;
Hydra gives refresh tokens one, and tells them by `token_use`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from entitlements.model import JSON, OpaqueTokens, TokenRules
from entitlements.profiles.judging import Misfit, misfits

# What the answer says of itself and of the token, and is no claim of the contract.
_MEMBERS = ("token_type", "token_use", "username", "typ")
# Zitadel tells how the user signed in; in its JWTs only ID tokens do. Its `token_type` is the marker here.
_ANSWERS_HOLD: Mapping[str, tuple[str, ...]] = {"zitadel": ("auth_time", "amr")}


def apart(one: OpaqueTokens, other: OpaqueTokens) -> bool:
    """Whether no opaque token begins with both prefixes."""
    return not (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))


@lru_cache(maxsize=256)
def introspected(rules: TokenRules) -> TokenRules:
    """The rules for claims of an introspection answer.

    No header speaks, and `token_type` is the marker. `client_id` and `scope` are those of RFC 7662, beside the server's
    own claims: all that are there have to agree. An answer may lack `sub`, `iat` and `jti`, which are all optional.
    """
    forms = {"scope": "string", **{name: form for name, form in rules.scopes if name != "scope"}}
    held = _ANSWERS_HOLD.get(rules.name, ())
    return replace(
        rules,
        name=f"{rules.name}, introspected",
        header_types=("",),
        marker=None,
        never=tuple(name for name in rules.never if name not in held),
        scopes=tuple(forms.items()) if rules.scopes else (),
        client=tuple(dict.fromkeys(("client_id", *rules.client))),
        registered=("iss", "exp"),
        unused=tuple(dict.fromkeys((*rules.unused, *_MEMBERS, *rules.client))),
    )


def answer_misfit(rules: TokenRules, answer: Mapping[str, JSON]) -> Misfit | None:
    """Why an answer does not show an active access token, or None. Issuer, audience and times are not looked at."""
    return next(answer_misfits(rules, answer), None)


def kind_misfits(answer: Mapping[str, JSON]) -> Iterator[Misfit]:
    """Why an answer speaks of another kind of token, by what it says of the kind."""
    kind = answer.get("token_type")
    if not isinstance(kind, str) or kind.lower() not in ("bearer", "dpop"):
        yield Misfit("type_not_access_token", "the answer's `token_type` is neither `Bearer` nor `DPoP`")
    if answer.get("token_use", "access_token") != "access_token":
        yield Misfit("type_not_access_token", "the answer's `token_use` does not say that it is an access token")
    if answer.get("typ", "Bearer") not in ("Bearer", "DPoP"):
        yield Misfit("type_not_access_token", "the answer's `typ` does not say that it is an access token")


def answer_misfits(rules: TokenRules, answer: Mapping[str, JSON]) -> Iterator[Misfit]:
    """Every reason for which `answer_misfit` gives the first."""
    # Before anything else is read: Keycloak answered `active: false` beside a valid JWT (CVE-2026-18208).
    if answer.get("active") is not True:
        yield Misfit("token_inactive", "the issuer says that the token is not active")
    yield from kind_misfits(answer)
    yield from misfits(introspected(rules), "", answer)
