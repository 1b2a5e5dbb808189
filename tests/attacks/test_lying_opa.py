"""An OPA server that lies to a running service: no answer of it is an allow that the release did not give."""

from __future__ import annotations

import gzip
import json
import os
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from devkit.service import ROOT, Issuer
from entitlements.contract import read_lock
from entitlements.engine import OPA_VERSION
from entitlements.engine.child_client import ChildClient
from entitlements.engine.unix_socket import only_process
from entitlements.errors import EngineUnavailable
from tests.conftest import RunningService, StartService
from tests.integration.engine.test_opa_server import WildServer, wild_child
from tests.wire.conftest import Wire

RELEASE = read_lock(ROOT / "contracts").release
ALLOW = {"allow": True, "reasons": [], "obligations": []}


def told(result: Any = ALLOW, *, revision: Any = RELEASE, version: Any = OPA_VERSION, **more: Any) -> bytes:
    provenance = {"version": version, "bundles": {"release": {"revision": revision}}}
    return json.dumps({"result": result, "provenance": provenance, **more}).encode()


def plain(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


def in_chunks(body: bytes) -> bytes:
    """One letter a chunk, with an extension."""
    parts = b"".join(b"1;x=y\r\n" + body[i : i + 1] + b"\r\n" for i in range(len(body)))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"


GOOD = told()
TEXT = GOOD.decode()
LIES: dict[str, bytes] = {
    "another_revision": plain(told(revision="sha256:" + "0" * 64)),
    "revision_prefix": plain(told(revision=RELEASE[:40])),
    "revision_in_capitals": plain(told(revision=RELEASE.upper())),
    "revision_list": plain(told(revision=[RELEASE])),
    "revision_empty": plain(told(revision="")),
    "revision_null": plain(told(revision=None)),
    "lockdown_revision_alone": plain(told(revision="lockdown:" + RELEASE)),
    "two_releases": plain(
        json.dumps(
            {
                "result": ALLOW,
                "provenance": {
                    "version": OPA_VERSION,
                    "bundles": {"a": {"revision": RELEASE}, "b": {"revision": "sha256:1"}},
                },
            }
        ).encode()
    ),
    "a_bundle_without_revision": plain(
        json.dumps(
            {"result": ALLOW, "provenance": {"version": OPA_VERSION, "bundles": {"a": {"revision": RELEASE}, "b": {}}}}
        ).encode()
    ),
    "no_provenance": plain(json.dumps({"result": ALLOW}).encode()),
    "another_version": plain(told(version="1.0.0")),
    "no_version": plain(told(version=None)),
    "version_with_a_suffix": plain(told(version=OPA_VERSION + "-evil")),
    "a_warning": plain(told(warning={"code": "api_usage_warning"})),
    "a_second_result": plain(TEXT.replace("{", '{"result": true, ', 1).encode()),
    "allow_twice": plain(TEXT.replace('"allow": true', '"allow": false, "allow": true').encode()),
    "allow_twice_by_escape": plain(TEXT.replace('"allow": true', '"allow": false, "\\u0061llow": true').encode()),
    "allow_text": plain(told({"allow": "true", "reasons": [], "obligations": []})),
    "allow_one": plain(told({"allow": 1, "reasons": [], "obligations": []})),
    "allow_list": plain(told({"allow": [True], "reasons": [], "obligations": []})),
    "allow_in_capitals": plain(told({"Allow": True})),
    "allow_and_more": plain(told({**ALLOW, "deny": True})),
    "result_text": plain(told("true")),
    "result_one": plain(told(1)),
    "result_list": plain(told([True])),
    "result_null": plain(told(None)),
    "reasons_with_line_ends": plain(told({"allow": True, "reasons": ["a\r\nb"], "obligations": []})),
    "reasons_number": plain(told({"allow": True, "reasons": 5, "obligations": []})),
    "obligations_text": plain(told({"allow": True, "reasons": [], "obligations": ["x"]})),
    "huge_number": plain(TEXT.replace('"allow": true', '"allow": true, "reasons": ' + "9" * 4000).encode()),
    "nan": plain(TEXT.replace('"reasons": []', '"reasons": NaN').encode()),
    "deep": plain(b"[" * 100_000),
    "two_documents": plain(GOOD + GOOD),
    "trailing": plain(GOOD + b"\0"),
    "utf16": plain(TEXT.encode("utf-16")),
    "no_utf8": plain(GOOD.replace(b"release", b"\xff")),
    "bom": plain(b"\xef\xbb\xbf" + GOOD),
    "html": plain(b"<html>true</html>"),
    "empty": plain(b""),
    "too_large": plain(GOOD + b" " * 300_000),
    "cut_short": plain(GOOD)[:-4],
    "length_too_small": plain(GOOD).replace(b"Content-Length: %d" % len(GOOD), b"Content-Length: 4"),
    "length_too_large": plain(GOOD).replace(b"Content-Length: %d" % len(GOOD), b"Content-Length: 9999"),
    "lengths_that_differ": plain(GOOD, "Content-Length: 3"),
    "gzip": plain(gzip.compress(GOOD), "Content-Encoding: gzip"),
    "gzip_unnamed": plain(gzip.compress(GOOD)),
    "coding_named_only": plain(GOOD, "Content-Encoding: gzip"),
    "redirect": plain(GOOD, "Location: http://127.0.0.1:1/", status="307 Temporary Redirect"),
    "moved": plain(GOOD, status="302 Found"),
    "created": plain(GOOD, status="201 Created"),
    "no_content": plain(GOOD, status="204 No Content"),
    "partial": plain(GOOD, status="206 Partial Content"),
    "unauthorized": plain(GOOD, status="401 Unauthorized"),
    "error": plain(GOOD, status="500 Internal Server Error"),
    "switching": plain(GOOD, status="101 Switching Protocols"),
    "chunk_cut_short": chunked(GOOD)[:-9],
    "bad_chunk_size": chunked(GOOD).replace(b"\r\n\r\n", b"\r\n\r\nzz", 1),
    "http09": GOOD,
    "status_line_alone": b"HTTP/1.1 200 OK\r\n\r\n",
    "closed_at_once": b"",
    "random": bytes(range(256)) * 4,
}
TRUE = {"good": plain(GOOD), "chunked": chunked(GOOD), "in_chunks": in_chunks(GOOD)}


class Liar:
    """Answers every request with the octets that it was told, then closes; `drip` gives one octet at a time."""

    def __init__(self) -> None:
        self.says = TRUE["good"]
        self.drip = 0.0
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer()

            def do_GET(self) -> None:
                self.answer()

            def answer(self) -> None:
                self.close_connection = True
                for part in [liar.says] if not liar.drip else [liar.says[i : i + 1] for i in range(len(liar.says))]:
                    self.wfile.write(part)
                    time.sleep(liar.drip)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    server = Liar()
    yield server
    server.close()


@pytest.fixture(scope="module")
def misled(liar: Liar, start_service: StartService) -> RunningService:
    """A service that asks the liar, within two seconds."""
    return start_service({"ENTITLEMENTS_OPA_URL": liar.url, "ENTITLEMENTS_BUDGET_MS": "2000"}, until="/healthz")


@pytest.fixture(scope="module")
def wire(issuer: Issuer) -> Wire:
    return Wire(issuer)


@pytest.mark.parametrize("name", TRUE)
def test_an_answer_of_the_release_is_taken(misled: RunningService, liar: Liar, wire: Wire, name: str) -> None:
    liar.says, liar.drip = TRUE[name], 0.0
    reply = misled.one(wire.ask())
    assert reply.allows, reply


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_no_allow(misled: RunningService, liar: Liar, wire: Wire, name: str) -> None:
    liar.says, liar.drip = LIES[name], 0.0
    before = len(misled.rows())
    reply = misled.one(wire.ask())
    assert not reply.allows, reply
    assert reply.status in (200, 503), reply
    assert (reply.status == 200) == (len(misled.rows()) > before)


def test_an_answer_that_drips_is_given_up_in_time(misled: RunningService, liar: Liar, wire: Wire) -> None:
    liar.says, liar.drip = TRUE["good"], 0.2
    reply = misled.one(wire.ask())
    assert (reply.status, reply.json()["code"]) == (503, "engine_timeout")


@pytest.fixture(scope="module")
def lying_child() -> Iterator[WildServer]:
    with wild_child() as server:
        yield server


def allowed_by_child(lying_child: WildServer, octets: bytes) -> bool:
    """Whether a decision point with the release would allow by this answer of its child, which closes behind it."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)

    lying_child.behave = behave
    path = lying_child.url.removeprefix("unix://")
    client = ChildClient(path, check=only_process(os.getpid(), lambda: True), probe="orders/authz/decision")
    try:
        verdict = client.ask("orders/authz/decision", {}, deadline=time.monotonic() + 5)
    except EngineUnavailable:
        return False
    finally:
        client.close()
    return verdict.allow and (verdict.revision, verdict.engine_version) == (RELEASE, OPA_VERSION)


@pytest.mark.parametrize("name", TRUE)
def test_an_answer_of_the_release_is_taken_from_the_child(lying_child: WildServer, name: str) -> None:
    # Chunks with extensions are none of OPA's, so the child's client refuses them.
    assert allowed_by_child(lying_child, TRUE[name]) is (name != "in_chunks")


@pytest.mark.parametrize("name", LIES)
def test_a_lie_of_the_child_is_no_allow(lying_child: WildServer, name: str) -> None:
    assert not allowed_by_child(lying_child, LIES[name])
