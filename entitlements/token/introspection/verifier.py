"""Which token is verified here and which one is introspected, and where: by the contract alone, never by the token.

The audience that the caller names has contracts, these have issuers, and one of them is asked: a token that says
nothing, or anything, never reaches an endpoint of an issuer that the caller's audience does not name.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from entitlements.errors import Fault, StartupFault, TokenRejected
from entitlements.model import JSON, MAX_TOKEN_BYTES, Proof, TokenProfile, VerifiedClaims
from entitlements.profiles import apart
from entitlements.token import compact
from entitlements.token.cache import CachedToken
from entitlements.token.introspection.answer import Answer, Judged, Question, judge
from entitlements.token.introspection.endpoint import Endpoint
from entitlements.token.key_source import KeySource
from entitlements.token.verifier import TokenVerifier

# RFC 6750 section 2.1, `b64token`.
_OPAQUE = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)


class IntrospectingVerifier:
    """Verifies JWTs as TokenVerifier does, and has opaque tokens introspected where the contract permits them.

    profiles: as of TokenVerifier; jwts: the verifier of the same profiles; keys: of each issuer; endpoints: by issuer,
    of those that have tokens introspected; leeway, monotonic: see TokenVerifier.
    Raises StartupFault introspection_missing or opaque_ambiguous.
    """

    def __init__(
        self,
        profiles: Sequence[TokenProfile],
        jwts: TokenVerifier,
        keys: Mapping[str, KeySource],
        endpoints: Mapping[str, Endpoint],
        *,
        leeway: int = 10,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jwts = jwts
        self._keys = keys
        self._endpoints = endpoints
        self._leeway = leeway
        self._monotonic = monotonic
        self._by_audience: dict[str, tuple[TokenProfile, ...]] = {}
        for profile in profiles:
            self._by_audience[profile.audience] = (*self._by_audience.get(profile.audience, ()), profile)
        faults = [fault for versions in self._by_audience.values() for fault in _faults(versions, endpoints)]
        if faults:
            raise StartupFault("introspection_missing", "opaque tokens cannot be introspected", faults)

    def verify(
        self, token: str, *, now: float, audience: str, proof: Proof | None = None, decision_id: str = ""
    ) -> VerifiedClaims:
        """See TokenVerifier.verify. Raises IntrospectionUnavailable too."""
        profiles = self._introspecting(token, audience)
        if not profiles:
            return self._jwts.verify(token, now=now, audience=audience, proof=proof, decision_id=decision_id)
        found = self._introspected(token, profiles, now)
        self._jwts.check_possession(found.binding, proof, token, now, decision_id)
        # A version that would not have asked judges nothing of the answer.
        asked_by = tuple(profile.opaque for profile in profiles if profile.opaque is not None)
        return replace(found.claims, asked_by=asked_by)

    def cached(self, token: str, *, now: float, audience: str) -> CachedToken | None:
        """See TokenVerifier.cached: nothing for an audience with opaque tokens, where the token says who is asked."""
        if any(profile.opaque is not None for profile in self._by_audience.get(audience, ())):
            return None
        return self._jwts.cached(token, now=now, audience=audience)

    def audiences(
        self, token: str, *, now: float, proof: Proof | None = None, decision_id: str = ""
    ) -> tuple[str, ...]:
        """See TokenVerifier.audiences. An opaque token is for none: where no audience is named no one is asked."""
        return self._jwts.audiences(token, now=now, proof=proof, decision_id=decision_id)

    def _introspecting(self, token: str, audience: str) -> tuple[TokenProfile, ...]:
        """The versions of one issuer that have this token introspected; none where it is verified here, or refused."""
        versions = self._by_audience.get(audience, ())
        permitting = [profile for profile in versions if profile.opaque is not None]
        if not permitting or len(token) > MAX_TOKEN_BYTES:
            return ()
        claims = _claims_of_jwt(token)
        if claims is not None:
            # Whom the token names chooses among the issuers of the audience, as it chooses whose keys are asked.
            of_issuer = [profile for profile in versions if profile.issuer == claims.get("iss")]
            first = of_issuer[0].opaque if of_issuer else None
            introspecting = first is not None and first.jwts
            return (
                tuple(one for one in of_issuer if one.opaque is not None and one.opaque.jwts) if introspecting else ()
            )
        if not _OPAQUE.fullmatch(token):
            return ()
        named = [one for one in permitting if one.opaque is not None and token.startswith(one.opaque.prefix)]
        return _of_one_issuer(named)

    def _introspected(self, token: str, profiles: tuple[TokenProfile, ...], now: float) -> Judged:
        first = profiles[0]
        endpoint = self._endpoints[first.issuer]

        def verified(text: str, moment: float) -> Judged:
            found = self._jwts.verified(text, now=moment, audience=first.audience)
            return Judged(found.claims, found.binding)

        question = Question(
            profiles=profiles,
            form=endpoint.client.form,
            client_id=endpoint.client.client_id,
            keys=self._keys[first.issuer],
            verify_jwt=verified,
            leeway=self._leeway,
            monotonic=self._monotonic,
        )

        def judged(answer: Answer) -> Judged:
            return judge(answer, question, now)

        return endpoint.judged(token, judged, now)


def _of_one_issuer(profiles: Sequence[TokenProfile]) -> tuple[TokenProfile, ...]:
    """Those that have tokens introspected, by the issuer of the first: by construction there is no other."""
    permitting = [profile for profile in profiles if profile.opaque is not None]
    return tuple(profile for profile in permitting if profile.issuer == permitting[0].issuer)


def _claims_of_jwt(token: str) -> Mapping[str, JSON] | None:
    """The claims of a token that is a JWT by its form, unverified; None for any other text."""
    try:
        header, payload, _ = compact.split(token)
        compact.parse_object(header, "header", compact.HEADER_DEPTH)
    except TokenRejected:
        return None
    try:
        return compact.parse_object(payload, "payload", compact.PAYLOAD_DEPTH)
    except TokenRejected:
        return {}


def _faults(versions: Sequence[TokenProfile], endpoints: Mapping[str, Endpoint]) -> list[Fault]:
    permitting = [(profile, profile.opaque) for profile in versions if profile.opaque is not None]
    faults = [
        Fault(
            "introspection_missing",
            f"no introspection endpoint is set for the issuer `{issuer}`, whose opaque tokens a contract permits",
            path="ENTITLEMENTS_INTROSPECTION",
        )
        for issuer in sorted({profile.issuer for profile, _ in permitting} - {*endpoints})
    ]
    faults += [
        Fault("opaque_ambiguous", f"an opaque token for `{one.audience}` could be that of two issuers")
        for (one, this), (other, that) in itertools.combinations(permitting, 2)
        if one.issuer != other.issuer and not apart(this, that)
    ]
    return faults
