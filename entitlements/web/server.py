"""The door: HTTP as granian parsed it becomes one WSGI call, or is refused before any thread is spent on it.

The body is read on the event loop, under a size cap and a total deadline, so a slow client costs a socket and never a
thread. What two readers could understand differently is refused: a repeated or absent header that must be single,
and a body without a plain length (RFC 9112 section 6.3; request smuggling). An address has one spelling: one with an
escape is not found. ASGI is granian's only interface that gives the path as it was sent.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from entitlements.model import MAX_TOKEN_BYTES
from entitlements.web.request_id import is_request_id

_LOG = logging.getLogger("entitlements")
_SINGLE = ("authorization", "content-length", "content-type", "content-encoding", "x-request-id")
_LENGTH = re.compile(r"[0-9]{1,9}")
# In the WSGI environment: from when on the budget of the decision counts, where some of it is spent.
SINCE = "entitlements.since"
# A token and what else comes with it.
HEADER_BYTES = MAX_TOKEN_BYTES + 8 * 1024
_BODY_SECONDS = 5.0
_WAIT_SECONDS = 1.0
_WAITING_PER_THREAD = 32

Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]
WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# What ASGI 3.0 gives: a request, its next message, and the way back.
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


# The answer of the lean route; else from when on the budget of a decision counts, None where none of it is spent.
Lean = Callable[[Scope, Mapping[str, str], bytes], Awaitable[Answer | float | None]]


class Refused(Exception):
    """The request is refused at the door with a status and a reason."""

    def __init__(self, status: int, error: str, description: str, *, code: str = "") -> None:
        super().__init__(description)
        self.error = error
        self.code = code
        body = {"error": error, **({"code": code} if code else {}), "error_description": description}
        headers = [("content-type", "application/json"), ("cache-control", "no-store"), ("connection", "close")]
        if status == 503:
            headers.append(("retry-after", "1"))
        self.answer: Answer = (status, headers, json.dumps(body).encode("ascii"))


def _overloaded() -> Refused:
    return Refused(503, "decision_unavailable", "no decision can be made now", code="overloaded")


class Door:
    """An ASGI application in front of a WSGI one.

    application: called in one of `threads` threads; count: told the error and the code of each refusal; max_body: bytes
    a body may have; body_seconds: how long a client may take to send one; clock: monotonic seconds; lean: answers on
    the event loop what needs no application, None where there is no such route; larger: addresses whose bodies may have
    more bytes, and how many.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        count: Callable[[str, str], None],
        threads: int,
        max_body: int,
        body_seconds: float = _BODY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        lean: Lean | None = None,
        larger: Mapping[bytes, int] | None = None,
    ) -> None:
        self._application = application
        self._lean = lean
        self._count = count
        self._max_body = max_body
        self._larger = larger or {}
        self._body_seconds = body_seconds
        self._clock = clock
        self._free = threads * (_WAITING_PER_THREAD + 1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="decide")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the worker's life (granian's entry point)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        status, headers, body = await self._answer(scope, receive)
        octets = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": octets})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def close(self) -> None:
        """Release what stands behind the door, at the worker's end."""

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            headers = _checked_headers(scope)
            _check_spelling(scope)
            body = await self._body(headers, receive, self._larger.get(scope["raw_path"], self._max_body))
            if self._lean is None:
                return await self._call(_environ(scope, headers, body))
            return await self._lean_or_ordinary(self._lean, scope, headers, body)
        except Refused as refused:
            status, answer_headers, answer = refused.answer
            self._count(refused.error, refused.code)
            return status, answer_headers + _request_id(scope), answer
        except Exception as defect:
            # The class only: a message could quote a token. Raised on, it would be answered without a header of ours.
            _LOG.critical("defect: %s at the door", type(defect).__name__)
            self._count("internal_error", "")
            return Refused(500, "internal_error", "a defect of the service").answer

    async def _lean_or_ordinary(self, lean: Lean, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        if self._free <= 0:
            raise _overloaded()
        self._free -= 1
        try:
            answer = await lean(scope, headers, body)
        except Exception as defect:
            # What the ordinary route answers does not depend on this one.
            _LOG.critical("defect: %s in the lean route", type(defect).__name__)
            answer = None
        finally:
            self._free += 1
        if isinstance(answer, tuple):
            return answer
        since = {} if answer is None else {SINCE: answer}
        return await self._call({**_environ(scope, headers, body), **since})

    async def _body(self, headers: dict[str, str], receive: Receive, most: int) -> bytes:
        length = headers.get("content-length", "0")
        if not _LENGTH.fullmatch(length):
            raise Refused(400, "invalid_request", "the content length is not a plain number")
        if int(length) > most:
            raise Refused(413, "request_too_large", f"the body may have {most} bytes at most")
        if int(length) == 0:
            return b""
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await _read(receive, int(length))
        except TimeoutError:
            raise Refused(408, "request_timeout", "the body did not arrive in time") from None
        if len(body) != int(length):
            raise Refused(400, "invalid_request", "the body is not as long as announced")
        return body

    async def _call(self, environ: dict[str, Any]) -> Answer:
        if self._free <= 0:
            raise _overloaded()
        self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, environ, self._clock())
        finally:
            self._free += 1

    def _run(self, environ: dict[str, Any], arrived: float) -> Answer:
        # Whoever waited this long has timed out, and an answer for no one keeps the next one waiting.
        if self._clock() - arrived > _WAIT_SECONDS:
            raise _overloaded()
        started: list[tuple[int, Headers]] = []

        def start_response(status: str, headers: Headers, _exc_info: object = None) -> Callable[[bytes], object]:
            started.append((int(status[:3]), [(name.lower(), value) for name, value in headers]))
            return lambda _data: None

        chunks = self._application(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return (*started[-1], body)


async def _read(receive: Receive, length: int) -> bytes:
    """The messages of a body until `length` octets are there or it ends. Raises Refused where it breaks off."""
    body = b""
    while len(body) < length:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "invalid_request", "the body could not be read")
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


def _check_spelling(scope: Scope) -> None:
    """No address of ours has an escape. Raises Refused (404): whoever guards paths in front of us may not decode."""
    if b"%" in scope["raw_path"]:
        raise Refused(404, "not_found", "not found")


def _checked_headers(scope: Scope) -> dict[str, str]:
    """The headers as one map, refused where a name that must be single is not, or where framing is unclear."""
    items: list[tuple[bytes, bytes]] = scope["headers"]
    if (plain := _plain_headers(scope, items)) is not None:
        return plain
    if sum(len(name) + len(value) for name, value in items) > HEADER_BYTES:
        raise Refused(431, "headers_too_large", "the headers are too large")
    headers: dict[str, str] = {}
    for name, value in ((name.decode("ascii"), value) for name, value in items):
        if name in headers and name in _SINGLE:
            raise Refused(400, "invalid_request", f"the header {name} was sent twice")
        if value.isascii():
            headers[name] = f"{headers[name]},{value.decode()}" if name in headers else value.decode()
        elif name in _SINGLE:
            raise Refused(400, "invalid_request", f"the header {name} is not ASCII")
    if any(name == b"transfer-encoding" for name, _ in items):
        raise Refused(400, "invalid_request", "send the body with a content length and no transfer encoding")
    # granian gives an empty host where none was sent.
    hosts = [value for name, value in items if name == b"host"]
    if len(hosts) > 1 or b"," in b"".join(hosts) or (scope["http_version"] == "1.1" and not any(hosts)):
        raise Refused(400, "invalid_request", "exactly one host header is needed")
    return headers


def _plain_headers(scope: Scope, items: list[tuple[bytes, bytes]]) -> dict[str, str] | None:
    """What `_checked_headers` gives for headers with nothing to check one by one; None for any others."""
    names, values = [name for name, _ in items], b"".join([value for _, value in items])
    if len({*names}) != len(names) or b"transfer-encoding" in names or not values.isascii():
        return None
    if scope["http_version"] != "1.1" or len(values) + sum(map(len, names)) > HEADER_BYTES:
        return None
    headers = {name.decode("ascii"): value.decode("ascii") for name, value in items}
    host = headers.get("host", "")
    return headers if host and "," not in host else None


def _request_id(scope: Scope) -> Headers:
    """The caller's own name for the request, to be repeated: one that is plain and stands there once, or none."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"]
    return [("x-request-id", sent[0])] if len(sent) == 1 and is_request_id(sent[0]) else []


def _environ(scope: Scope, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The WSGI environment (PEP 3333). Header names with an underscore are dropped: they could pose as others."""
    host, _, port = (headers.get("host") or "localhost").rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # Without escapes it is what PEP 3333 wants: the decoded path's octets as latin-1.
        "PATH_INFO": scope["raw_path"].decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host or port,
        "SERVER_PORT": port if host else "80",
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        if "_" not in name:
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_CONTENT_LENGTH", None)
    return environ
