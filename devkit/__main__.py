"""`make demo`: real requests to a real service, as a table. `make serve`: the same service, kept running."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from devkit.cases import AGENT, ORDER, ORDERS_SCOPES, Case, cases
from devkit.service import Issuer, StartFailed, contracts, environment, free_address, new_issuer, running
from entitlements.cli.render import table
from entitlements.contract import Contract
from entitlements.terminal import paint

_SERVE_ADDRESS = "127.0.0.1:8080"


def main() -> int:
    """Run what was asked for; the exit status is 1 where an answer is not the expected one."""
    # Whoever started this may have had SIGINT ignored (nohup, a job in the background), which is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # SIGTERM would end this process alone and leave the service.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return serve() if sys.argv[1:] == ["--serve"] else demonstrate()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except StartFailed as failure:
        print(failure, file=sys.stderr)
        return 1


def demonstrate() -> int:
    """Ask every case and print what was answered beside what was expected."""
    with tempfile.TemporaryDirectory(prefix="entitlements-demo-") as folder:
        issuer = new_issuer(Path(folder))
        log = Path(folder) / "decisions.jsonl"
        print("Starting the service and its OPA ...", flush=True)
        with running(environment(issuer, listen=free_address(), log=str(log))) as (address, _):
            asked = [(case, *ask(address, issuer, case, contracts())) for case in cases(int(time.time()))]
        logged = len(log.read_text(encoding="utf-8").splitlines())
    rows, failed = [], 0
    for case, status, body in asked:
        answer, said = summary(status, body)
        right = said == case.expect
        failed += not right
        note = paint("ok", "green") if right else paint(f"expected {case.expect}", "red")
        rows.append([case.title, f"{case.contract} {case.action}", answer, note])
    print(f"\n{table(['request', 'asked for', 'answer', ''], rows)}\n")
    answered = sum(status in (200, 401) for _, status, _ in asked)
    print(f"{len(asked)} requests, {len(asked) - failed} answered as expected; {logged} lines in the decision log")
    if logged != answered:
        print(f"the decision log should have {answered} lines", file=sys.stderr)
    return 0 if not failed and logged == answered else 1


def ask(address: str, issuer: Issuer, case: Case, known: Mapping[str, Contract]) -> tuple[int, dict[str, object]]:
    """Send one case over HTTP."""
    token = case.token
    if token is None:
        token = issuer.token(
            known[case.contract], claims=case.claims, scopes=case.scopes, changes=case.changes, typ=case.typ
        )
    kind = "order" if case.contract == "orders" else "payment"
    answer = requests.post(
        f"{address}/authorize",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        json={
            "audience": known[case.contract].profile.audience,
            "action": case.action,
            "resource": {"type": kind, "id": "42", "properties": dict(case.properties)},
        },
        timeout=10,
    )
    return answer.status_code, answer.json()


def summary(status: int, body: Mapping[str, object]) -> tuple[str, str]:
    """An answer in words, and the part of it that is held against the expectation."""
    if status != 200:
        fields = body.get("details")
        why = ", ".join(fields) if isinstance(fields, dict) else str(body.get("error_description"))
        return f"{status} {body.get('error')}: {why}", str(status)
    if body.get("decision") is True:
        return "allow", "allow"
    reasons = body.get("reasons")
    said = ", ".join(map(str, reasons)) if isinstance(reasons, list) else "?"
    violations = body.get("violations")
    where = ", ".join(f"{v['claim']} {v['message']}" for v in violations) if isinstance(violations, list) else ""
    obligations = body.get("obligations")
    required = ", ".join(str(one["id"]) for one in obligations) if isinstance(obligations, list) else ""
    extra = f" ({where})" if where else f" (obligation: {required})" if required else ""
    return f"deny: {said}{extra}", said


def serve() -> int:
    """Keep the service running; print a line to paste. Decisions are printed as they are made."""
    with tempfile.TemporaryDirectory(prefix="entitlements-demo-") as folder:
        issuer = new_issuer(Path(folder))
        contract = contracts()["orders"]
        with running(
            environment(issuer, listen=os.environ.get("ENTITLEMENTS_LISTEN") or _SERVE_ADDRESS, log="stdout")
        ) as (address, process):
            try:
                token = issuer.token(
                    contract, claims=AGENT, scopes=ORDERS_SCOPES, lifetime=contract.profile.max_lifetime
                )
                resource = {"type": "order", "id": "42", "properties": dict(ORDER)}
                body = json.dumps({"audience": contract.profile.audience, "action": "read", "resource": resource})
                print(f"Serving on {address}; each decision is printed here. Stop with Ctrl-C.")
                print("Paste in another terminal:\n")
                print(
                    f"curl -s {address}/authorize -H 'Authorization: Bearer {token}' "
                    f"-H 'Content-Type: application/json' -d {shlex.quote(body)}\n",
                    flush=True,
                )
                return process.wait()
            except KeyboardInterrupt:
                return 0


if __name__ == "__main__":
    sys.exit(main())
