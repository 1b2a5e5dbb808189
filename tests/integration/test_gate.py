"""The gate of a deployment: `serve` refuses what is not as it was locked, or was neither proved nor approved."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from devkit.service import environment, free_address, new_issuer
from entitlements.engine import Opa

ROOT = Path(__file__).resolve().parents[2]
POLICY = "policies/orders/authz/authz.rego"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("contracts", "policies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def settings(folder: Path, opa: Opa, listen: str) -> dict[str, str]:
    found = environment(new_issuer(folder), listen=listen, log=str(folder / "log"))
    return {**found, "PYTHONPATH": str(ROOT), "ENTITLEMENTS_OPA_BIN": str(opa)}


def refusal(folder: Path, opa: Opa, *arguments: str, listen: str = "") -> str:
    """What a start that must fail prints."""
    done = subprocess.run(
        [sys.executable, "-m", "entitlements", "serve", *arguments],
        cwd=folder,
        env=settings(folder, opa, listen or free_address()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "serving on" not in done.stderr
    return done.stderr


@contextmanager
def served(folder: Path, opa: Opa, *arguments: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """What /readyz says of a service that started, and the file of what it printed."""
    listen, printed = free_address(), folder / "printed"
    with printed.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "entitlements", "serve", *arguments],
            cwd=folder,
            env=settings(folder, opa, listen),
            stdout=output,
            stderr=output,
        )
    try:
        yield ready(f"http://{listen}", process, printed), printed
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def ready(address: str, process: subprocess.Popen[bytes], printed: Path) -> dict[str, Any]:
    for _ in range(300):
        assert process.poll() is None, printed.read_text()
        try:
            answer = requests.get(f"{address}/readyz", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
            continue
        found: dict[str, Any] = answer.json()
        if found["ready"]:
            return found
        time.sleep(0.1)
    raise AssertionError(printed.read_text())


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_policies_that_were_edited_since_the_lock_are_refused(folder: Path, opa: Opa) -> None:
    edit(folder / POLICY, "default allow := false", "default allow := true")
    printed = refusal(folder, opa)
    assert "the policies in `policies` are not the locked ones, run `entitlements contract lock`" in printed
    assert "contracts.lock" in printed


def test_a_document_beside_the_policies_is_locked_with_them(folder: Path, opa: Opa) -> None:
    file = folder / "policies/orders/authz/data.json"
    file.write_text(file.read_text() + "\n")
    assert "the policies in `policies` are not the locked ones" in refusal(folder, opa)


@pytest.mark.parametrize("answer", ["refuted", "unknown"])
def test_an_answer_that_nobody_approved_is_refused(answer: str, folder: Path, opa: Opa) -> None:
    edit(folder / "contracts/contracts.lock", "check: first_version", f"check: {answer}")
    assert f"the check answered `{answer}` and it was not approved" in refusal(folder, opa)


def test_an_approval_that_only_the_lock_claims_is_refused(folder: Path, opa: Opa) -> None:
    edit(folder / "contracts/contracts.lock", "check: first_version", "check: refuted")
    edit(folder / "contracts/contracts.lock", "approved: false", "approved: true")
    assert "there is no record of the check that the lock claims" in refusal(folder, opa)


def test_an_answer_that_no_check_gives_is_no_lock(folder: Path, opa: Opa) -> None:
    edit(folder / "contracts/contracts.lock", "check: first_version", "check: fine")
    assert "contracts.lock" in refusal(folder, opa)


def test_unlocked_is_told_at_the_start_and_in_readyz(folder: Path, opa: Opa) -> None:
    (folder / POLICY).write_text((folder / POLICY).read_text() + "\n# edited\n")
    with served(folder, opa, "--unlocked") as (found, printed):
        assert found["parts"]["contracts"]["unlocked"] is True
        assert "UNLOCKED: policies are served that were neither proved nor approved" in printed.read_text()


def test_unlocked_is_no_way_to_serve_a_contract_that_was_changed(folder: Path, opa: Opa) -> None:
    edit(folder / "contracts/orders/1.0.0.yaml", "maximum: 5", "maximum: 9")
    assert "the published version was changed" in refusal(folder, opa, "--unlocked")


def test_unlocked_is_for_loopback_only(folder: Path, opa: Opa) -> None:
    assert "loopback" in refusal(folder, opa, "--unlocked", listen="0.0.0.0:18181")


def test_a_policy_folder_that_cannot_be_read_is_named_and_takes_no_answer_away(folder: Path, opa: Opa) -> None:
    with served(folder, opa) as (found, printed):
        address = printed.read_text().split("serving on ")[1].split()[0]
        os.mkfifo(folder / "policies/orders/authz/x.rego")
        answer = eventually(address, lambda parts: "problem" in parts["contracts"])
        assert "policies/orders/authz/x.rego: is a FIFO" in answer["parts"]["contracts"]["problem"]
        assert answer["parts"]["engine"]["revision"] == found["parts"]["engine"]["revision"]
        assert answer["parts"]["engine"]["ready"]


def eventually(address: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What /readyz says once its parts are as wanted."""
    for _ in range(300):
        answer: dict[str, Any] = requests.get(f"{address}/readyz", timeout=5).json()
        if holds(answer["parts"]):
            return answer
        time.sleep(0.1)
    raise AssertionError(answer)
