"""A real OPA loads its bundle from the service, which hands out two releases and nothing else."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from devkit.service import free_address
from entitlements.engine import Opa
from entitlements.release import read_release

if TYPE_CHECKING:
    from tests.conftest import RunningService, StartService

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "bundles-only-0123456789"
BUNDLE = (ROOT / "contracts/release/bundle.tar.gz").read_bytes()
DIGEST = read_release(BUNDLE).revision.removeprefix("sha256:")


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def running(start_service: StartService, token_file: Path) -> RunningService:
    return start_service({"ENTITLEMENTS_BUNDLES_TOKEN_FILE": str(token_file)})


def get(running: RunningService, path: str, **headers: str) -> requests.Response:
    host, port = running.address
    return requests.get(f"http://{host}:{port}{path}", headers=headers, timeout=10)


def test_the_locked_release_is_had_by_its_digest(running: RunningService) -> None:
    found = get(running, f"/bundles/{DIGEST}", Authorization=f"Bearer {TOKEN}")
    assert (found.status_code, found.content == BUNDLE, found.headers["ETag"]) == (200, True, f'"{DIGEST}"')
    again = get(running, f"/bundles/{DIGEST}", **{"Authorization": f"Bearer {TOKEN}", "If-None-Match": f'"{DIGEST}"'})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["0" * 64, DIGEST.upper(), f"sha256:{DIGEST}", DIGEST[:-1], "bundle.tar.gz", "..", "", f"{DIGEST}/x"]
)
def test_nothing_else_is_had(running: RunningService, name: str) -> None:
    assert get(running, f"/bundles/{name}", Authorization=f"Bearer {TOKEN}").status_code == 404


@pytest.mark.parametrize("shown", ["", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ", TOKEN], ids=range(5))
def test_without_the_token_nothing_is_told(running: RunningService, shown: str) -> None:
    for name in (DIGEST, "0" * 64):
        refused = get(running, f"/bundles/{name}", **({"Authorization": shown} if shown else {}))
        assert (refused.status_code, refused.content) == (401, b"")


def test_without_a_token_there_is_no_such_address(service: RunningService) -> None:
    for shown in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer "}):
        assert get(service, f"/bundles/{DIGEST}", **shown).status_code == 404


@pytest.fixture
def loading_opa(running: RunningService, opa: Opa, token_file: Path, tmp_path: Path) -> Iterator[str]:
    host, port = running.address
    credentials = {"bearer": {"token_path": str(token_file)}}
    configuration = {
        "services": {"pdp": {"url": f"http://{host}:{port}", "credentials": credentials}},
        "bundles": {"release": {"service": "pdp", "resource": f"bundles/{DIGEST}"}},
    }
    (tmp_path / "opa.json").write_text(json.dumps(configuration))
    address = free_address()
    arguments = ["run", "--server", f"--addr={address}", "--skip-version-check", "--config-file", "opa.json"]
    process = subprocess.Popen(
        [str(opa), *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(20)


def test_a_real_opa_loads_it_and_names_its_revision(loading_opa: str) -> None:
    deadline = time.monotonic() + 60
    answer: dict[str, object] = {}
    while time.monotonic() < deadline and not answer.get("provenance"):
        try:
            found = requests.post(
                f"http://{loading_opa}/v1/data/orders/authz/decision?provenance", json={"input": {}}, timeout=5
            ).json()
        except requests.ConnectionError:
            found = {}
        answer = found if "bundles" in found.get("provenance", {}) else {}
        time.sleep(0.1)
    assert answer["provenance"]["bundles"]["release"]["revision"] == f"sha256:{DIGEST}"  # type: ignore[index]
