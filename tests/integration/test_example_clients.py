"""The APIs of examples/clients as processes, in front of a real service with a real OPA."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from devkit.service import Issuer, contracts, free_address
from tests.conftest import RunningService
from tests.wire.conftest import AGENT

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "clients"
COMMANDS = {
    "flask": ["flask", "--app", str(EXAMPLES / "orders_flask.py"), "run", "--port"],
    "starlette": ["granian", "--interface", "asgi", "--no-ws", f"{EXAMPLES / 'orders_starlette.py'}:app", "--port"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def api(
    request: pytest.FixtureRequest, service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a running example."""
    address = free_address()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ENTITLEMENTS_")},
        "PDP_URL": "http://{}:{}".format(*service.address),
        "PYTHONPATH": str(ROOT),
    }
    printed = tmp_path_factory.mktemp("api") / "printed"
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[request.param], address.partition(":")[2]],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(f"http://{address}/health", process, printed)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(30)
    said = printed.read_text(encoding="utf-8")
    assert "Traceback" not in said
    assert "eyJ" not in said


def _wait(url: str, process: subprocess.Popen[bytes], printed: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, printed.read_text()
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail(printed.read_text())


@pytest.fixture(scope="module")
def bearer(issuer: Issuer) -> dict[str, str]:
    token = issuer.token(contracts()["orders"], claims=AGENT, scopes=["orders:read"])
    return {"Authorization": f"Bearer {token}"}


def test_example_gives_what_may_be_read_and_nothing_else(
    api: str, bearer: dict[str, str], service: RunningService
) -> None:
    allowed = requests.get(f"{api}/orders/42", headers={**bearer, "X-Request-ID": "example-1"}, timeout=30)
    assert (allowed.status_code, allowed.json()["total"]) == (200, 120)
    row = next(row for row in reversed(service.rows()) if row["decision_id"] == allowed.json()["decision"])
    assert (row["effect"], row["request_id"]) == ("allow", "example-1")
    denied = requests.get(f"{api}/orders/43", headers=bearer, timeout=30)
    assert (denied.status_code, denied.json()["error"]) == (403, "access_denied")
    assert "total" not in denied.text


def test_example_challenges_who_shows_no_token(api: str, bearer: dict[str, str]) -> None:
    for headers in (
        {},
        {"Authorization": bearer["Authorization"][:-4] + "AAAA"},
        {"Authorization": "DPoP x", "DPoP": "y"},
    ):
        refused = requests.get(f"{api}/orders/42", headers=headers, timeout=30)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith(("Bearer ", "DPoP "))


def test_example_does_what_is_permitted_alone(api: str, bearer: dict[str, str]) -> None:
    assert requests.delete(f"{api}/orders/42", headers=bearer, timeout=30).status_code == 403
    assert requests.get(f"{api}/orders/42", headers=bearer, timeout=30).status_code == 200


@pytest.mark.parametrize("api", ["flask"], indirect=True)
def test_example_lists_what_may_be_read(api: str, bearer: dict[str, str]) -> None:
    assert requests.get(f"{api}/orders", headers=bearer, timeout=30).json() == {"orders": ["42", "44"]}
    refused = requests.get(f"{api}/orders", headers={"Authorization": "Bearer x"}, timeout=30)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("api", ["starlette"], indirect=True)
def test_example_refuses_what_it_has_no_name_for(api: str, bearer: dict[str, str]) -> None:
    for path in ("/orders", "/orders/", "/orders/42/", "//orders/42", "/orders/42/../43", "/docs"):
        assert requests.Session().get(f"{api}{path}", headers=bearer, timeout=30).status_code in {403, 500}
