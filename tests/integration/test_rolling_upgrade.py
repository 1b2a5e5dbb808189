"""A rolling upgrade as real processes: services with the old and the new lock before one OPA that swaps its bundle.

Every answer under load is a decision by one whole pair: the contract and the policies of one release.
"""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from devkit.service import Issuer, free_address
from entitlements.contract import load_catalog, read_lock
from entitlements.engine import Opa
from tests.child_opa import wait_until
from tests.conftest import RunningService, StartService
from tests.locked_project import AUDIENCE, POLICY, LockedProject

TOKEN = "a-token-of-the-test"
BODY = {"audience": AUDIENCE, "action": "read", "resource": {"type": "item", "id": "1", "properties": {}}}
ANSWERS = 40
RELEASES = ("bundle.tar.gz", "lockdown.tar.gz")


@pytest.fixture
def project(tmp_path: Path, opa: Opa, monkeypatch: pytest.MonkeyPatch) -> LockedProject:
    """A first lock, of version 1.0.0."""
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    project = LockedProject(tmp_path / "project").start()
    project.lock()
    return project


def relock(project: LockedProject) -> str:
    """Lock version 1.1.0 with policies of its own, and name the release."""
    project.contract("1.1.0", "user, clerk, auditor")
    project.rego.write_text(POLICY + "\n# the next ones\n")
    project.lock()
    return read_lock(project.contracts).release


@contextmanager
def opa_server(opa: Opa, release: Path) -> Iterator[str]:
    """An OPA that watches the folder of a release, locked down; gives its address."""
    address = free_address()
    bundles = [part for name in RELEASES for part in ("--bundle", str(release / name))]
    process = subprocess.Popen(
        [
            *(str(opa), "run", "--server", f"--addr={address}", *bundles, "--watch", "--skip-version-check"),
            *("--authentication=token", "--authorization=basic", "--log-level=error"),
        ],
        env={"ENTITLEMENTS_OPA_TOKEN": TOKEN},
    )
    try:
        wait_until(lambda: listens(address))
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def settings(project: LockedProject, address: str) -> dict[str, str]:
    """A service on a project. Its budget is what the machine may need, as no test is about how fast it is."""
    return {
        "ENTITLEMENTS_CONTRACTS": str(project.contracts),
        "ENTITLEMENTS_POLICIES": str(project.policies),
        "ENTITLEMENTS_OPA_URL": address,
        "ENTITLEMENTS_OPA_TOKEN": TOKEN,
        "ENTITLEMENTS_BUDGET_MS": "10000",
    }


Answer = tuple[int, str, str]


class Load:
    """Threads that ask every service without a pause; what each of them answered, in its order."""

    def __init__(self, services: list[RunningService], bearer: str) -> None:
        self.answers: list[list[Answer]] = [[] for _ in services]
        self._over = threading.Event()
        self._bearer = bearer
        self._threads = [
            threading.Thread(target=self._ask, args=(service, answers))
            for service, answers in zip(services, self.answers, strict=True)
            for _ in range(2)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, service: RunningService, answers: list[Answer]) -> None:
        address = "http://{}:{}/authorize".format(*service.address)
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self._bearer}"
            while not self._over.is_set():
                reply = session.post(address, json=BODY, timeout=60)
                answers.append(answer_of(reply.status_code, reply.json()))

    def go_on(self) -> None:
        """Until each service answered some more."""
        counts = [len(answers) + ANSWERS for answers in self.answers]
        wait_until(lambda: all(len(found) >= count for found, count in zip(self.answers, counts, strict=True)))

    @property
    def seen(self) -> set[Answer]:
        return set(itertools.chain(*self.answers))

    def last(self) -> set[Answer]:
        """The latest answer of each service."""
        return {answers[-1] for answers in self.answers}


def answer_of(status: int, body: dict[str, Any]) -> Answer:
    """The status, and which contract and policies decided: an allow, or the code of what went wrong."""
    if status != 200:
        return status, str(body.get("code")), ""
    assert body["decision"] is True
    return status, body["contract"]["version"], body["policy"]["revision"]


def released(service: RunningService) -> str:
    reply = service.one(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return str(reply.json()["parts"]["contracts"].get("release"))


def token(project: LockedProject, issuer: Issuer) -> str:
    contract = load_catalog(project.contracts).candidates(AUDIENCE)[0]
    return issuer.token(contract, claims={"role": "clerk"}, scopes=[])


def copied(project: LockedProject, name: str) -> LockedProject:
    shutil.copytree(project.folder, project.folder.parent / name)
    return LockedProject(project.folder.parent / name)


def swap(source: Path, target: Path) -> None:
    """Put files in the place of others, each in one step, as a deployment does."""
    for path in sorted(one for one in source.rglob("*") if one.is_file()):
        place = target / path.relative_to(source)
        place.parent.mkdir(exist_ok=True)
        copy = place.with_name(f".{place.name}.new")
        shutil.copyfile(path, copy)
        copy.replace(place)


def deploy(source: LockedProject, target: LockedProject) -> None:
    """Everything that a lock names, and the lock last."""
    swap(source.policies, target.policies)
    lock = source.lock_file.read_bytes()
    source.lock_file.unlink()
    swap(source.contracts, target.contracts)
    for project in (source, target):
        project.lock_file.with_name("new").write_bytes(lock)
        project.lock_file.with_name("new").replace(project.lock_file)


def test_old_and_new_services_before_an_opa_that_changes_over(
    project: LockedProject, issuer: Issuer, opa: Opa, tmp_path: Path, start_service: StartService
) -> None:
    bearer = token(project, issuer)
    before = read_lock(project.contracts).release
    behind, served = copied(project, "behind"), tmp_path / "served"
    shutil.copytree(project.contracts / "release", served)
    with opa_server(opa, served) as address:
        old = start_service(settings(behind, address))
        after = relock(project)
        new = start_service(settings(project, address))
        first, second = (200, "1.0.0", before), (200, "1.1.0", after)
        with Load([old, new], bearer) as load:
            load.go_on()
            assert load.seen == {first}, "the OPA decides which pair, not the lock of the service"
            deploy(project, behind)
            wait_until(lambda: released(old) == after)
            load.go_on()
            assert load.seen == {first}
            swap(project.contracts / "release", served)
            wait_until(lambda: load.last() == {second})
            load.go_on()
        assert load.seen == {first, second}
        assert load.last() == {second}


def test_a_lock_under_load_where_opa_and_services_read_one_folder(
    project: LockedProject, issuer: Issuer, opa: Opa, start_service: StartService
) -> None:
    """As docker compose does: the OPA may serve the release before a service has read the lock that names it."""
    bearer = token(project, issuer)
    before = read_lock(project.contracts).release
    with opa_server(opa, project.contracts / "release") as address:
        services = [start_service(settings(project, address)) for _ in range(2)]
        with Load(services, bearer) as load:
            load.go_on()
            after = relock(project)
            wait_until(lambda: load.last() == {(200, "1.1.0", after)})
            load.go_on()
    assert load.seen == {(200, "1.0.0", before), (200, "1.1.0", after)}


def test_a_third_release_is_503_until_a_known_one_is_served(
    project: LockedProject, issuer: Issuer, opa: Opa, tmp_path: Path, start_service: StartService
) -> None:
    bearer = token(project, issuer)
    foreign, served = copied(project, "foreign"), tmp_path / "served"
    shutil.copytree(project.contracts / "release", served)
    with opa_server(opa, served) as address:
        service = start_service({**settings(project, address), "ENTITLEMENTS_BUDGET_MS": "200"})
        relock(foreign)
        with Load([service], bearer) as load:
            load.go_on()
            swap(foreign.contracts / "release", served)
            wait_until(lambda: load.last() == {(503, "policy_not_locked", "")})
            swap(project.contracts / "release", served)
            wait_until(lambda: {answer[0] for answer in load.last()} == {200})
        # A busy machine may be slower than the budget: that is 503 too, with another code.
        assert {version for status, version, _ in load.seen if status == 200} == {"1.0.0"}
