"""A token that its issuer is asked about, for `token inspect`: by the very path of the service."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from entitlements import strict_json
from entitlements.cli import render
from entitlements.contract import Contract
from entitlements.endpoint_ring import EndpointRing
from entitlements.errors import DecisionUnavailable, JSONRefused, StartupFault, TokenRejected
from entitlements.key_ring import KeyRing
from entitlements.model import JSON
from entitlements.settings import Settings
from entitlements.token import TokenVerifier, inspect
from entitlements.token.introspection import Answer, AnswerForm, Client, Endpoint, IntrospectingVerifier, Judged
from entitlements.token.introspection.endpoint import Judge


@dataclass(frozen=True, slots=True)
class Asked:
    """What the issuer said. jwt: the access token that it gave for this one, or None; members: of its answer;
    refusal: why the service refuses it.
    """

    jwt: str | None = field(repr=False)
    members: Mapping[str, JSON] = field(repr=False)
    refusal: TokenRejected | None


class _Kept:
    """An endpoint whose last answer is kept for a person to see."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.health = endpoint.health
        self.answer: Answer | None = None

    @property
    def client(self) -> Client:
        """See Endpoint.client."""
        return self._endpoint.client

    def judged(self, token: str, judge: Judge, now: float) -> Judged:
        """See Endpoint.judged."""

        def kept(answer: Answer) -> Judged:
            self.answer = answer
            return judge(answer)

        return self._endpoint.judged(token, kept, now)


def asks_issuer(contract: Contract) -> bool:
    """Whether JWTs of a contract are introspected."""
    return contract.profile.opaque is not None and contract.profile.opaque.jwts


def ask(settings: Settings, ring: KeyRing, contract: Contract, token: str) -> Asked:
    """Have a token introspected by the issuer of a contract, and by no other.

    ring: the keys of issuers. Ends with exit code 2 or 4 where the endpoint is not set or gives no answer.
    """
    profile = contract.profile
    try:
        keys = ring.of([profile])
        kept = _Kept(EndpointRing(settings, ring).of([profile])[profile.issuer])
        jwts = TokenVerifier([profile], keys, leeway=settings.leeway)
        verifier = IntrospectingVerifier([profile], jwts, keys, {profile.issuer: kept}, leeway=settings.leeway)
        refusal = _refusal(verifier, token, profile.audience)
        return _told(kept, refusal)
    except (StartupFault, DecisionUnavailable) as fault:
        render.fail(fault)


def _refusal(verifier: IntrospectingVerifier, token: str, audience: str) -> TokenRejected | None:
    try:
        verifier.verify(token, now=time.time(), audience=audience)
    except TokenRejected as refusal:
        return refusal
    return None


def _told(kept: _Kept, refusal: TokenRejected | None) -> Asked:
    answer = kept.answer
    if answer is None or answer.status != 200:
        return Asked(None, {"active": False}, refusal)
    body = answer.body.decode("latin-1").strip()
    if kept.client.form is AnswerForm.SIGNED:
        content = (inspect(body).payload or {}).get("token_introspection")
        return Asked(None, content if isinstance(content, dict) else {}, refusal)
    if not body.startswith("{"):
        return Asked(body, {}, refusal)
    try:
        members = strict_json.loads(body.encode("latin-1"), max_depth=16)
    except JSONRefused:
        members = {}
    found = members if isinstance(members, dict) else {}
    jwt = found.get("jwt", found.get("phantom_token"))
    takes = kept.client.form is AnswerForm.TOKEN and found.get("active") is True and isinstance(jwt, str)
    return Asked(str(jwt) if takes else None, found, refusal)
