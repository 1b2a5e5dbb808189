"""One request taken apart: how long each step takes, in one thread, with nothing else under way."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.questions import ORDER_BODY, order_token, orders
from devkit.service import ALGORITHMS, ROOT, Issuer
from devkit.watched_opa import watched_opa
from entitlements import strict_json
from entitlements.contract import Admitted, admit, load_catalog, policy_input, request_faults
from entitlements.decision_log import DecisionRecord, open_log
from entitlements.engine import Opa, find_opa
from entitlements.model import AccessRequest
from entitlements.pair import Pair, Pairs
from entitlements.pdp import PolicyDecisionPoint
from entitlements.token import FileKeys, TokenVerifier
from entitlements.web.schemas import AUTHORIZE

_TIMES = 500


def measure(issuer: Issuer, folder: Path, executable: str, search_path: str) -> list[tuple[str, float]]:
    """Name and median time in seconds of each step; the whole of `decide`, with a warm token, last."""
    catalog = load_catalog(ROOT / "contracts")
    keys = {profile.issuer: FileKeys(issuer.jwks) for profile in catalog.profiles}
    verifier = TokenVerifier(catalog.profiles, keys, leeway=10, cache_entries=4096)
    log = open_log(str(folder / "steps.jsonl"))
    paths = tuple(sorted({contract.decision_path for contract in catalog.contracts}))
    opa = Opa(find_opa(configured=executable, tools=ROOT / ".tools", search_path=search_path))
    engine = watched_opa(opa, ROOT / "policies", paths)
    try:
        token = order_token(issuer, "ES256")
        request = AccessRequest(token=token, **AUTHORIZE.load(strict_json.loads(ORDER_BODY)))  # type: ignore[arg-type]
        claims = verifier.verify(token, now=time.time(), audience=orders().profile.audience)
        contract = catalog.candidates(claims.audience)[0]
        admission = admit(contract, claims)
        if not isinstance(admission, Admitted):
            raise TypeError("the benchmark's token breaks its contract")
        asked = policy_input(contract, admission.principal, request)
        record = DecisionRecord("2026-01-01T00:00:00.000+00:00", "0" * 36, "", "allow", subject="u_1", action="read")
        pdp = PolicyDecisionPoint(pairs=lambda: Pairs(Pair(catalog, verifier)), engine=engine, log=log, budget=5)
        return [
            ("read and check the body", _median(lambda: AUTHORIZE.load(strict_json.loads(ORDER_BODY)))),  # type: ignore[arg-type]
            *((f"verify a new token, {name}", _cold(issuer, verifier, name)) for name in ALGORITHMS),
            (
                "verify a cached token",
                _median(lambda: verifier.verify(token, now=time.time(), audience=orders().profile.audience)),
            ),
            ("validate the claims", _median(lambda: admit(contract, claims))),
            (
                "validate the request",
                _median(lambda: request_faults(contract, request.action, request.resource, request.context)),
            ),
            (
                "ask OPA",
                _median(lambda: engine.ask(contract.decision_path, asked, deadline=time.monotonic() + 5)),
            ),
            ("write the decision log", _median(lambda: log.append(record))),
            ("decide, all of the above with a cached token", _median(lambda: pdp.decide(request))),
        ]
    finally:
        engine.close()
        log.close()


def _median(step: Callable[[], object]) -> float:
    taken = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        step()
        taken.append(time.perf_counter() - began)
    return median(taken[_TIMES // 10 :])


def _cold(issuer: Issuer, verifier: TokenVerifier, algorithm: str) -> float:
    tokens = iter([order_token(issuer, algorithm) for _ in range(_TIMES)])
    return _median(lambda: verifier.verify(next(tokens), now=time.time(), audience=orders().profile.audience))
