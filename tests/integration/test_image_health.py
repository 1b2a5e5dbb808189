"""The image's health check asks the port that the service listens on, whichever it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

DOCKERFILE = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text()


class _Health(BaseHTTPRequestHandler):
    """Answers /healthz alone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def check(environment: dict[str, str]) -> int:
    """The exit code of the command that the image runs as its health check."""
    (line,) = re.findall(r"HEALTHCHECK.*?\n +CMD (\[[^\n]*\])$", DOCKERFILE, re.M | re.S)
    command = json.loads(line)
    assert command[0] == "python"
    done = subprocess.run(
        [sys.executable, *command[1:]], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_health_is_asked_on_the_port_of_the_setting(host: str, port: int) -> None:
    assert check({"ENTITLEMENTS_LISTEN": f"{host}:{port}"}) == 0


def test_a_service_that_does_not_listen_is_unhealthy(port: int) -> None:
    assert check({"ENTITLEMENTS_LISTEN": "127.0.0.1:1"}) != 0


def test_without_the_setting_health_is_asked_on_the_default_port() -> None:
    from entitlements.settings import load_settings

    assert f"'ENTITLEMENTS_LISTEN', ':{load_settings({}).port}'" in DOCKERFILE
