"""Every command of the README runs, in the order of the page, in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from devkit.cases import AGENT, ORDER, ORDERS_SCOPES
from devkit.service import contracts, free_address
from entitlements.token import access_token_claims, from_jwk, mint

ROOT = Path(__file__).resolve().parents[2]
BLOCKS: list[tuple[str, str]] = re.findall(
    r"^```(sh|python)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S
)
# What cannot run inside a test: an installation from the network (`make nightly` makes one), the tests themselves, and
# a container engine (its commands: test_compose.py).
ELSEWHERE = {
    "python3 -m pip install .\nentitlements opa install\n",
    "make demo\nmake test\n",
    "docker compose up\n",
}
SERVE = [text for kind, text in BLOCKS if kind == "sh" and text.rstrip().endswith("entitlements serve --unlocked")]
WALK = [text for kind, text in BLOCKS if kind == "sh" and text not in ELSEWHERE and text not in SERVE]
# The page says what suffices on a machine that does nothing else; here the edit is waited for, at most a minute.
SERVED = """
for _ in $(seq 300); do
    ask t_2 > answer
    grep -q other_tenant answer && break
    sleep 0.2
done
"""


@dataclass
class Walk:
    """The first terminal, where the service runs, and the second one, where the commands are typed."""

    folder: Path
    address: str
    environment: dict[str, str]
    printed: dict[str, str] = field(default_factory=dict)

    def text(self, commands: str) -> str:
        return commands.replace("127.0.0.1:8080", self.address).replace("sleep 2\n", SERVED)

    def decisions(self) -> str:
        return (self.folder / "terminal-1").read_text()


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("readme") / "entitlements"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build")
    shutil.copytree(ROOT, folder, ignore=left_out)
    for name in (".venv", ".tools"):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    address = free_address()
    # The copy's own package is imported, by the interpreter that the README names.
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ENTITLEMENTS_")},
        "ENTITLEMENTS_LISTEN": address,
        "PYTHONPATH": str(folder),
    }
    if "ENTITLEMENTS_OPA_BIN" in os.environ:
        environment["ENTITLEMENTS_OPA_BIN"] = os.environ["ENTITLEMENTS_OPA_BIN"]
    found = Walk(folder, address, environment)
    with (folder / "terminal-1").open("w") as output:
        service = subprocess.Popen(
            ["bash", "-ec", found.text(SERVE[0])],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            wait_until_ready(found, service)
            found.printed = run_walk(found)
            yield found
        finally:
            os.killpg(service.pid, signal.SIGTERM)
            service.wait(20)


def wait_until_ready(walk: Walk, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert service.poll() is None, walk.decisions()
        try:
            if requests.get(f"http://{walk.address}/readyz", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(walk.decisions())


def run_walk(walk: Walk) -> dict[str, str]:
    """What each block printed, by the block's text, all run in one shell."""
    marker = "\x1e"
    script = "".join(f"{walk.text(block)}\nprintf '{marker}'\n" for block in WALK)
    # The second terminal's `serve` must fail because of the contract, not because of the port.
    environment = {**walk.environment, "ENTITLEMENTS_LISTEN": free_address()}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=walk.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return dict(zip(WALK, done.stdout.split(marker), strict=False))


def printed_by(walk: Walk, part: str) -> str:
    (block,) = [block for block in WALK if part in block]
    return walk.printed[block]


def test_every_block_was_run(walk: Walk) -> None:
    assert len(SERVE) == 1
    assert set(walk.printed) == set(WALK)
    assert {text for kind, text in BLOCKS if kind == "sh"} == {*WALK, *SERVE, *ELSEWHERE}


def test_the_walk_shows_an_allow_and_a_deny(walk: Walk) -> None:
    first, second = printed_by(walk, "TOKEN=$(token suspended=false)").strip().splitlines()
    assert '"decision": true' in first
    assert '"decision": false' in second
    assert "tenant_mismatch" in second
    assert '"effect":"allow"' in walk.decisions()


def test_the_edited_rule_is_served(walk: Walk) -> None:
    assert '"reasons": ["other_tenant"]' in printed_by(walk, "other_tenant")


def test_a_token_that_breaks_the_contract_is_shown_violation_by_violation(walk: Walk) -> None:
    printed = printed_by(walk, "token inspect")
    assert '"contract_violated"' in printed
    assert "suspended is not of the declared type" in printed
    assert "exit code 3" in printed


def test_a_changed_contract_does_not_start(walk: Walk) -> None:
    printed = printed_by(walk, "maximum: 9")
    assert "contracts/orders/1.0.0.yaml" in printed
    assert "make it a new version" in printed
    assert "exit code 2" in printed


def test_the_contract_is_shown_linted_and_locked(walk: Walk) -> None:
    printed = printed_by(walk, "contract show orders")
    assert "clearance" in printed
    assert "0 errors" in printed
    assert "https://orders.example.com  orders@" in printed


def test_a_decision_from_the_command_line_names_rule_and_line(walk: Walk) -> None:
    printed = printed_by(walk, "entitlements authorize")
    assert re.search(r"subject_suspended +\(policies/orders/authz/authz.rego:\d+\)", printed)
    assert "exit code 3" in printed


def test_the_story_of_a_contract_is_told_as_the_check_answers_it(walk: Walk) -> None:
    added = printed_by(walk, "tickets@1.0.0 tickets@1.1.0")
    assert "nobody gains access: proved" in added
    removed = printed_by(walk, "tickets@1.1.0 tickets@2.0.0 policies-1 policies-1")
    assert "nobody gains access: refuted" in removed
    assert "contractors_excluded → allowed" in removed
    assert "exit code 3" in removed
    fixed = printed_by(walk, "tickets@1.1.0 tickets@2.0.0 policies-1 policies-2")
    assert "nobody gains access: proved" in fixed
    meant = printed_by(walk, "tickets@2.0.0 tickets@2.1.0")
    assert "nobody gains access: refuted, approved" in meant
    assert meant.rstrip().endswith("passes")


def test_the_python_caller_works(walk: Walk) -> None:
    import json

    (source,) = [text for kind, text in BLOCKS if kind == "python"]
    namespace: dict[str, Any] = {}
    exec(compile(walk.text(source), "README.md", "exec"), namespace)
    allowed = namespace["allowed"]
    assert callable(allowed)
    contract = contracts()["orders"]
    key = from_jwk(json.loads((walk.folder / ".demo" / "signing.jwk").read_text()))

    def token(**changes: object) -> str:
        payload = access_token_claims(
            issuer=contract.profile.issuer,
            audience=contract.profile.audience,
            subject="u_1",
            client_id="web",
            now=time.time(),
            lifetime=300,
            claims={**AGENT, **changes},  # type: ignore[dict-item]
            scopes=ORDERS_SCOPES,
        )
        return mint(key, payload)

    order = {"id": "42", "properties": dict(ORDER)}
    assert allowed(token(), "read", order) is True
    assert allowed(token(suspended=True), "read", order) is False
    assert allowed("no token", "read", order) is False
    assert allowed(token(), "no such action", order) is False
    namespace["pdp"].close()


def test_the_tasks_that_the_readme_names_exist() -> None:
    tasks = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text())) <= tasks


@pytest.mark.parametrize(
    "page",
    [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda path: path.relative_to(ROOT / "docs" if path.parent != ROOT else ROOT).as_posix(),
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
