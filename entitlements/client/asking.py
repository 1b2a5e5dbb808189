"""Who is asked, by which name, and the octets of a question: for both clients.

The token stands in one header of the request and nowhere else: in no address, no error and no representation.
"""

from __future__ import annotations

import json
import math
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from entitlements.client.answers import Malformed, Question
from entitlements.model import MAX_TOKEN_BYTES, CertificateProof, DPoPProof, Proof

MAX_BODY, MAX_BATCH_BODY = 64 * 1024, 512 * 1024
MAX_ANSWER, MAX_BATCH_ANSWER = 512 * 1024, 4 * 1024 * 1024
BATCH_PATH = "/authorize/batch"
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?((?:/[A-Za-z0-9._~-]+)*)/?")
_CONTRACT = re.compile(r"(?!batch$)[a-z][a-z0-9_-]{0,62}")
_AUDIENCE = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,1024}")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is. authority: as `Host` names it; prefix: in front of its paths; tls: None for plain HTTP."""

    host: str
    port: int
    authority: str
    prefix: str
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Asker:
    """By which names the API asks, at least one of both; heads: of its requests as far as what all have in common."""

    audience: str
    contract: str
    head: bytes
    batch_head: bytes


def service_at(url: str, tls: ssl.SSLContext | None) -> Service:
    """Raises ValueError, which does not quote the address: it could hold a password."""
    found = _URL.fullmatch(url)
    if found is None or int(found[3] or 1) not in range(1, 65536):
        raise ValueError("the URL is not `http[s]://host[:port][/prefix]` without credentials, query and fragment")
    scheme, host, port, prefix = found.groups()
    if tls is not None and (scheme == "http" or tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname):
        raise ValueError("`tls` is for https, and has to check the certificate and the name of the service")
    if scheme == "https" and tls is None:
        tls = ssl.create_default_context()
    authority = host if port is None else f"{host}:{port}"
    return Service(host.strip("[]"), int(port or (80 if tls is None else 443)), authority, prefix, tls)


def asker(service: Service, audience: str, contract: str) -> Asker:
    """Raises ValueError."""
    if not audience and not contract:
        raise ValueError("name the API: by its `audience`, by its `contract`, or by both")
    if contract and not _CONTRACT.fullmatch(contract):
        raise ValueError(f"`{contract}` is not the name of a contract that can be asked by, use its audience")
    if audience and not _AUDIENCE.fullmatch(audience):
        raise ValueError("the audience is longer than 1,024 characters or holds control characters")
    path = f"/authorize/{contract}" if contract else "/authorize"
    return Asker(audience, contract, _head(service, path), _head(service, BATCH_PATH))


def checked_timeout(timeout: float) -> float:
    """Raises ValueError."""
    if not 0 < timeout < math.inf:
        raise ValueError("`timeout` has to be a positive number of seconds")
    return timeout


def _head(service: Service, path: str) -> bytes:
    return (
        f"POST {service.prefix}{path} HTTP/1.1\r\nHost: {service.authority}\r\nAccept: application/json\r\n"
        "Accept-Encoding: identity\r\nContent-Type: application/json\r\nUser-Agent: entitlements-client\r\n"
    ).encode("ascii")


def one_request(
    asked: Asker, token: str | None, question: Question, proof: Proof | None, name: str
) -> bytes | Malformed:
    """The octets of a question; name: for `X-Request-ID`. Raises TypeError and ValueError for what is not JSON."""
    body = {**_asked(question), **_common(asked, proof)}
    return _request(asked.head, token, body, name, MAX_BODY)


def batch_request(
    asked: Asker, token: str | None, questions: Iterable[Question], proof: Proof | None, name: str
) -> bytes | Malformed:
    """The octets of many questions. Raises TypeError and ValueError for what is not JSON, or without an audience."""
    if not asked.audience:
        raise ValueError("a batch is asked by audience: name it when the client is made")
    body: dict[str, object] = {"requests": [_asked(question) for question in questions], **_common(asked, proof)}
    return _request(asked.batch_head, token, body, name, MAX_BATCH_BODY)


def _asked(question: Question) -> dict[str, object]:
    action = question.action if isinstance(question.action, str) else dict(question.action)
    asked: dict[str, object] = {"action": action, "resource": dict(question.resource)}
    return {**asked, "context": dict(question.context)} if question.context else asked


def _common(asked: Asker, proof: Proof | None) -> dict[str, object]:
    found: dict[str, object] = {"audience": asked.audience} if asked.audience else {}
    return found if proof is None else {**found, "proof": _shown(proof)}


def _shown(proof: Proof) -> dict[str, object]:
    match proof:
        case DPoPProof(jwt, method, url):
            return {"dpop": {"jwt": jwt, "method": method, "url": url}}
        case CertificateProof(thumbprint):
            return {"mtls": {"x5t#S256": thumbprint}}


def _request(head: bytes, token: str | None, body: Mapping[str, object], name: str, most: int) -> bytes | Malformed:
    octets = _ENCODER.encode(body).encode("ascii")
    if len(octets) > most:
        return Malformed(413, "request_too_large")
    return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (head, _credentials(token), _named(name), len(octets), octets)


def _credentials(token: str | None) -> bytes:
    """What is not a token is not sent: the service says by its own challenge that none came."""
    if token is None or len(token) > MAX_TOKEN_BYTES or not _VISIBLE.fullmatch(token):
        return b""
    return b"Authorization: Bearer %b\r\n" % token.encode("ascii")


def _named(name: str) -> bytes:
    """Names that the service refuses are not sent: clients of the API choose them."""
    return b"X-Request-ID: %b\r\n" % name.encode("ascii") if len(name) <= 128 and _VISIBLE.fullmatch(name) else b""
