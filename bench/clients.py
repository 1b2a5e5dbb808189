"""`python -m bench.clients`: what one decision costs the API that asks, by each client, in turns and in one run.

Told is the processor's time of the API's own process for one decision and the median time until it was there, each the
least of the rounds. All ask one service with a real OPA, over loopback; before anything is measured each has to be
told an allow, a denial and a refusal.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import requests

from bench.__main__ import pinned
from bench.questions import order_token
from devkit.cases import ORDER
from devkit.service import environment, free_address, new_issuer, running
from entitlements.cli.render import table
from entitlements.client import Allow, Batch, Client, Deny, Question, Refused
from entitlements.client.aio import AsyncClient

AUDIENCE = "https://orders.example.com"
_IN_BATCH = 50
_AT_ONCE = 16
_TIMEOUT = 10.0
_SEEN = {Allow: "allow", Deny: "deny", Refused: "refused"}


@dataclass(frozen=True)
class Asker:
    """One way to ask. ask: a token and a tenant, by what it was answered; decisions: how many are in one call."""

    name: str
    ask: Callable[[str, str], str]
    decisions: int = 1


@dataclass(frozen=True)
class Taken:
    """One round, of one decision: microseconds of processor in this process, and until it was there."""

    cpu: float
    latency: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.clients", description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="of each client in one round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entitlements-bench-") as name:
        folder = Path(name)
        issuer = new_issuer(folder)
        settings = environment(issuer, listen=free_address(), log=str(folder / "decisions.jsonl"))
        settings["ENTITLEMENTS_BUDGET_MS"] = "5000"
        with running(settings, command=pinned()) as (url, _):
            found = _measured(url, order_token(issuer, "RS256"), options.calls, options.rounds)
    base = found[0][1].cpu
    rows = [[name, f"{taken.cpu:.0f}", f"{taken.latency:.0f}", f"{taken.cpu / base:.2f}"] for name, taken in found]
    print(table(["asked by", "CPU us a decision", "p50 us a decision", "CPU of the first"], rows))
    return 0


def _measured(url: str, token: str, calls: int, rounds: int) -> list[tuple[str, Taken]]:
    with (
        requests.Session() as session,
        Client(url, audience=AUDIENCE, timeout=_TIMEOUT) as client,
        asyncio.Runner() as loop,
    ):
        loop_client = AsyncClient(url, audience=AUDIENCE, timeout=_TIMEOUT)
        askers = [*_by_hand(url, session), *_by_client(client), *_by_loop(loop_client, loop)]
        _check_alike(askers, token)
        taken: dict[str, list[Taken]] = {asker.name: [] for asker in askers}
        for number in range(rounds + 1):
            for asker in askers:
                one = _round(asker, token, calls)
                # The first round warms everything up.
                if number:
                    taken[asker.name].append(one)
        loop.run(loop_client.close())
    return [
        (name, Taken(min(one.cpu for one in found), min(one.latency for one in found))) for name, found in taken.items()
    ]


def _round(asker: Asker, token: str, calls: int) -> Taken:
    times = []
    number = max(1, calls // asker.decisions)
    before = time.process_time()
    for _ in range(number):
        started = time.perf_counter()
        assert asker.ask(token, ORDER["tenant"]) == "allow"
        times.append(time.perf_counter() - started)
    cpu = time.process_time() - before
    return Taken(cpu / number / asker.decisions * 1e6, median(times) / asker.decisions * 1e6)


def _check_alike(askers: list[Asker], token: str) -> None:
    for asker in askers:
        told = [asker.ask(*asked) for asked in ((token, "t_1"), (token, "t_2"), (token[:-4] + "AAAA", "t_1"))]
        if told != ["allow", "deny", "refused"]:
            sys.exit(f"{asker.name} was told {told}")


def _resource(tenant: str) -> dict[str, object]:
    return {"type": "order", "id": "42", "properties": {**ORDER, "tenant": tenant}}


def _by_hand(url: str, session: requests.Session) -> list[Asker]:
    """As APIs write it: status, a literal `true`, and a refusal; the timeout begins anew with each byte."""

    def ask(post: Callable[..., requests.Response], token: str, tenant: str) -> str:
        answer = post(
            f"{url}/authorize",
            headers={"Authorization": f"Bearer {token}"},
            json={"audience": AUDIENCE, "action": "read", "resource": _resource(tenant)},
            timeout=_TIMEOUT,
        )
        if answer.status_code == 401:
            return "refused"
        return "allow" if answer.status_code == 200 and answer.json()["decision"] is True else "deny"

    return [
        Asker("requests by hand, a Session", lambda token, tenant: ask(session.post, token, tenant)),
        Asker("requests by hand, requests.post", lambda token, tenant: ask(requests.post, token, tenant)),
    ]


def _by_client(client: Client) -> list[Asker]:
    def one(token: str, tenant: str) -> str:
        return _SEEN[type(client.authorize(token, "read", _resource(tenant)))]  # type: ignore[index]

    def batch(token: str, tenant: str) -> str:
        return _seen(client.authorize_batch(token, [Question("read", _resource(tenant))] * _IN_BATCH))

    return [Asker("Client", one), Asker(f"Client, batches of {_IN_BATCH}", batch, _IN_BATCH)]


def _seen(answer: object) -> str:
    answers = answer.answers if isinstance(answer, Batch) else [answer]
    (seen,) = {_SEEN[type(one)] for one in answers}  # type: ignore[index]
    return seen


def _by_loop(client: AsyncClient, runner: asyncio.Runner) -> list[Asker]:
    def one(token: str, tenant: str) -> str:
        return _seen(runner.run(client.authorize(token, "read", _resource(tenant))))

    async def many(token: str, tenant: str) -> str:
        asked = [client.authorize(token, "read", _resource(tenant)) for _ in range(_AT_ONCE)]
        (seen,) = {_seen(answer) for answer in await asyncio.gather(*asked)}
        return seen

    return [
        Asker("AsyncClient", one),
        Asker(f"AsyncClient, {_AT_ONCE} at once", lambda token, tenant: runner.run(many(token, tenant)), _AT_ONCE),
    ]


if __name__ == "__main__":
    sys.exit(main())
