"""One fetch of a key set or of metadata over HTTP, and the addresses that may be asked."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from entitlements.addresses import is_confidential
from entitlements.errors import KeysUnavailable, StartupFault
from entitlements.token.bounded_http import AnswerRefused, Exchange, NotAnswered

_HEADERS = {"Accept": "application/jwk-set+json, application/json"}


def check_url(url: str) -> str:
    """The address of a key set, or another one that is asked, as given. Raises StartupFault key_source_invalid.

    Only `https://`, or `http://` on a loopback host; no user, no fragment (RFC 8414 section 2, `jwks_uri`).
    """
    try:
        parts = urlsplit(url)
        fine = bool(parts.hostname) and parts.username is None and not parts.fragment and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not url.isascii() or any(character.isspace() for character in url):
        raise StartupFault("key_source_invalid", "the address is malformed")
    if not is_confidential(parts):
        raise StartupFault("key_source_invalid", "the address must begin with `https://`")
    return url


def fetch(
    url: str,
    *,
    timeout: float,
    max_bytes: int,
    ca_file: str | None,
    connected: Callable[[str], None] | None = None,
    what: str = "the key set",
) -> bytes:
    """Fetch `url` once, as `Exchange` says.

    connected: may raise KeysUnavailable; what: what is fetched, for messages.
    Raises KeysUnavailable keys_fetch_failed; the message never quotes what the server sent.
    """
    exchange = Exchange(timeout, max_bytes, ca_file, connected=connected)
    try:
        answer = exchange.send("GET", url, _HEADERS)
    except NotAnswered as cause:
        raise _failed(f"{what} cannot be fetched: {cause}") from None
    except AnswerRefused as refused:
        raise _failed(f"{what} {refused}") from None
    if answer.status != 200:
        raise _failed(f"the address of {what} answered {answer.status}")
    return answer.body


def _failed(message: str) -> KeysUnavailable:
    return KeysUnavailable("keys_fetch_failed", message)
