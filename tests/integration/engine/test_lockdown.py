"""An OPA server with the lockdown: its API gives decisions to the holder of the token, and nothing else to anyone."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from devkit.service import free_address
from entitlements.deployment.lockdown import bundle_of
from entitlements.engine import Opa, OpaElsewhere
from entitlements.engine.private_folder import private_base, private_folder
from tests.child_opa import bundle, wait_until

TOKEN = "t" * 16
SECONDS = 20.0


@pytest.fixture(scope="module")
def address(opa: Opa, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("release")
    (folder / "bundle.tar.gz").write_bytes(bundle("input.subject", "r1"))
    (folder / "lockdown.tar.gz").write_bytes(bundle_of(["shop/authz/decision"]))
    address = free_address()
    command = [str(opa), "run", "--server", "--addr", address, "--log-level", "error"]
    for name in ("bundle.tar.gz", "lockdown.tar.gz"):
        command += ["--bundle", str(folder / name)]
    process = subprocess.Popen(
        [*command, "--authentication=token", "--authorization=basic", "--skip-version-check"],
        env={"ENTITLEMENTS_OPA_TOKEN": TOKEN},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + SECONDS
        while call(address, "GET", "/health", with_token=False) != 200:
            assert time.monotonic() < deadline, "OPA does not start"
            time.sleep(0.02)
        yield address
    finally:
        process.kill()
        process.wait()


def call(address: str, method: str, path: str, *, with_token: bool) -> int:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {TOKEN}"} if with_token else {})
    data = None if method == "GET" and path == "/health" else b'{"input": {}}'
    request = urllib.request.Request(f"http://{address}{path}", data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.parametrize("with_token", [False, True])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/policies/evil"),
        ("GET", "/v1/policies"),
        ("DELETE", "/v1/policies/x"),
        ("PUT", "/v1/data/shop"),
        ("PATCH", "/v1/data"),
        ("GET", "/v1/data"),
        ("POST", "/v1/data"),
        ("POST", "/v1/data/system/authz"),
        ("POST", "/v1/data/shop"),
        ("POST", "/v0/data/shop/authz/decision"),
        ("POST", "/v1/query"),
        ("POST", "/v1/compile"),
        ("GET", "/v1/config"),
        ("POST", "/"),
        ("POST", "/v1/data/shop/authz"),
        ("POST", "/v1/data/shop/authz/decision/x"),
        ("POST", "/v1/data/shop/authz/decision?explain=full"),
        ("POST", "/v1/data/shop/authz/decision?metrics&instrument"),
        ("GET", "/v1/data/shop/authz/decision"),
        ("POST", "/v1/batch/data/shop/authz/decision"),
        ("GET", "/v1/data/system/decision_paths"),
        ("PUT", "/v1/data/system/decision_paths"),
        ("GET", "/v1/status"),
        ("GET", "/debug/pprof/"),
        ("GET", "/health/live"),
        ("POST", "/metrics"),
    ],
)
def test_the_api_gives_decisions_and_nothing_else(address: str, method: str, path: str, with_token: bool) -> None:
    assert call(address, method, path, with_token=with_token) in (401, 403)


@pytest.mark.parametrize("path", ["/v1/data/shop/authz/decision", "/v1/data/system/decision_paths"])
def test_the_holder_of_the_token_is_answered_and_nobody_else(address: str, path: str) -> None:
    assert call(address, "POST", path, with_token=True) == 200
    assert call(address, "POST", path, with_token=False) in (401, 403)


def test_a_server_that_is_locked_down_is_healthy_and_plain_http_is_named(address: str) -> None:
    """R12."""
    engine = OpaElsewhere(f"http://{address}", token=TOKEN, probe="shop/authz/decision", plain_http=True)
    health = engine.health()
    engine.close()
    assert (health.ready, health.problem) == (True, "")
    assert health.detail["plain_http"] == f"http://{address}"


@pytest.mark.parametrize(("folder_mode", "trusted"), [(0o700, True), (0o777, False), (0o1777, False)])
def test_a_server_that_is_open_is_told_and_one_in_a_folder_of_others_is_not_asked(
    opa: Opa, folder_mode: int, trusted: bool
) -> None:
    place = private_folder(private_base())
    (place / "bundle.tar.gz").write_bytes(bundle("true", "r1"))
    place.chmod(folder_mode)
    command = [str(opa), "run", "--server", "--addr", f"unix://{place}/opa.sock", "--bundle", f"{place}/bundle.tar.gz"]
    process = subprocess.Popen([*command, "--skip-version-check"], env={}, stderr=subprocess.DEVNULL)
    engine = OpaElsewhere(f"unix://{place}/opa.sock", token=None, probe="shop/authz/decision")
    try:
        wanted = "is not locked down: anyone" if trusted else "can be written to by others"
        wait_until(lambda: wanted in engine.health().problem)
        assert engine.health().ready is trusted
    finally:
        engine.close()
        process.kill()
        process.wait()
        shutil.rmtree(place)
