"""Who this service is at an introspection endpoint: the file with its credentials, and how it shows them."""

from __future__ import annotations

import base64
import os
import stat
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

from entitlements import strict_json
from entitlements.errors import Fault, JSONRefused, StartupFault
from entitlements.model import JSON
from entitlements.token.introspection.answer import AnswerForm
from entitlements.token.mint import SigningKey, from_jwk, mint

_MAX_FILE = 64 * 1024
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "none")
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "client_secret_basic": ("client_secret",),
    "client_secret_post": ("client_secret",),
    "private_key_jwt": ("private_key",),
    "tls_client_auth": ("certificate", "certificate_key"),
    "none": (),
}
_ALWAYS = ("client_id", "method", "answer", "ca_file", "assertion_audience")


@dataclass(frozen=True, slots=True)
class Client:
    """Our registration at one issuer (RFC 6749 section 2.3, RFC 7523 section 2.2, RFC 8705 section 2).

    form: of the answers that are asked for; certificate: files of the certificate and its key.
    """

    client_id: str
    method: str
    form: AnswerForm = AnswerForm.JSON
    secret: str = field(default="", repr=False)
    key: SigningKey | None = field(default=None, repr=False)
    certificate: tuple[str, str] | None = None
    assertion_audience: str = ""
    ca_file: str | None = None

    def shown(self, issuer: str, now: float) -> tuple[dict[str, str], dict[str, str]]:
        """The headers and the members of the form by which we show who asks. now: seconds since the epoch."""
        if self.method == "client_secret_basic":
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
            return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}, {}
        if self.method == "client_secret_post":
            return {}, {"client_id": self.client_id, "client_secret": self.secret}
        if self.method == "private_key_jwt" and self.key is not None:
            return {}, {
                "client_id": self.client_id,
                "client_assertion_type": _ASSERTION,
                "client_assertion": self._assertion(self.key, issuer, now),
            }
        return {}, {"client_id": self.client_id}

    def _assertion(self, key: SigningKey, issuer: str, now: float) -> str:
        """RFC 7523 section 3; the issuer is the only audience, so that no one else can use it."""
        claims: dict[str, JSON] = {
            **{"iss": self.client_id, "sub": self.client_id, "aud": self.assertion_audience or issuer},
            **{"iat": int(now), "exp": int(now) + _ASSERTION_SECONDS, "jti": str(uuid.uuid4())},
        }
        return mint(key, claims, typ="JWT")


def read_client(path: Path) -> Client:
    """Read the file of our credentials at an issuer. Raises StartupFault introspection_client_invalid.

    A JSON object of mode 0600: `client_id`, and what one of `METHODS` needs.
    """
    try:
        value = strict_json.loads(_content(path), max_depth=4)
    except JSONRefused as refusal:
        raise _invalid(path, refusal.message) from None
    if not isinstance(value, dict):
        raise _invalid(path, "it is not a JSON object")
    method = _method(path, value)
    known = (*_ALWAYS, *_NEEDED[method])
    unknown = sorted({*value} - {*known})
    if unknown:
        raise _invalid(path, f"the method `{method}` knows no such member as the {len(unknown)} others in it")
    members = {name: _text(path, value, name) for name in known if name != "private_key"}
    if not members["client_id"] or any(not value.get(name) for name in _NEEDED[method]):
        raise _invalid(path, f"the method `{method}` needs `client_id` {_and(_NEEDED[method])}")
    if members["answer"] not in ("", *AnswerForm):
        raise _invalid(path, "`answer` is one of `json`, `signed` and `token`")
    return Client(
        client_id=members["client_id"],
        method=method,
        form=AnswerForm(members["answer"] or "json"),
        secret=members.get("client_secret", ""),
        key=_key(path, value["private_key"]) if method == "private_key_jwt" else None,
        certificate=_certificate(path, members) if method == "tls_client_auth" else None,
        assertion_audience=members["assertion_audience"],
        ca_file=members["ca_file"] or None,
    )


def _method(path: Path, value: Mapping[str, JSON]) -> str:
    method = value.get("method")
    if method is None:
        fitting = [name for name in METHODS if _NEEDED[name] and all(one in value for one in _NEEDED[name])]
        method = fitting[0] if fitting else ""
    if not isinstance(method, str) or method not in METHODS:
        raise _invalid(path, f"`method` is one of {', '.join(METHODS)}")
    return method


def _text(path: Path, value: Mapping[str, JSON], name: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str) or not text.isprintable() or len(text) > 4096:
        raise _invalid(path, f"`{name}` is not a printable string")
    return text


def _key(path: Path, value: JSON) -> SigningKey:
    try:
        return from_jwk(value if isinstance(value, dict) else {})
    except ValueError:
        raise _invalid(path, "`private_key` is not a private JWK with `alg` and `kid`") from None


def _certificate(path: Path, members: Mapping[str, str]) -> tuple[str, str]:
    _content(Path(members["certificate_key"]))
    if not Path(members["certificate"]).is_file():
        raise _invalid(path, "`certificate` is not a file")
    return members["certificate"], members["certificate_key"]


def _content(path: Path) -> bytes:
    """The content of a file that no one else can read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise _invalid(path, f"others can read it: run `chmod 600 {path}`")
            return file.read(_MAX_FILE)
    except OSError as error:
        raise _invalid(path, f"it cannot be read: {os.strerror(error.errno or 0)}") from None


def _and(names: tuple[str, ...]) -> str:
    return "".join(f"and `{name}` " for name in names).strip() or "alone"


def _invalid(path: Path, why: str) -> StartupFault:
    text = f"the credentials for introspection in `{path}` cannot be used: {why}"
    return StartupFault("introspection_client_invalid", text, [Fault("introspection_client_invalid", text, str(path))])
