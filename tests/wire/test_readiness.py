"""A service that can decide says it is ready, whatever is wrong beside it; to strangers it tells codes only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunningService, StartService
    from tests.wire.conftest import Wire

OPERATOR = "operators-only-0123456789"


def ready(running: RunningService, wire: Wire, *lines: bytes) -> tuple[int, dict[str, Any]]:
    reply = running.one(wire.get("/readyz", *lines))
    return reply.status, reply.json()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come true within a minute"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory, wire: Wire) -> Path:
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_bytes(wire.issuer.jwks.read_bytes())
    return path


@pytest.fixture(scope="module")
def running(start_service: StartService, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> RunningService:
    token = tmp_path_factory.mktemp("operator") / "token"
    token.write_text(OPERATOR + "\n")
    token.chmod(0o600)
    return start_service(
        {"ENTITLEMENTS_KEYS": f"https://login.example.com={keys}", "ENTITLEMENTS_OPERATOR_TOKEN_FILE": str(token)}
    )


@pytest.mark.parametrize("content", [b"garbage", b"", None], ids=["garbage", "empty", "removed"])
def test_a_key_set_that_cannot_be_read_takes_no_replica_away(
    running: RunningService, wire: Wire, keys: Path, content: bytes | None
) -> None:
    good = keys.read_bytes()
    try:
        if content is None:
            keys.unlink()
        else:
            keys.write_bytes(content)
        until(lambda: ready(running, wire)[1]["degraded"] != [])
        status, body = ready(running, wire)
        assert (status, body["ready"]) == (200, True)
        assert {one["part"] for one in body["degraded"]} == {"keys"}
        assert {audience["state"] for audience in body["audiences"].values()} == {"ready"}
        assert running.one(wire.ask()).allows
        metrics = running.one(wire.get("/metrics")).body.decode()
        code = body["degraded"][0]["code"]
        assert f'entitlements_degraded{{code="{code}",part="keys"}} 1.0' in metrics.splitlines()
        assert "entitlements_ready 1.0" in metrics.splitlines()
    finally:
        keys.write_bytes(good)
    until(lambda: ready(running, wire)[1]["degraded"] == [])
    assert "entitlements_degraded{" not in running.one(wire.get("/metrics")).body.decode()


def test_strangers_are_told_codes_only(running: RunningService, wire: Wire) -> None:
    forwarded = b"X-Forwarded-For: 192.0.2.7"
    body, metrics = ready(running, wire, forwarded)[1], running.one(wire.get("/metrics", forwarded)).body.decode()
    assert body.keys() == {"ready", "degraded", "parts"}
    told = json.dumps(body) + metrics
    for name in ("orders", "payments", "example.com", "sha256"):
        assert name not in told
    assert "entitlements_ready 1.0" in metrics.splitlines()


def test_the_operators_token_shows_the_detail(running: RunningService, wire: Wire) -> None:
    lines = (b"X-Forwarded-For: 192.0.2.7", f"Authorization: Bearer {OPERATOR}".encode())
    assert ready(running, wire, *lines)[1]["parts"]["contracts"]["pinned"] == ["orders@1.0.0", "payments@1.0.0"]
    running.one(wire.ask())
    assert b'contract="orders"' in running.one(wire.get("/metrics", *lines)).body
    assert OPERATOR not in running.said()


def test_an_operators_token_is_no_access_token(running: RunningService, wire: Wire) -> None:
    reply = running.one(wire.ask(bearer=f"Authorization: Bearer {OPERATOR}".encode()))
    assert reply.status == 401


def test_without_the_engine_no_audience_can_be_decided(without_engine: RunningService, wire: Wire) -> None:
    status, body = ready(without_engine, wire)
    assert status == 503
    assert {tuple(audience["codes"]) for audience in body["audiences"].values()} == {("engine_unreachable",)}
