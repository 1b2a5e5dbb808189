"""What every middleware does with an answer, whatever the framework: pass, or refuse with the right status and headers.

It passes an `Allow`, and an `AllowIf` of which each obligation has a handler of the API that says `True`. Everything
else is refused, and the API's own code is not reached.
"""

from __future__ import annotations

import enum
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from entitlements.client.answers import Allow, AllowIf, Answer, Deny, Malformed, Obligation, Refused, Unavailable
from entitlements.model import CertificateProof, DPoPProof, Proof

_LOG = logging.getLogger("entitlements.client")
_AUTHORIZATION = re.compile(r"(bearer|dpop) +([\x21-\x7e]+)", re.IGNORECASE)
_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")


class Public(enum.Enum):
    """What is said of a request that needs no decision."""

    PUBLIC = "public"


PUBLIC = Public.PUBLIC


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the API's client showed: its token, None where there is none that can be asked about, and a proof."""

    token: str | None = None
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API's answer to a request that is not let through."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def checked_public_url(url: str) -> str:
    """The API as its clients see it, `https://host[:port]`; empty for none. Raises ValueError."""
    if url and not _PUBLIC_URL.fullmatch(url):
        raise ValueError("`public_url` is not `https://host[:port]`, without a path")
    return url


def credentials(
    authorization: Sequence[str], dpop: Sequence[str], *, method: str, url: str, thumbprint: str | None
) -> Credentials:
    """Read what came, never more than one of each (RFC 6750 section 2.1, RFC 9449 section 7).

    authorization, dpop: the values of these headers; url: that the client called, empty where the API does not say how
    it is called: DPoP is then not taken; thumbprint: of the client's certificate.
    """
    found = _AUTHORIZATION.fullmatch(authorization[0]) if len(authorization) == 1 else None
    if found is None:
        return Credentials()
    scheme, token = found.groups()
    if scheme.lower() == "bearer":
        # A proof is handed on for `DPoP` only (RFC 9449 section 7.2).
        return Credentials(token, None if thumbprint is None else CertificateProof(thumbprint))
    # Servers join two headers by a comma, which no proof holds.
    if not url or len(dpop) != 1 or "," in dpop[0]:
        return Credentials()
    return Credentials(token, DPoPProof(dpop[0], method, url))


def obligations_of(answer: Answer, handled: Mapping[str, object]) -> Sequence[Obligation] | Refusal:
    """What the API has to fulfil before it goes on, each by its handler; or why it must not.

    handled: by the id of an obligation what fulfils it. None is begun where one has no handler.
    """
    match answer:
        case Allow():
            return ()
        case AllowIf(obligations=obligations) if obligations and all(one.id in handled for one in obligations):
            return obligations
        case AllowIf(obligations=obligations):
            _LOG.error("obligations without a handler: %s", ", ".join(repr(one.id) for one in obligations))
            return unfulfilled(answer)
        case Deny(decision_id=name, www_authenticate=challenge):
            return _denied(name, challenge)
        case Refused():
            nonce = (("DPoP-Nonce", answer.dpop_nonce),) if answer.dpop_nonce else ()
            challenges = tuple(("WWW-Authenticate", challenge) for challenge in answer.challenges)
            return _refusal(401, answer.error, (*challenges, *nonce), answer.decision_id)
        case Malformed():
            _LOG.error(
                "a question is malformed: %s %s: %s", answer.status, answer.code or answer.error, [*answer.details]
            )
            return _refusal(500, "server_error")
        case Unavailable():
            _LOG.warning("no decision: %s: %s", answer.code, answer.detail)
            return _refusal(503, "temporarily_unavailable", (("Retry-After", str(answer.retry_after)),))


def unfulfilled(answer: Answer) -> Refusal:
    """An obligation of an allow is not fulfilled: it is no allow."""
    if isinstance(answer, AllowIf):
        return _denied(answer.decision_id, answer.www_authenticate)
    return _refusal(403, "access_denied")


def _denied(name: str, challenge: str) -> Refusal:
    if challenge:
        return _refusal(401, "insufficient_user_authentication", (("WWW-Authenticate", challenge),), name)
    return _refusal(403, "access_denied", (), name)


def _refusal(status: int, error: str, headers: tuple[tuple[str, str], ...] = (), name: str = "") -> Refusal:
    body = json.dumps({"error": error, **({"decision_id": name} if name else {})}).encode("ascii")
    common = (("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"))
    return Refusal(status, (*common, *headers), body)
