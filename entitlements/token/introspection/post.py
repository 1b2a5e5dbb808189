"""One question to an introspection endpoint over HTTP, bounded in time and size.

The token stands in the body and nowhere else: addresses and headers are written into logs on the way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests

from entitlements.errors import IntrospectionUnavailable
from entitlements.token.introspection.answer import MAX_ANSWER_BYTES
from entitlements.token.key_fetch import ShutAtDeadline

_CHUNK = 8192
# Of another status nothing is read.
_WITH_A_BODY = (200, 400)


@dataclass(frozen=True, slots=True)
class Connection:
    """How an endpoint is reached.

    ca_file: PEM file of the only trusted roots, None for the default ones; certificate: files of our own certificate
    and its key, None for none.
    """

    url: str
    timeout: float
    ca_file: str | None = None
    certificate: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. content_type: the media type in lower case, without parameters."""

    status: int
    content_type: str
    body: bytes = field(repr=False)


def post(connection: Connection, form: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
    """Send a form once.

    No redirect is followed, no proxy, cookie, netrc or other environment is used, no content coding is accepted; a body
    is whole: its length was announced and reached, or its last chunk was seen.
    Raises IntrospectionUnavailable introspection_unreachable; the message quotes nothing of question and answer.
    """
    deadline = time.monotonic() + connection.timeout
    adapter = ShutAtDeadline()
    timer = threading.Timer(connection.timeout, adapter.shut)
    timer.daemon = True
    timer.start()
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            with session.post(
                connection.url,
                data=dict(form),
                headers={**_HEADERS, **headers},
                timeout=(connection.timeout, connection.timeout),
                allow_redirects=False,
                stream=True,
                verify=connection.ca_file or True,
                cert=connection.certificate,
                proxies={},
            ) as answer:
                return _reply(answer, deadline)
    except IntrospectionUnavailable:
        raise
    except (
        Exception
    ) as error:  # the trust boundary: whatever a hostile answer makes the library raise is a failed question
        cause = "it did not answer in time" if time.monotonic() >= deadline else type(error).__name__
        raise _failed(cause) from None
    finally:
        timer.cancel()


_HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "entitlements"}


def _reply(answer: requests.Response, deadline: float) -> Reply:
    _check_time(deadline)  # a head that was cut short at the deadline looks like a whole one
    body = _body(answer, deadline) if answer.status_code in _WITH_A_BODY else b""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Reply(answer.status_code, kind, body)


def _body(answer: requests.Response, deadline: float) -> bytes:
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise _failed("its answer came with a content coding")
    _check_framing(answer)
    body = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise _failed(f"its answer is larger than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() >= deadline:
            break
    # Also after the last byte: a socket shut at the deadline looks like an end of the body.
    _check_time(deadline)
    return bytes(body)


def _check_framing(answer: requests.Response) -> None:
    """Only a body that says where it ends can be known to be whole (RFC 9112 section 6.3, items 4, 6 and 8)."""
    length, coding = answer.headers.get("Content-Length"), answer.headers.get("Transfer-Encoding")
    if (length is None) == (coding is None) or (coding is not None and coding.strip().lower() != "chunked"):
        raise _failed("its answer does not tell its end in one way, a length or chunks")
    if length is not None and not (length.strip().isdecimal() and int(length[:16]) <= MAX_ANSWER_BYTES):
        raise _failed(f"the length of its answer is malformed or beyond {MAX_ANSWER_BYTES} bytes")


def _check_time(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise _failed("it did not answer in time")


def _failed(cause: str) -> IntrospectionUnavailable:
    return IntrospectionUnavailable("introspection_unreachable", f"the introspection endpoint cannot be asked: {cause}")
