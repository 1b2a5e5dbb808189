"""Every middleware reaches the API's own code by an allow whose obligations are fulfilled, and by nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import flask
import pytest
from werkzeug.test import Client as Caller

from entitlements.client import Allow, AllowIf, Client, ContractRef, Question, Refused
from entitlements.client.aio import AsyncClient
from entitlements.client.asgi import ASGIGuard
from entitlements.client.flask import FlaskGuard
from entitlements.client.guard import PUBLIC
from entitlements.client.wsgi import WSGIGuard
from tests.raw_service import ALLOWED, DENIED, JSON_TYPE, RawService, http, raw_service, says

CHALLENGE = 'Bearer realm="x", error="insufficient_user_authentication"'
STEP_UP = {"id": "step_up", "acr_values": ["mfa"]}
REFUSED = {"decision": False, "effect": "deny", "error": "invalid_token", "error_description": "no", "decision_id": "d"}
PROBLEM = {"error": "invalid_request", "error_description": "x", "code": "request_malformed", "details": {}}
LOST = {"error": "decision_unavailable", "code": "engine_timeout", "error_description": "x"}
BEARER = {"Authorization": "Bearer t-1"}
PUBLIC_URL = "https://orders.example.com"
THUMBPRINT = "L" * 43
ORDERS = ContractRef("orders", "1.0.0", "sha256:0")


@dataclass
class Replied:
    """What the API's client got, and with which answer the API's own code was reached, if it was."""

    status: int
    headers: list[tuple[str, str]]
    reached: list[Any]

    def values(self, name: str) -> list[str]:
        return [value for other, value in self.headers if other.lower() == name.lower()]


Front = Callable[..., Replied]


def resource(name: str) -> dict[str, Any]:
    return {"type": "order", "id": name}


def by_flask(url: str, path: str, headers: Mapping[str, str], **options: Any) -> Replied:
    with Client(url, contract="orders", timeout=20) as pdp:
        return _by_flask(pdp, path, headers, **options)


def _by_flask(pdp: Client, path: str, headers: Mapping[str, str], **options: Any) -> Replied:
    reached: list[Any] = []
    app = flask.Flask("api")
    guard = FlaskGuard(app, pdp, public={"health"}, **options)

    @app.get("/orders/<name>")
    @guard.requires("read", resource, lambda name: {"channel": "web"})
    def order(name: str) -> str:
        reached.append(flask.g.entitlements)
        return name

    @app.get("/health")
    def health() -> str:
        reached.append(None)
        return "well"

    got = app.test_client().get(path, headers=dict(headers))
    return Replied(got.status_code, list(got.headers), reached)


def question(path: str) -> Any:
    return PUBLIC if path == "/health" else Question("read", resource(path.rpartition("/")[2]), {"channel": "web"})


def by_wsgi(url: str, path: str, headers: Mapping[str, str], **options: Any) -> Replied:
    reached: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        reached.append(environ.get("entitlements.answer"))
        start_response("200 OK", [])
        return [b"x"]

    with Client(url, contract="orders", timeout=20) as pdp:
        guard = WSGIGuard(app, pdp, lambda environ: question(environ["PATH_INFO"]), **options)
        got = Caller(guard).get(path, headers=dict(headers))
    return Replied(got.status_code, list(got.headers), reached)


def by_asgi(url: str, path: str, headers: Mapping[str, str], **options: Any) -> Replied:
    return asyncio.run(_by_asgi(url, path, headers, **options))


async def _by_asgi(url: str, path: str, headers: Mapping[str, str], **options: Any) -> Replied:
    reached: list[Any] = []
    sent: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        reached.append(scope.get("entitlements.answer"))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": unquote(path.partition("?")[0]),
        "raw_path": path.partition("?")[0].encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    async with AsyncClient(url, contract="orders", timeout=20) as client:
        guard = ASGIGuard(app, client, lambda scope: question(scope["path"]), **options)
        await guard(scope, never, send)
    told = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return Replied(sent[0]["status"], told, reached)


async def never() -> Any:
    raise AssertionError("nothing is to be received")


FRONTS: dict[str, Front] = {"flask": by_flask, "wsgi": by_wsgi, "asgi": by_asgi}


@pytest.fixture(params=FRONTS)
def call(request: pytest.FixtureRequest) -> Front:
    """Calls an API behind one of the middlewares, which asks what is at a URL."""

    def called(url: str, path: str = "/orders/42", headers: Mapping[str, str] = BEARER, **options: Any) -> Replied:
        return FRONTS[request.param](url, path, headers, **options)

    return called


@pytest.fixture
def listening() -> Iterator[Callable[[bytes], RawService]]:
    with ExitStack() as close:
        yield lambda octets: close.enter_context(raw_service(says(octets)))


def test_allow_reaches_the_api(call: Front, listening: Callable[[bytes], RawService]) -> None:
    service = listening(http(ALLOWED))
    got = call(service.url, headers={**BEARER, "X-Request-ID": "r-1"})
    assert got.status == 200
    assert got.reached[0].decision_id == "d-1"
    (request,) = service.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert json.loads(body) == {
        "action": "read",
        "resource": {"type": "order", "id": "42"},
        "context": {"channel": "web"},
    }
    assert b"Authorization: Bearer t-1\r\n" in head
    assert b"X-Request-ID: r-1\r\n" in head


NO: dict[str, tuple[bytes, int, dict[str, list[str]]]] = {
    "deny": (http(DENIED), 403, {"WWW-Authenticate": []}),
    "deny with a stronger sign-in": (
        http({**DENIED, "obligations": [STEP_UP], "www_authenticate": CHALLENGE}),
        401,
        {"WWW-Authenticate": [CHALLENGE]},
    ),
    "refused": (
        http(REFUSED, JSON_TYPE, "WWW-Authenticate: DPoP", "WWW-Authenticate: Bearer", "DPoP-Nonce: n", status="401 x"),
        401,
        {"WWW-Authenticate": ["DPoP", "Bearer"], "DPoP-Nonce": ["n"]},
    ),
    "malformed": (http(PROBLEM, status="400 x"), 500, {}),
    "unavailable": (http(LOST, JSON_TYPE, "Retry-After: 7", status="503 x"), 503, {"Retry-After": ["7"]}),
    "no answer": (http(b"<html>", "Content-Type: text/html"), 503, {}),
    "an obligation": (http({**ALLOWED, "obligations": [{"id": "audit"}]}), 403, {}),
    "an allow with a stronger sign-in": (
        http({**ALLOWED, "obligations": [STEP_UP], "www_authenticate": CHALLENGE}),
        401,
        {"WWW-Authenticate": [CHALLENGE]},
    ),
    "an allow with a challenge alone": (
        http({**ALLOWED, "www_authenticate": CHALLENGE}),
        401,
        {"WWW-Authenticate": [CHALLENGE]},
    ),
}


@pytest.mark.parametrize("name", NO)
def test_everything_else_does_not_reach_the_api(
    call: Front, listening: Callable[[bytes], RawService], name: str
) -> None:
    octets, status, headers = NO[name]
    got = call(listening(octets).url)
    assert (got.status, got.reached) == (status, [])
    assert {header: got.values(header) for header in headers} == headers
    assert got.values("Cache-Control") == ["no-store"]


def test_handled_obligations_reach_the_api_and_others_do_not(
    call: Front, listening: Callable[[bytes], RawService]
) -> None:
    service = listening(http({**ALLOWED, "obligations": [{"id": "audit", "level": 2}, {"id": "notify"}]}))
    done: list[Any] = []

    def fulfil(obligation: Any, _request: Any) -> bool:
        done.append(obligation.members)
        return True

    got = call(service.url, obligations={"audit": fulfil, "notify": fulfil})
    assert got.status == 200
    assert isinstance(got.reached[0], AllowIf)
    assert done == [{"id": "audit", "level": 2}, {"id": "notify"}]
    # One of two has no handler: the other is not begun.
    done.clear()
    got = call(service.url, obligations={"audit": fulfil})
    assert (got.status, got.reached, done) == (403, [], [])


@pytest.mark.parametrize("said", [False, None, 1, "done", [True]], ids=repr)
def test_obligation_is_fulfilled_by_true_alone(
    call: Front, listening: Callable[[bytes], RawService], said: Any
) -> None:
    service = listening(http({**ALLOWED, "obligations": [{"id": "audit"}]}))
    got = call(service.url, obligations={"audit": lambda _obligation, _request: said})
    assert (got.status, got.reached) == (403, [])


def test_public_request_is_not_asked_about(call: Front, listening: Callable[[bytes], RawService]) -> None:
    service = listening(http(DENIED))
    assert call(service.url, "/health").reached == [None]
    assert service.connections == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "t-1"},
        {"Authorization": "Basic dTpw"},
        {"Authorization": "Bearer a b"},
        {"Authorization": "Bearer"},
        {"Authorization": "DPoP t-1"},
        {"Authorization": "DPoP t-1", "DPoP": "eyJ.a.b,eyJ.c.d"},
    ],
    ids=["none", "bare", "basic", "two words", "no token", "no proof", "two proofs"],
)
def test_credentials_that_are_none_are_not_sent(
    call: Front, listening: Callable[[bytes], RawService], headers: Mapping[str, str]
) -> None:
    service = listening(http(REFUSED, JSON_TYPE, "WWW-Authenticate: Bearer", status="401 x"))
    assert call(service.url, headers=headers, public_url=PUBLIC_URL).status == 401
    assert b"authorization" not in service.requests[0].lower()
    assert b"proof" not in service.requests[0]


def proof_in(service: RawService) -> Any:
    return json.loads(service.requests[-1].partition(b"\r\n\r\n")[2]).get("proof")


def test_dpop_proof_is_handed_on_for_its_scheme_alone(call: Front, listening: Callable[[bytes], RawService]) -> None:
    service = listening(http(ALLOWED))
    sent = {"Authorization": "DPoP t-1", "DPoP": "eyJ.a.b", "Host": "evil.example.com"}
    assert call(service.url, "/orders/4%202?x=1", sent, public_url=PUBLIC_URL).status == 200
    url = f"{PUBLIC_URL}/orders/4%202"
    assert proof_in(service) == {"dpop": {"jwt": "eyJ.a.b", "method": "GET", "url": url}}
    call(service.url, headers={**sent, "Authorization": "Bearer t-1"}, public_url=PUBLIC_URL)
    assert proof_in(service) is None
    # An API that does not say how it is called takes no proof.
    call(service.url, headers=sent)
    assert proof_in(service) is None
    assert b"authorization" not in service.requests[-1].lower()


def test_certificate_is_handed_on(call: Front, listening: Callable[[bytes], RawService]) -> None:
    service = listening(http(ALLOWED))
    call(service.url, certificate=lambda _request: THUMBPRINT)
    assert proof_in(service) == {"mtls": {"x5t#S256": THUMBPRINT}}
    call(service.url, certificate=lambda _request: None)
    assert proof_in(service) is None


@pytest.mark.parametrize("url", ["orders.example.com", "https://a/b", "https://a?b", "ftp://a"])
def test_public_url_with_a_path_is_refused(call: Front, url: str) -> None:
    with pytest.raises(ValueError, match="public_url"):
        call("http://127.0.0.1:1", public_url=url)


def test_log_tells_the_cause_and_no_token(
    call: Front, listening: Callable[[bytes], RawService], caplog: pytest.LogCaptureFixture
) -> None:
    for name in NO:
        call(listening(NO[name][0]).url, headers={"Authorization": "Bearer secret-token"})
    assert "engine_timeout" in caplog.text
    assert "request_malformed" in caplog.text
    assert "'audit'" in caplog.text
    assert "secret-token" not in caplog.text


def test_view_without_a_guard_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    app = flask.Flask("api", static_folder=None)
    with Client("http://127.0.0.1:1", contract="orders") as pdp:
        guard = FlaskGuard(app, pdp)
        reached = []

        @app.get("/forgotten")
        def forgotten() -> str:
            reached.append("forgotten")
            return "x"

        @guard.requires("read", lambda: {"type": "order", "id": "1"})
        @app.get("/above")
        def above() -> str:
            reached.append("above")
            return "x"

        caller = app.test_client()
        assert [caller.get(path).status_code for path in ("/forgotten", "/above", "/nowhere")] == [403, 403, 404]
    assert reached == []
    assert "`forgotten` is neither guarded nor public" in caplog.text


def test_view_that_asks_by_itself_refuses_as_the_guard_does() -> None:
    app = flask.Flask("api", static_folder=None)
    with Client("http://127.0.0.1:1", contract="orders") as pdp, app.test_request_context():
        guard = FlaskGuard(app, pdp)
        refused = guard.refusal(Refused("invalid_token", "no", "d", ("Bearer",)))
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert guard.refusal(AllowIf("d", (), (), ORDERS, "r")).status_code == 403
        with pytest.raises(ValueError, match="not refused"):
            guard.refusal(Allow("d", (), ORDERS, "r"))


@pytest.mark.parametrize("asked", [None, True, "public", {"action": "read"}], ids=repr)
def test_request_of_which_nothing_is_said_is_an_error(asked: Any) -> None:
    reached: list[Any] = []

    def app(_environ: Any, _start_response: Any) -> list[bytes]:
        reached.append(1)
        return []

    with (
        Client("http://127.0.0.1:1", contract="orders") as pdp,
        pytest.raises(TypeError, match="`Question` or `PUBLIC`"),
    ):
        Caller(WSGIGuard(app, pdp, lambda _environ: asked)).get("/")
    assert reached == []


def in_scope(
    scope: dict[str, Any], guard_of: Callable[[Any, AsyncClient], ASGIGuard], url: str
) -> tuple[list[Any], list[Any]]:
    """What the application was reached with, and what was sent, for one scope."""
    reached: list[Any] = []
    sent: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(scope["type"])

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        async with AsyncClient(url, contract="orders", timeout=20) as client:
            await guard_of(app, client)(scope, never, send)

    asyncio.run(run())
    return reached, sent


def test_websocket_is_asked_about_as_it_opens(listening: Callable[[bytes], RawService]) -> None:
    def guard_of(app: Any, client: AsyncClient) -> ASGIGuard:
        return ASGIGuard(app, client, lambda scope: question(scope["path"]))

    scope = {"type": "websocket", "path": "/orders/42", "headers": [(b"authorization", b"Bearer t-1")]}
    assert in_scope({**scope}, guard_of, listening(http(ALLOWED)).url) == (["websocket"], [])
    closed = [{"type": "websocket.close", "code": 1008}]
    assert in_scope({**scope}, guard_of, listening(http(DENIED)).url) == ([], closed)


def test_start_is_let_through_and_what_is_not_known_is_not() -> None:
    def guard_of(app: Any, client: AsyncClient) -> ASGIGuard:
        return ASGIGuard(app, client, lambda _scope: PUBLIC)

    assert in_scope({"type": "lifespan"}, guard_of, "http://127.0.0.1:1") == (["lifespan"], [])
    with pytest.raises(TypeError, match="nothing else"):
        in_scope({"type": "webtransport"}, guard_of, "http://127.0.0.1:1")


def test_functions_of_the_api_may_be_coroutines(listening: Callable[[bytes], RawService]) -> None:
    async def asked(scope: Any) -> Any:
        return question(scope["path"])

    said: list[Any] = [True, False]

    async def fulfil(_obligation: Any, _scope: Any) -> Any:
        return said.pop()

    def guard_of(app: Any, client: AsyncClient) -> ASGIGuard:
        return ASGIGuard(app, client, asked, obligations={"audit": fulfil})

    service = listening(http({**ALLOWED, "obligations": [{"id": "audit"}]}))
    scope = {"type": "http", "path": "/orders/42", "method": "GET", "headers": []}
    assert in_scope({**scope}, guard_of, service.url)[0] == []
    assert in_scope({**scope}, guard_of, service.url)[0] == ["http"]


@pytest.mark.parametrize("asked", [None, True, "public"], ids=repr)
def test_scope_of_which_nothing_is_said_is_an_error(asked: Any) -> None:
    def guard_of(app: Any, client: AsyncClient) -> ASGIGuard:
        return ASGIGuard(app, client, lambda _scope: asked)

    with pytest.raises(TypeError, match="`Question` or `PUBLIC`"):
        in_scope({"type": "http", "path": "/", "headers": []}, guard_of, "http://127.0.0.1:1")
