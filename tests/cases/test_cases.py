"""Each case is a token, a request, the wanted answer and the wanted line of the decision log, on two engines.

The scripted engine says what the case gives it and proves what surrounds policy; the real OPA proves that the policies
say the same. A case without a verdict must be answered before any engine is asked.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from devkit.service import Issuer
from devkit.watched_opa import WatchedOpa, watched_opa
from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.contract import Catalog, load_catalog
from entitlements.decision_log import Masking, MaskKey, open_log
from entitlements.engine import Opa, PolicyEngine, policy_digest
from entitlements.model import JSON, PartHealth, Verdict
from entitlements.pair import Pair, Pairs
from entitlements.pdp import PolicyDecisionPoint
from entitlements.token import FileKeys, TokenVerifier, access_token_claims, generate_key, mint
from entitlements.web import create_app
from tests.both_routes import BothRoutes, SayingEngine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = sorted(HERE.glob("*.yaml"))
MEMBERS = {"title", "contract", "world", "version", "request_id", "token", "request", "verdict", "answer", "record"}
MASK_KEY = MaskKey("cases", bytes(range(100, 132)))
VARYING = {"time", "decision_id", "duration_ms"}


class ScriptedEngine:
    """Says what it was told to, once, and keeps what it was asked."""

    def __init__(self, verdict: Verdict | None) -> None:
        self._verdict = verdict
        self.asked: list[tuple[str, Mapping[str, JSON]]] = []

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        self.asked.append((decision_path, policy_input))
        assert self._verdict is not None, "policy was asked"
        assert time.monotonic() < deadline
        return self._verdict

    def health(self) -> PartHealth:
        return PartHealth(True)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class World:
    """Contracts that are served, and keys they are served with."""

    catalog: Catalog
    revision: str


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, lock_folder: Callable[..., None]) -> dict[str, World]:
    """The repository's contracts, and a rollout: orders 1.1.0 demands `clearance`, 1.0.0 is accepted beside it."""
    revision = policy_digest(ROOT / "policies")
    folder = tmp_path_factory.mktemp("rollout") / "contracts"
    shutil.copytree(ROOT / "contracts", folder)
    old = (folder / "orders" / "1.0.0.yaml").read_text()
    new = old.replace("version: 1.0.0", "version: 1.1.0")
    new = new.replace("  clearance:\n", "  clearance:\n    required: true\n")
    new = new.replace("\nclaims:\n", "\nclaims:\n  sub: {sensitivity: pii, schema: {type: string, maxLength: 255}}\n")
    (folder / "orders" / "1.1.0.yaml").write_text(new)
    lock_folder(folder, policy_digest=revision, also={"orders": ["1.0.0"]})
    return {
        "default": World(load_catalog(ROOT / "contracts"), revision),
        "rollout": World(load_catalog(folder), revision),
    }


@pytest.fixture(scope="module")
def real_engine(opa: Opa) -> Iterator[WatchedOpa]:
    engine = watched_opa(opa, ROOT / "policies", ["orders/authz/decision", "payments/authz/decision"])
    yield engine
    engine.close()


@pytest.fixture(params=CASES, ids=lambda path: path.stem)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    document = yaml.safe_load(request.param.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    assert document.keys() <= MEMBERS
    return document


def test_the_scripted_engine_gives_the_wanted_decision(
    case: dict[str, Any], worlds: dict[str, World], issuer: Issuer, tmp_path: Path
) -> None:
    world = worlds[case.get("world", "default")]
    wanted = case.get("verdict")
    verdict = None
    if wanted is not None:
        verdict = Verdict(
            wanted["allow"], tuple(wanted.get("reasons", ())), tuple(wanted.get("obligations", ())), world.revision
        )
    engine = ScriptedEngine(verdict)
    check(case, world, engine, issuer, tmp_path / "log")
    assert len(engine.asked) == (wanted is not None)
    for path, policy_input in engine.asked:
        assert path == f"{case['contract']}/authz/decision"
        assert "eyJ" not in json.dumps(policy_input)


def test_the_real_engine_gives_the_wanted_decision(
    case: dict[str, Any], worlds: dict[str, World], real_engine: WatchedOpa, issuer: Issuer, tmp_path: Path
) -> None:
    check(case, worlds[case.get("world", "default")], real_engine, issuer, tmp_path / "log")


def test_both_routes_give_the_wanted_decision(
    case: dict[str, Any], worlds: dict[str, World], issuer: Issuer, tmp_path: Path
) -> None:
    """The lean route answers each case that policy decides, and no other, with the bytes and the line of the other."""
    world = worlds[case.get("world", "default")]
    wanted = case.get("verdict") or {"allow": True}
    says = Verdict(
        wanted["allow"], tuple(wanted.get("reasons", ())), tuple(wanted.get("obligations", ())), world.revision
    )
    version = case.get("version", "1.0.0")
    contract = next(c for c in world.catalog.contracts if (c.name, c.version) == (case["contract"], version))
    keys = {contract.profile.issuer: FileKeys(issuer.jwks)}
    verifier = TokenVerifier(world.catalog.profiles, keys)
    both = BothRoutes(lambda: Pairs(Pair(world.catalog, verifier)), SayingEngine(says), tmp_path)
    headers = [("x-request-id", case["request_id"])] if "request_id" in case else []
    if case["token"] is not None:
        headers.append(("authorization", f"Bearer {make_token(case['token'], contract.profile, issuer)}"))
    body = json.dumps(case["request"]).encode()
    both.same(headers, body)
    said = both.same(headers, body)
    both.close()
    assert said.status == case["answer"]["status"]
    assert said.answers_by_lean == ("verdict" in case and case["verdict"] is not None)


def check(case: dict[str, Any], world: World, engine: PolicyEngine, issuer: Issuer, log: Path) -> None:
    """Ask over the application's own HTTP client and hold answer and decision log against the case."""
    version = case.get("version", "1.0.0")
    contract = next(c for c in world.catalog.contracts if (c.name, c.version) == (case["contract"], version))
    keys = {contract.profile.issuer: FileKeys(issuer.jwks)}
    decisions = open_log(str(log))
    pdp = PolicyDecisionPoint(
        pairs=lambda: Pairs(Pair(world.catalog, TokenVerifier(world.catalog.profiles, keys))),
        engine=engine,
        log=decisions,
        budget=5.0,
        masking=Masking(MASK_KEY),
    )
    headers = {"X-Request-ID": case["request_id"]} if "request_id" in case else {}
    if case["token"] is not None:
        headers["Authorization"] = f"Bearer {make_token(case['token'], contract.profile, issuer)}"
    answer = create_app(pdp, dict).test_client().post("/authorize", json=case["request"], headers=headers)
    decisions.close()
    masked = MASK_KEY.mask("u_1", issuer=contract.profile.issuer, claim="sub")
    names = {"{digest}": contract.ref.digest, "{revision}": world.revision, "{masked u_1}": masked}
    check_answer(answer.status_code, answer.get_json(), filled(case["answer"], names))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.get("X-Request-ID") == case.get("request_id")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    wanted = [] if case["record"] is None else [filled(case["record"], names)]
    assert [{name: value for name, value in row.items() if name not in VARYING} for row in rows] == wanted
    assert [row["decision_id"] for row in rows] == [answer.get_json().get("decision_id")] * len(rows)


def check_answer(status: int, body: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert status == wanted["status"], body
    assert {name: body.get(name) for name in wanted["body"]} == wanted["body"]
    assert ("decision" in body) == (status in (200, 401))
    if "fields" in wanted:
        assert sorted(body["details"]) == sorted(wanted["fields"])
    if status == 200:
        assert (body["effect"] == "allow") == (body["decision"] is True)


def make_token(recipe: dict[str, Any], profile: Any, issuer: Issuer) -> str:
    """A token by its recipe; `age` is how many seconds ago it was issued."""
    claims = access_token_claims(
        issuer=profile.issuer,
        audience=profile.audience,
        subject="u_1",
        client_id="web",
        now=time.time() - recipe.get("age", 0),
        lifetime=recipe.get("lifetime", 600),
        claims=recipe["claims"],
        scopes=recipe["scopes"],
    )
    key = issuer.keys[recipe.get("algorithm", "ES256")]
    if recipe.get("foreign_key"):
        key = generate_key(key.algorithm, key.kid)
    return mint(key, {**claims, **recipe.get("changes", {})}, headers=recipe.get("header"))


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """The same with placeholders replaced."""
    if isinstance(value, dict):
        return {name: filled(item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_every_reason_of_the_policies_has_a_case() -> None:
    reasons = set()
    for policy in ROOT.glob("policies/*/authz/authz.rego"):
        reasons |= {
            line.split('"')[1] for line in policy.read_text().splitlines() if line.startswith("reasons contains")
        }
    told = {
        code for case in CASES for code in (yaml.safe_load(case.read_text()).get("verdict") or {}).get("reasons", [])
    }
    # A contract that types its requests refuses another resource type before policy is asked.
    assert reasons - told == {"resource_type_unknown"}
