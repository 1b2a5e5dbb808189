"""The phantom pattern with a real nginx in front: it exchanges opaque tokens, the API and this service see JWTs.

The other road, where this service asks the issuer, is in test_node_oidc_provider.py.
"""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
import requests

from devkit.service import free_address
from entitlements.token import compact
from tests.issuers.installing import NotInstalled, leave_out
from tests.issuers.nginx import Nginx, RunningNginx, nginx
from tests.issuers.provider import ask
from tests.locked_project import LockedProject

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService, StartService
    from tests.issuers.provider import Provider

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "phantom"


@pytest.fixture(scope="module")
def program() -> Nginx:
    try:
        return nginx()
    except NotInstalled as cause:
        leave_out("nginx as a gateway", cause)
        raise


class API:
    """What an API does: hand the token on to this service, and do as it says."""

    def __init__(self, service: RunningService) -> None:
        self.service = service
        self.received: list[str] = []
        self.replies: list[Reply] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version: ClassVar[str] = "HTTP/1.0"

            def do_GET(self) -> None:
                token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
                api.received.append(token)
                api.replies.append(ask(service, token))
                self.send_response(200 if api.replies[-1].allows else 403)
                self.end_headers()

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"


def configured(folder: Path, program: Nginx, addresses: dict[str, str], client: str) -> None:
    """The example of examples/phantom with the addresses of this run, and the gateway's credentials."""
    text = (EXAMPLE / "nginx.conf").read_text(encoding="utf-8")
    for old, new in {**addresses, "modules/ngx_http_js_module.so": str(program.module)}.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text)
    shutil.copy(EXAMPLE / "phantom.js", folder)
    credentials = folder / "credentials.conf"
    credentials.touch(mode=0o600)
    basic = base64.b64encode(f"{client}:{client}-of-the-tests".encode()).decode()
    credentials.write_text(f'proxy_set_header Authorization "Basic {basic}";\n')


@pytest.fixture(scope="module")
def api(provider: Provider, start_service: StartService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[API]:
    """An API with a service whose contract takes JWTs only."""
    project = LockedProject(tmp_path_factory.mktemp("project")).start()
    contract = project.contracts / "shop/1.0.0.yaml"
    contract.write_text(contract.read_text().replace("https://login.example.com", provider.issuer))
    project.lock()
    found = API(
        start_service(
            {
                "ENTITLEMENTS_CONTRACTS": str(project.contracts),
                "ENTITLEMENTS_POLICIES": str(project.policies),
                "ENTITLEMENTS_KEYS": f"{provider.issuer}=discover",
                "ENTITLEMENTS_BUDGET_MS": "10000",
            }
        )
    )
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def gateway(
    program: Nginx, provider: Provider, api: API, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningNginx]:
    folder, listen = tmp_path_factory.mktemp("gateway"), free_address()
    addresses = {
        "127.0.0.1:9400": provider.issuer.removeprefix("http://"),
        "127.0.0.1:9500": api.address,
        "127.0.0.1:9600": listen,
    }
    configured(folder, program, addresses, "gateway")
    found = RunningNginx(program, folder, listen)
    yield found
    found.stop()


def through(gateway: RunningNginx, token: str, path: str = "/parcels/1", **options: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(
        options.get("method", "GET"), f"http://{gateway.address}{path}", headers=headers, timeout=30
    )


def test_gateway_exchanges_an_opaque_token_and_the_api_never_sees_it(
    gateway: RunningNginx, provider: Provider, api: API
) -> None:
    token = provider.token("opaque")
    assert token.count(".") == 0
    answer = through(gateway, token)
    assert answer.status_code == 200, (answer.text, gateway.said(), api.replies)
    received = api.received[-1]
    claims = compact.parse(received).payload
    assert (claims["client_id"], claims["role"]) == ("opaque", "clerk")
    assert api.replies[-1].json()["contract"]["name"] == "shop"
    assert through(gateway, token, method="POST").status_code == 200
    # Without the gateway the same token counts for nothing: this contract permits JWTs only.
    assert ask(api.service, token).status == 401


@pytest.mark.parametrize("token", ["garbage", "", "a b", "x" * 2000], ids=["unknown", "none", "two", "long"])
def test_gateway_refuses_what_the_issuer_does_not_know(token: str, gateway: RunningNginx, api: API) -> None:
    before = len(api.received)
    answer = through(gateway, token)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert len(api.received) == before


def test_gateway_does_not_exchange_a_jwt(gateway: RunningNginx, provider: Provider) -> None:
    """It is not in this server's memory."""
    assert through(gateway, provider.token()).status_code == 401


def test_revoked_token_is_not_exchanged(gateway: RunningNginx, provider: Provider) -> None:
    token = provider.token("opaque")
    assert through(gateway, token).status_code == 200
    answer = requests.post(
        f"{provider.issuer}/token/revocation", data={"token": token}, auth=("opaque", "opaque-of-the-tests"), timeout=30
    )
    assert answer.status_code == 200
    assert through(gateway, token).status_code == 401


def test_issuer_that_answers_without_a_jwt_is_no_word_about_the_token(
    gateway: RunningNginx, provider: Provider, api: API
) -> None:
    """`Accept: application/jwt` means nothing to this server. Those that know it are tried with Keycloak."""
    before = len(api.received)
    answer = through(gateway, provider.token("opaque"), "/orders/1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert len(api.received) == before
    assert "phantom token: the issuer answered" in gateway.said()


def test_issuer_that_is_gone_is_no_word_about_the_token(gateway: RunningNginx, provider: Provider, api: API) -> None:
    token = provider.token("opaque")
    provider.kill()
    try:
        answer = through(gateway, token)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    finally:
        provider.start()
    assert through(gateway, provider.token("opaque")).status_code == 200


def test_gateway_tells_no_token_in_its_log(gateway: RunningNginx, api: API) -> None:
    assert api.received
    assert not any(token in gateway.said() for token in api.received)
    assert "eyJ" not in gateway.said()
