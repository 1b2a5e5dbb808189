"""The order of the steps of a decision: real tokens and contracts, a scripted engine and log behind their ports."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devkit.cases import CLERK, PAYMENT, PAYMENTS_SCOPES
from devkit.service import Issuer
from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.contract import Catalog, load_catalog
from entitlements.decision_log import DecisionRecord, Masking, MaskKey
from entitlements.errors import (
    DecisionLogUnavailable,
    EngineUnavailable,
    EntitlementsError,
    KeysUnavailable,
    RequestInvalid,
    TokenRejected,
)
from entitlements.model import JSON, AccessRequest, Action, PartHealth, Resource, Verdict
from entitlements.pair import Pair, Pairs
from entitlements.pdp import PolicyDecisionPoint
from entitlements.token import FileKeys, TokenVerifier

ROOT = Path(__file__).resolve().parents[2]
CLAIMS: Mapping[str, JSON] = {"tenant": "t_1", "roles": ["agent"], "suspended": False}
ALLOW = Verdict(True, (), (), "sha256:policy")
ORDERS = "https://orders.example.com"
MASK_KEY = MaskKey("2026-01", bytes(range(100, 132)))


class World:
    """A decision point whose engine and log say what they are told and keep what they were given, in order."""

    def __init__(self, catalog: Catalog, issuer: Issuer) -> None:
        self.verdict: Verdict | EntitlementsError = ALLOW
        self.log_fails = False
        self.steps: list[str] = []
        self.asked: list[tuple[str, Mapping[str, JSON], float]] = []
        self.records: list[DecisionRecord] = []
        self.now = time.time()
        verifier = TokenVerifier(catalog.profiles, {"https://login.example.com": FileKeys(issuer.jwks)})
        self.revision, self.version = "", ""
        self.previous: Pair | None = None
        self.pdp = PolicyDecisionPoint(
            pairs=lambda: Pairs(Pair(catalog, verifier, self.revision, self.version), self.previous),
            engine=self,
            log=self,
            budget=2.5,
            clock=lambda: self.now,
            masking=Masking(MASK_KEY),
        )

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        self.steps.append("ask")
        self.asked.append((decision_path, policy_input, deadline))
        if isinstance(self.verdict, EntitlementsError):
            raise self.verdict
        return self.verdict

    def append(self, record: DecisionRecord) -> None:
        self.steps.append("log")
        if self.log_fails:
            raise DecisionLogUnavailable("decision_log_unavailable", "the decision log cannot be written")
        self.records.append(record)

    def health(self) -> PartHealth:
        return PartHealth(True)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def world(issuer: Issuer) -> World:
    return World(load_catalog(ROOT / "contracts"), issuer)


@pytest.fixture
def token(world: World, issuer: Issuer) -> str:
    return orders_token(issuer)


def orders_token(issuer: Issuer, **options: Any) -> str:
    contract = next(c for c in load_catalog(ROOT / "contracts").contracts if c.name == "orders")
    return issuer.token(contract, **{"claims": CLAIMS, "scopes": ["orders:read"], **options})


def request_of(token: str, **changes: Any) -> AccessRequest:
    asked = AccessRequest(token, Action("read"), Resource("order", "42", {"tenant": "t_1"}), audience=ORDERS)
    return replace(asked, **changes)


def test_an_allow_is_logged_before_it_is_given(world: World, token: str) -> None:
    answered = world.pdp.decide(request_of(token), request_id="r-1")
    assert answered.allow is True
    assert world.steps == ["ask", "log"]
    (record,) = world.records
    assert (record.effect, record.request_id, record.subject) == ("allow", "r-1", "u_1")
    assert record.decision_id == answered.id
    assert record.policy_revision == answered.policy_revision == "sha256:policy"
    assert record.duration_ms > 0


@pytest.mark.parametrize("verdict", [ALLOW, replace(ALLOW, allow=False, reasons=("tenant_mismatch",))])
def test_a_decision_that_cannot_be_logged_is_not_given(world: World, token: str, verdict: Verdict) -> None:
    """A3."""
    world.verdict, world.log_fails = verdict, True
    with pytest.raises(DecisionLogUnavailable):
        world.pdp.decide(request_of(token))


def test_a_refusal_that_cannot_be_logged_is_not_given_either(world: World) -> None:
    """A3: it would be a refusal without a trace."""
    world.log_fails = True
    with pytest.raises(DecisionLogUnavailable):
        world.pdp.decide(request_of("junk"))


def test_an_engine_that_fails_gives_no_decision_and_no_record(world: World, token: str) -> None:
    world.verdict = EngineUnavailable("engine_timeout", "the engine took too long")
    with pytest.raises(EngineUnavailable):
        world.pdp.decide(request_of(token))
    assert world.steps == ["ask"]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"changes": {"aud": "https://crm.example.com"}}, "audience_mismatch"),
        ({"changes": {"iss": "https://login.example.org"}}, "issuer_unknown"),
        ({"changes": {"sub": ""}}, "claim_invalid"),
        ({"changes": {"exp": 1}}, "claim_invalid"),
        ({"changes": {"nonce": "n"}}, "id_token"),
        ({"typ": "JWT"}, "type_not_access_token"),
        ({"lifetime": 7200}, "lifetime_too_long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rejected_token_is_logged_with_its_cause(
    world: World, issuer: Issuer, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(TokenRejected) as refused:
        world.pdp.decide(request_of(orders_token(issuer, **options)))
    (record,) = world.records
    assert (record.effect, record.refusal, record.action, record.resource_id) == ("reject", cause, "read", "42")
    # Nothing of a token that is not believed is written down.
    assert (record.subject, record.client_id, record.audience, record.contract) == ("", "", ORDERS, "")
    assert refused.value.code == cause
    assert refused.value.decision_id == record.decision_id
    assert world.steps == ["log"]


def test_expiry_is_judged_by_the_clock_given_also_for_a_remembered_token(world: World, token: str) -> None:
    """X2, L1: valid while now < exp + leeway."""
    assert world.pdp.decide(request_of(token)).allow
    world.now += 600 + 9
    assert world.pdp.decide(request_of(token)).allow
    world.now += 2
    with pytest.raises(TokenRejected) as refused:
        world.pdp.decide(request_of(token))
    assert refused.value.code == "token_expired"
    assert [record.effect for record in world.records] == ["allow", "allow", "reject"]


def test_a_remembered_token_gives_no_remembered_decision(world: World, token: str) -> None:
    """X1."""
    assert world.pdp.decide(request_of(token)).allow
    world.verdict = replace(ALLOW, allow=False)
    assert not world.pdp.decide(request_of(token)).allow
    assert world.steps == ["ask", "log"] * 2


def test_the_engine_is_asked_about_declared_claims_only_and_never_sees_the_token(world: World, issuer: Issuer) -> None:
    """C15, H11."""
    token = orders_token(
        issuer,
        claims={**CLAIMS, "is_admin": True, "email": "a@example.com", "act": {"sub": "x"}},
        scopes=["orders:read", "orders:admin"],
    )
    asked = request_of(token, context={"channel": "web"})
    answered = world.pdp.decide(asked)
    ((path, policy_input, _),) = world.asked
    assert path == "orders/authz/decision"
    assert policy_input == {
        "subject": {
            "type": "user",
            "id": "u_1",
            "claims": CLAIMS,
            "scopes": ["orders:read"],
            "client_id": "web",
            "issuer": "https://login.example.com",
        },
        "action": {"name": "read"},
        "resource": {"type": "order", "id": "42", "properties": {"tenant": "t_1"}},
        "context": {"channel": "web"},
        "contract": {"name": "orders", "version": "1.0.0"},
    }
    assert not any(part in json.dumps(policy_input) for part in token.split("."))
    assert answered.ignored == world.records[0].ignored
    assert set(answered.ignored) == {"is_admin", "email", "act", "orders:admin"}


def test_the_budget_reaches_the_engine_as_one_deadline(world: World, token: str) -> None:
    before = time.monotonic()
    world.pdp.decide(request_of(token))
    after = time.monotonic()
    ((_, _, deadline),) = world.asked
    assert before + 2.5 <= deadline <= after + 2.5


def test_a_token_that_breaks_the_contract_is_denied_without_policy(world: World, issuer: Issuer) -> None:
    answered = world.pdp.decide(request_of(orders_token(issuer, claims={**CLAIMS, "suspended": "false"})))
    assert answered.allow is False
    assert answered.reasons == ("contract_violated",)
    assert answered.policy_revision is None
    assert world.steps == ["log"]
    assert world.records[0].violations == ("type_mismatch:suspended",)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": Action("delete")}, "action.name"),
        ({"action": Action("read", {"force": True})}, "action.properties"),
        ({"resource": Resource("invoice", "42", {"tenant": "t_1"})}, "resource.type"),
        ({"resource": Resource("order", "42", {})}, "resource.properties.tenant"),
        ({"resource": Resource("order", "42", {"tenant": "t_1", "owner": True})}, "resource.properties.owner"),
        ({"context": {"channel": "fax"}}, "context.channel"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_that_breaks_the_contract_reaches_neither_engine_nor_log(
    world: World, token: str, changes: dict[str, Any], field: str
) -> None:
    """P8."""
    with pytest.raises(RequestInvalid) as refused:
        world.pdp.decide(request_of(token, **changes))
    assert refused.value.code == "request_breaks_contract"
    assert list(refused.value.details) == [field]
    assert world.steps == []


def test_the_audience_that_asks_is_held_against_the_token(world: World, token: str) -> None:
    """C5, C7: also after the same token was cached for its own audience."""
    assert world.pdp.decide(request_of(token, audience=ORDERS)).allow
    with pytest.raises(TokenRejected) as refused:
        world.pdp.decide(request_of(token, audience="https://payments.example.com"))
    assert refused.value.code == "audience_mismatch"


@pytest.mark.parametrize("sensitivity", ["public", "internal", "pii", "secret"])
def test_subject_and_client_are_logged_as_the_contract_says(
    issuer: Issuer, tmp_path: Path, lock_folder: Callable[..., None], sensitivity: str
) -> None:
    """A8."""
    folder = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", folder)
    (folder / "contracts.lock").unlink()
    document = folder / "orders" / "1.0.0.yaml"
    declared = f"{{sensitivity: {sensitivity}, schema: {{type: string}}}}"
    line = f"\nclaims:\n  sub: {declared}\n  client_id: {declared}\n"
    document.write_text(document.read_text().replace("\nclaims:\n", line))
    lock_folder(folder, policy_digest="sha256:" + "0" * 64)
    world = World(load_catalog(folder), issuer)
    world.pdp.decide(request_of(orders_token(issuer)))
    world.pdp.decide(request_of(orders_token(issuer, claims={**CLAIMS, "suspended": 0})))
    assert [record.effect for record in world.records] == ["allow", "deny"]
    for record in world.records:
        for claim, value, logged in (("sub", "u_1", record.subject), ("client_id", "web", record.client_id)):
            masked = MASK_KEY.mask(value, issuer="https://login.example.com", claim=claim)
            assert logged == {"public": value, "internal": value, "pii": masked, "secret": ""}[sensitivity]
    assert world.asked[0][1]["subject"]["id"] == "u_1"  # type: ignore[index, call-overload]


def test_twin_subjects_stay_distinct(world: World, issuer: Issuer) -> None:
    """C9: nothing normalises a subject."""
    twins = ["ﬁ", "fi", "\u0130", "i", "e\u0301", "é", "\u212a", "K", "ß", "ss"]
    for twin in twins:
        world.pdp.decide(request_of(orders_token(issuer, subject=twin)))
    assert [record.subject for record in world.records] == twins
    assert [asked["subject"]["id"] for _, asked, _ in world.asked] == twins  # type: ignore[index, call-overload]


def test_keys_that_cannot_be_had_give_no_decision(tmp_path: Path, issuer: Issuer, token: str) -> None:
    """K3."""
    lost = tmp_path / "jwks.json"
    world = World(load_catalog(ROOT / "contracts"), replace(issuer, jwks=lost))
    with pytest.raises(KeysUnavailable):
        world.pdp.decide(request_of(token))
    assert world.steps == []


def test_a_catalog_without_the_audience_refuses_and_logs(world: World, issuer: Issuer, token: str) -> None:
    """A name that is not pinned is told to who holds a token; to anyone else it looks like any other."""
    full = load_catalog(ROOT / "contracts")
    payments_only = Catalog({a: c for a, c in full.by_audience.items() if a != ORDERS}, full.lock)
    verifier = TokenVerifier(full.profiles, {"https://login.example.com": FileKeys(issuer.jwks)})
    narrow = PolicyDecisionPoint(
        pairs=lambda: Pairs(Pair(payments_only, verifier)),
        engine=world,
        log=world,
        budget=1.0,
    )
    with pytest.raises(RequestInvalid) as invalid:
        narrow.decide(request_of(token))
    assert invalid.value.code == "audience_unknown"
    with pytest.raises(TokenRejected) as refused:
        narrow.decide(request_of("junk"))
    assert [record.refusal for record in world.records] == [refused.value.code]
    assert refused.value.decision_id == world.records[0].decision_id


OLD, NEW = "sha256:old", "sha256:new"


@pytest.fixture
def changing(world: World, issuer: Issuer) -> World:
    """Holds two pairs, as during a rolling upgrade: contract 1.0.0 with the new policies, 0.9.0 with the old ones."""
    world.revision, world.version = NEW, "1.2.3"
    world.previous = replace(pair_before(issuer), engine_version="1.2.3")
    return world


def pair_before(issuer: Issuer, **changes: Any) -> Pair:
    """The pair before: orders as version 0.9.0, with other members where a test wants them."""
    catalog = load_catalog(ROOT / "contracts")
    old = replace(catalog.candidates(ORDERS)[0], version="0.9.0", **changes)
    before = Catalog({ORDERS: (old,)}, catalog.lock)
    return Pair(before, TokenVerifier(before.profiles, {"https://login.example.com": FileKeys(issuer.jwks)}), OLD)


def answer_of(revision: str, version: str = "1.2.3") -> Verdict:
    return replace(ALLOW, revision=revision, engine_version=version)


@pytest.mark.parametrize(("revision", "version"), [(NEW, "1.0.0"), (OLD, "0.9.0")])
def test_the_revision_of_the_answer_chooses_the_contract(
    changing: World, token: str, revision: str, version: str
) -> None:
    changing.verdict = answer_of(revision)
    for _ in range(2):
        decision = changing.pdp.decide(request_of(token))
        assert decision.contract is not None
        assert (decision.contract.version, decision.policy_revision) == (version, revision)
    # What policy was asked last came from the contract of the answer, and no other contract is logged.
    assert changing.asked[-1][1]["contract"] == {"name": "orders", "version": version}
    assert [(record.contract, record.policy_revision) for record in changing.records] == [
        (f"orders@{version}", revision)
    ] * 2


def test_a_third_revision_is_no_decision(changing: World, token: str) -> None:
    changing.verdict = answer_of("sha256:third")
    with pytest.raises(EngineUnavailable) as refused:
        changing.pdp.decide(request_of(token))
    assert refused.value.code == "policy_not_locked"
    assert changing.records == []


def test_without_a_previous_pair_another_revision_is_no_decision(world: World, token: str) -> None:
    world.revision, world.verdict = NEW, answer_of(OLD)
    with pytest.raises(EngineUnavailable) as refused:
        world.pdp.decide(request_of(token))
    assert (refused.value.code, world.records) == ("policy_not_locked", [])


@pytest.mark.parametrize("version", ["1.2.4", ""])
@pytest.mark.parametrize("revision", [NEW, OLD])
def test_another_opa_than_that_of_the_proof_is_no_decision(
    changing: World, token: str, revision: str, version: str
) -> None:
    changing.verdict = answer_of(revision, version)
    with pytest.raises(EngineUnavailable) as refused:
        changing.pdp.decide(request_of(token))
    assert (refused.value.code, changing.records) == ("engine_version", [])


@pytest.mark.parametrize(("revision", "allowed"), [(OLD, True), (NEW, False)])
def test_a_contract_that_refuses_does_not_speak_for_the_other_pair(
    changing: World, issuer: Issuer, revision: str, allowed: bool
) -> None:
    """The new contract refuses the token; the old one admits it, and its policies may still be served."""
    claims = load_catalog(ROOT / "contracts").candidates(ORDERS)[0].claims
    known = {**claims, "suspended": replace(claims["suspended"], required=False)}
    changing.previous = replace(pair_before(issuer, claims=known), engine_version="1.2.3")
    changing.verdict = answer_of(revision)
    token = orders_token(issuer, claims={"tenant": "t_1", "roles": ["agent"]})
    decision = changing.pdp.decide(request_of(token))
    assert decision.allow is allowed
    assert decision.contract is not None
    if allowed:
        assert (decision.contract.version, decision.policy_revision) == ("0.9.0", OLD)
    else:
        assert (decision.contract.version, decision.policy_revision) == ("1.0.0", None)
        assert decision.reasons == ("contract_violated",)


@pytest.mark.parametrize("served", [NEW, OLD])
def test_a_pair_that_does_not_know_the_audience_does_not_refuse_for_the_other_one(
    changing: World, issuer: Issuer, served: str
) -> None:
    """The engine answered by one pair last, and a token comes that only the other one pins the audience of."""
    payments = "https://payments.example.com"
    token = orders_token(issuer, claims=CLERK, scopes=PAYMENTS_SCOPES, changes={"aud": payments})
    asked = request_of(token, audience=payments, resource=Resource("payment", "1", PAYMENT))
    changing.verdict = answer_of(OLD)
    changing.pdp.decide(request_of(orders_token(issuer)))
    changing.verdict = answer_of(served)
    if served == OLD:
        with pytest.raises(TokenRejected) as refused:
            changing.pdp.decide(asked)
        assert refused.value.code == "audience_mismatch"
    else:
        decision = changing.pdp.decide(asked)
        assert (decision.allow, decision.policy_revision) == (True, NEW)
        assert decision.contract is not None
        assert decision.contract.name == "payments"


def test_a_token_that_no_pair_accepts_is_refused_without_asking_the_engine(changing: World) -> None:
    with pytest.raises(TokenRejected):
        changing.pdp.decide(request_of("junk"))
    assert changing.asked == []
    assert [record.effect for record in changing.records] == ["reject"]


def test_an_engine_that_changes_over_during_a_decision_gives_no_mixed_pair(changing: World, token: str) -> None:
    """Each answer comes from the pair that was asked, however often the engine changes over."""
    answers = [OLD, NEW, NEW]

    def ask(
        decision_path: str, policy_input: Mapping[str, JSON], *, deadline: float, shape: AnswerShape = PLAIN_ANSWER
    ) -> Verdict:
        changing.asked.append((decision_path, policy_input, deadline))
        return answer_of(answers[len(changing.asked) - 1])

    changing.ask = ask  # type: ignore[method-assign]
    decision = changing.pdp.decide(request_of(token))
    assert decision.contract is not None
    assert (decision.contract.version, decision.policy_revision) == ("1.0.0", NEW)
    assert len(changing.asked) == 3
