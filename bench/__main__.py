"""`make bench`: /authorize beside asking OPA directly with the same input, side by side in one run.

The service with its OPA child, and the OPA that is asked directly, are bound to one processor; the load comes from
another one. Rounds alternate, and the figures are the medians of the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench import cedar, check, proof, steps
from bench.load import Measured, closed_loop, http_request
from bench.questions import ORDER_BODY, opa_body, order_token, orders
from devkit.service import ALGORITHMS, ROOT, Issuer, environment, free_address, new_issuer, running
from entitlements.cli.render import table
from entitlements.engine import OPA_VERSION, Opa, find_opa

_PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
ALLOWED = b'"decision": true'
OPA_ALLOWED = b'"allow":true'
_QUERY = "?strict-builtin-errors=true&provenance=true"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--cold", type=int, default=1500, help="new tokens a round, for each algorithm")
    parser.add_argument("--points", type=int, default=20_000, help="pairs that an enumeration looks at")
    parser.add_argument("--rules", type=int, default=1000, help="rules of the largest policy that is proved")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entitlements-bench-") as name:
        folder = Path(name)
        issuer = new_issuer(folder)
        rows = _rates(issuer, folder, options)
        print(_machine(), "\n")
        head = ["asked", "requests/s", "p50 ms", "p99 ms", "of OPA alone"]
        print(table(head, rows), "\n")
        taken = steps.measure(issuer, folder, os.environ.get("ENTITLEMENTS_OPA_BIN", ""), os.environ["PATH"])
        print(table(["step of one request", "median ms"], [[step, f"{seconds * 1e3:.3f}"] for step, seconds in taken]))
    found = find_opa(
        configured=os.environ.get("ENTITLEMENTS_OPA_BIN", ""), tools=ROOT / ".tools", search_path=os.environ["PATH"]
    )
    _unpinned()
    opa = Opa(found)
    rates, history = check.measure(opa, points=options.points)
    print("\n" + table(["check of a change", "a second", "ratio"], rates))
    print("\n" + table(["step of the sample history", "nobody gains access", "coverage", "seconds"], history))
    sizes, beside = proof.measure(opa, most_rules=options.rules, rounds=options.rounds, points=options.points)
    head = ["rules", "claims", "change", "plan by OPA, ms", "proof, ms", "worst, ms"]
    print("\n" + table(head, sizes))
    print("\n" + table(["whole check", "proof, s", "answer", "enumeration, s", "answer", "ratio"], beside))
    print("\n" + cedar.report(opa, most_rules=options.rules, rounds=options.rounds))
    return 0


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.partition(": ")[2] for line in info.read_text().splitlines() if "model name" in line), cpu)
    return f"{cpu}, {os.cpu_count()} processors, Python {platform.python_version()}, OPA {OPA_VERSION}"


def _rates(issuer: Issuer, folder: Path, options: argparse.Namespace) -> list[list[str]]:
    command = pinned()
    settings = environment(issuer, listen=free_address(), log=str(folder / "decisions.jsonl"))
    settings["ENTITLEMENTS_BUDGET_MS"] = "5000"
    with running(settings, command=command), opa_alone(folder, command) as (opa, opa_token, _):
        service = settings["ENTITLEMENTS_LISTEN"]
        direct = direct_request(opa, opa_token)
        plans: dict[str, Callable[[], tuple[str, Callable[[], bytes | None], bytes]]] = {
            "OPA alone": lambda: (opa, lambda: direct, OPA_ALLOWED)
        }
        for algorithm in ALGORITHMS:
            warm = _asked(order_token(issuer, algorithm), service)
            plans[f"/authorize, cached token, {algorithm}"] = lambda warm=warm: (service, lambda: warm, ALLOWED)
            plans[f"/authorize, new tokens, {algorithm}"] = lambda algorithm=algorithm: (
                service,
                _each_once([_asked(order_token(issuer, algorithm), service) for _ in range(options.cold)]),
                ALLOWED,
            )
        found: dict[str, list[Measured]] = {name: [] for name in plans}
        for number, (name, plan) in itertools.product(range(options.rounds + 1), plans.items()):
            address, requests, wanted = plan()
            measured = closed_loop(
                address, requests, wanted=wanted, connections=options.connections, seconds=options.seconds
            )
            # The first round warms everything up.
            if number:
                found[name].append(measured)
                print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    base = median(one.rate for one in found["OPA alone"])
    return [_row(name, rounds, base) for name, rounds in found.items()]


def direct_request(address: str, token: str) -> bytes:
    """The service's own question, for an OPA that is asked directly."""
    return http_request(f"/v1/data/{orders().decision_path}{_QUERY}", opa_body(), token, address)


def _row(name: str, rounds: list[Measured], base: float) -> list[str]:
    rate = median(one.rate for one in rounds)
    return [
        name,
        f"{rate:.0f}",
        f"{median(one.quantile(0.5) for one in rounds) * 1e3:.2f}",
        f"{median(one.quantile(0.99) for one in rounds) * 1e3:.2f}",
        f"{rate / base:.2f}",
    ]


def _asked(token: str, service: str) -> bytes:
    return http_request("/authorize", ORDER_BODY, token, service)


def _each_once(requests: list[bytes]) -> Callable[[], bytes | None]:
    left = iter(requests)
    return lambda: next(left, None)


def pinned() -> list[str]:
    """The command prefix that gives what is measured a processor of its own, where that can be had."""
    processors = sorted(_PROCESSORS)
    if len(processors) < 2 or shutil.which("taskset") is None:
        print("what is measured and the load share processors: only the ratios mean something", file=sys.stderr)
        return []
    os.sched_setaffinity(0, set(processors[:-1]))
    return ["taskset", "--cpu-list", str(processors[-1])]


def _unpinned() -> None:
    """Give this process all processors again: a check uses what there is."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, _PROCESSORS)


@contextmanager
def opa_alone(folder: Path, command: list[str]) -> Iterator[tuple[str, str, int]]:
    """An OPA with the same release and a lockdown; gives its address, token and process id."""
    address, token = free_address(), secrets.token_urlsafe(32)
    found = find_opa(
        configured=os.environ.get("ENTITLEMENTS_OPA_BIN", ""), tools=ROOT / ".tools", search_path=os.environ["PATH"]
    )
    release = ROOT / "contracts" / "release"
    command = [
        *(*command, str(found), "run", "--server", f"--addr={address}"),
        *("--bundle", str(release / "bundle.tar.gz"), "--bundle", str(release / "lockdown.tar.gz")),
        *("--authentication=token", "--authorization=basic", "--skip-version-check"),
        "--log-level=error",
    ]
    process = subprocess.Popen(command, env={"ENTITLEMENTS_OPA_TOKEN": token}, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        _wait(address)
        yield address, token, process.pid
    finally:
        process.terminate()
        process.wait(10)


def _wait(address: str) -> None:
    import time

    import requests

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if requests.get(f"http://{address}/health?bundles", timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise TimeoutError("OPA did not start")


if __name__ == "__main__":
    sys.exit(main())
