"""`python -m bench.routes`: the lean route of /authorize beside the ordinary one and OPA asked directly, in turns.

Requests a second mean little on a machine that others use; told is the processor's time a decision of all processes
that answer (service and its OPA), the least of the rounds. Every answer is checked to be an allow, and before anything
is measured both routes have to answer alike.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.__main__ import ALLOWED, OPA_ALLOWED, direct_request, opa_alone, pinned
from bench.cpu import seconds_of
from bench.load import closed_loop, http_request
from bench.questions import ORDER_BODY, order_token
from devkit.service import Issuer, environment, free_address, new_issuer, running
from entitlements.cli.render import table

LEAN, ORDINARY, OPA = "/authorize, lean route", "/authorize, ordinary route", "OPA asked directly, with authorization"
BATCH = "/authorize/batch, a decision of 50"
_IN_BATCH = 50
# More of them at once would wait for a thread for longer than the service lets anybody wait.
_MOST_BATCHES = 4


@dataclass(frozen=True)
class Subject:
    """What is measured: where it listens, the process whose time counts, what it is asked and has to say.

    decisions: how many are in one answer.
    """

    address: str
    pid: int
    request: bytes
    wanted: bytes
    decisions: int = 1


@dataclass(frozen=True)
class Taken:
    """One round: microseconds of processor a decision, and the median latency in microseconds."""

    cpu: float
    latency: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.routes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entitlements-bench-") as name, _subjects(Path(name)) as subjects:
        _check_alike(subjects)
        found = _measured(subjects, options.connections, options.rounds, options.seconds)
    head = ["asked", "connections", "CPU us a decision", "p50 us", "CPU of the ordinary route's"]
    print(table(head, [*_rows(found)]))
    return 0


@contextmanager
def _subjects(folder: Path) -> Iterator[Mapping[str, Subject]]:
    command, issuer = pinned(), new_issuer(folder)
    token = order_token(issuer, "RS256")
    with contextlib.ExitStack() as started:
        found = {
            name: started.enter_context(_service(issuer, folder, command, token, lean))
            for name, lean in ((LEAN, "1"), (ORDINARY, "0"))
        }
        found[BATCH] = _batch(found[LEAN], token)
        address, opa_token, pid = started.enter_context(opa_alone(folder, command))
        yield {**found, OPA: Subject(address, pid, direct_request(address, opa_token), OPA_ALLOWED)}


@contextmanager
def _service(issuer: Issuer, folder: Path, command: list[str], token: str, lean: str) -> Iterator[Subject]:
    settings = environment(issuer, listen=free_address(), log=str(folder / f"decisions-{lean}.jsonl"))
    settings |= {"ENTITLEMENTS_BUDGET_MS": "5000", "ENTITLEMENTS_LEAN": lean}
    with running(settings, command=command) as (_, process):
        address = settings["ENTITLEMENTS_LISTEN"]
        yield Subject(address, process.pid, http_request("/authorize", ORDER_BODY, token, address), ALLOWED)


def _batch(service: Subject, token: str) -> Subject:
    single = json.loads(ORDER_BODY)
    one = {name: single[name] for name in ("action", "resource")}
    body = json.dumps({"audience": single["audience"], "requests": [one] * _IN_BATCH}).encode()
    request = http_request("/authorize/batch", body, token, service.address)
    return Subject(service.address, service.pid, request, ALLOWED, _IN_BATCH)


def _check_alike(subjects: Mapping[str, Subject]) -> None:
    """Raises AssertionError where the routes differ in more than the decision's id."""
    said = []
    for name in (LEAN, ORDINARY):
        one = subjects[name]
        token = one.request.partition(b"Authorization: ")[2].partition(b"\r\n")[0].decode()
        headers = {"Authorization": token, "Content-Type": "application/json"}
        for _ in range(3):
            answer = requests.post(f"http://{one.address}/authorize", ORDER_BODY, headers=headers, timeout=10)
        said.append({**json.loads(answer.content), "decision_id": ""})
    assert said[0] == said[1], said


def _measured(
    subjects: Mapping[str, Subject], connections: list[int], rounds: int, seconds: float
) -> dict[tuple[int, str], list[Taken]]:
    found: dict[tuple[int, str], list[Taken]] = {}
    for number, many, (name, one) in itertools.product(range(rounds + 1), connections, subjects.items()):
        if one.decisions > 1 and many > _MOST_BATCHES:
            continue
        before = seconds_of(one.pid)
        measured = closed_loop(
            one.address, lambda one=one: one.request, wanted=one.wanted, connections=many, seconds=seconds
        )
        cpu = (seconds_of(one.pid) - before) / (len(measured.times) * one.decisions)
        # The first round warms everything up.
        if number:
            found.setdefault((many, name), []).append(Taken(cpu * 1e6, measured.quantile(0.5) * 1e6))
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def _rows(found: Mapping[tuple[int, str], list[Taken]]) -> Iterator[list[str]]:
    least = {key: min(one.cpu for one in taken) for key, taken in found.items()}
    for (many, name), taken in sorted(found.items(), key=lambda item: item[0][0]):
        ratio = least[many, name] / least[many, ORDINARY]
        latency = min(one.latency for one in taken)
        yield [name, str(many), f"{least[many, name]:.0f}", f"{latency:.0f}", f"{ratio:.2f}"]


if __name__ == "__main__":
    sys.exit(main())
