"""The lean route says what the ordinary one says, octet by octet and line by line, or leaves it to that one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from devkit.service import ROOT, Issuer
from entitlements.contract import Catalog, Contract, load_catalog
from entitlements.contract.document import TimeSpec
from entitlements.errors import EngineUnavailable, EntitlementsError
from entitlements.model import DPoPProof, Verdict
from entitlements.pair import Pair, Pairs
from entitlements.token import FileKeys, MemoryInProcess, Nonces, Possession, TokenVerifier
from tests.both_routes import BothRoutes, SayingEngine
from tests.unit.token.proofs import LEEWAY, PERMITTING, Clients, sent_by
from tests.unit.token.vectors import AUDIENCE, AUDIENCE_B, ISSUER, ISSUER_B, NOW, PROFILE_B, Signers, load, token_of

REVISION = "sha256:policy"
ALLOW = Verdict(True, (), (), REVISION, "1.22.2")
AGENT = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}
ORDERS = "https://orders.example.com"
RESOURCE = {"type": "order", "id": "42", "properties": {"tenant": "t_1"}}
GOOD: dict[str, Any] = {"audience": ORDERS, "action": "read", "resource": RESOURCE}


@cache
def served_catalog() -> Catalog:
    return load_catalog(ROOT / "contracts")


def _named(name: str) -> Contract:
    return next(contract for contract in served_catalog().contracts if contract.name == name)


class World:
    """Both routes before the contracts of the repository, and an engine that says what it is told."""

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        self.issuer = issuer
        self.engine = SayingEngine(ALLOW)
        self.catalog = served_catalog()
        self.now = time.time() + 1
        self.pairs = self.of(self.catalog)
        self.both = BothRoutes(lambda: self.pairs, self.engine, folder, clock=lambda: self.now)
        self.token = self.token_of()

    def of(self, catalog: Catalog, previous: Pair | None = None, revision: str = REVISION) -> Pairs:
        keys = {"https://login.example.com": FileKeys(self.issuer.jwks)}
        verifier = TokenVerifier(self.catalog.profiles, keys, leeway=0, monotonic=lambda: 1.0)
        return Pairs(Pair(catalog, verifier, revision, "1.22.2"), previous)

    def token_of(self, contract: str = "orders", **options: Any) -> str:
        return self.issuer.token(_named(contract), **{"claims": AGENT, "scopes": ["orders:read"], **options})

    def ask(self, body: Any = GOOD, *headers: tuple[str, str], token: str | None = None, **options: Any) -> Any:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        bearer = [("authorization", f"Bearer {token or self.token}")]
        return self.both.same([*bearer, *headers], octets, **options)


@pytest.fixture
def world(issuer: Issuer, tmp_path: Path) -> Iterator[World]:
    made = World(issuer, tmp_path)
    # From now on the token is remembered.
    made.ask()
    yield made
    made.both.close()


PLAIN: dict[str, Any] = {
    "as it is": {},
    "action as an object": {"action": {"name": "read"}},
    "action as an object with no properties": {"action": {"name": "read", "properties": {}}},
    "no properties": {"resource": {"type": "order", "id": "42"}},
    "a context": {"context": {}},
    "names beyond ASCII": {"resource": {**RESOURCE, "id": "Größe \U0001f600"}},
    "a quote and a backslash": {"resource": {**RESOURCE, "id": 'a"b\\c\u2028/'}},
    "floats": {"resource": {**RESOURCE, "properties": {"tenant": "t_1", "total": 1.0}}},
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_request_is_answered_by_the_lean_route(world: World, name: str) -> None:
    said = world.ask({**GOOD, **PLAIN[name]})
    if said.status == 200:
        assert said.answers_by_lean == 1
        assert json.loads(said.body)["decision"] is True
    else:
        # The contract types its requests: what it does not declare is refused by the ordinary route.
        assert (said.status, said.answers_by_lean) == (400, 0)


def test_contract_in_the_path_is_lean_too(world: World) -> None:
    silent = {name: value for name, value in GOOD.items() if name != "audience"}
    for body in (GOOD, silent):
        said = world.ask(body, path="/authorize/orders")
        assert (said.status, said.answers_by_lean) == (200, 1)


@pytest.mark.parametrize(
    "header",
    [
        ("x-request-id", "r-1"),
        ("x-request-id", "\x22\\quoted{}~"),
        ("content-type", "application/json; charset=utf-8"),
        ("user-agent", "curl/8"),
        ("accept-encoding", "gzip"),
        ("traceparent", "00-1-1-01"),
        ("x-forwarded-for", "192.0.2.7"),
        ("host", "orders.internal:8080"),
        ("host", "[::1]:80"),
        ("host", "a" * 63 + ".b-c"),
    ],
    ids=str,
)
def test_usual_header_is_lean(world: World, header: tuple[str, str]) -> None:
    said = world.ask(GOOD, header)
    assert (said.status, said.answers_by_lean) == (200, 1)


VERDICTS: dict[str, Verdict] = {
    "deny": replace(ALLOW, allow=False, reasons=("tenant_mismatch", "z_last")),
    "undefined": replace(ALLOW, allow=False, reasons=("policy_undefined",)),
    "obligations": replace(ALLOW, obligations=({"id": "mask", "fields": ["a", 1.5, None]}, {"id": "ö"})),
    "step up": replace(ALLOW, allow=False, obligations=({"id": "step_up", "acr_values": "mfa", "max_age": 60},)),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict_is_rendered_and_logged_alike(world: World, name: str) -> None:
    world.engine.says = VERDICTS[name]
    said = world.ask()
    assert (said.status, said.answers_by_lean) == (200, 1)
    assert json.loads(said.body)["decision"] is VERDICTS[name].allow


DOUBTS: dict[str, Verdict | EntitlementsError] = {
    "another revision": replace(ALLOW, revision="sha256:other"),
    "another OPA": replace(ALLOW, engine_version="1.0.0"),
    "too late": EngineUnavailable("engine_timeout", "the engine took too long"),
    "gone": EngineUnavailable("engine_unreachable", "the engine cannot be reached"),
    "failed": EngineUnavailable("policy_error", "the engine answered with status 500"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_doubt_about_the_engine_is_no_answer_of_the_lean_route(world: World, name: str) -> None:
    world.engine.says = DOUBTS[name]
    world.engine.deadlines.clear()
    headers, body = [("authorization", f"Bearer {world.token}")], json.dumps(GOOD).encode()
    for door in ("ordinary", "lean"):
        said = world.both.said(door, headers, body, "/authorize", {})
        assert (said.status, said.answers_by_lean, said.rows) == (503, 0, [])
    # Both routes of the second door asked, and had one budget.
    _, lean, ordinary = world.engine.deadlines[:3]
    assert lean == ordinary


HEADERS: dict[str, list[tuple[str, str]]] = {
    "a header nobody knows": [("x-method-override", "GET")],
    "a header with an underscore": [("x_request_id", "r-1")],
    "DPoP": [("dpop", "a.b.c")],
    "a content encoding": [("content-encoding", "identity")],
    "a cookie": [("cookie", "a=b")],
    "another media type": [("content-type", "text/plain")],
    "another charset": [("content-type", "application/json; charset=latin-1")],
    "a request id with a blank": [("x-request-id", "a b")],
    "a request id that is too long": [("x-request-id", "a" * 129)],
    "an odd host": [("host", "a b")],
    "a host with an empty label": [("host", "a..b")],
    "a host that is a dot": [("host", ".")],
    "a host with a label that is too long": [("host", "a" * 64)],
    "expect": [("expect", "100-continue")],
}


@pytest.mark.parametrize("name", HEADERS)
def test_unusual_header_is_left_to_the_ordinary_route(world: World, name: str) -> None:
    assert world.ask(GOOD, *HEADERS[name]).answers_by_lean == 0


SCOPES: dict[str, dict[str, Any]] = {
    "a query": {"query_string": b"a=b"},
    "the token in the query": {"query_string": b"access_token=x"},
    "another method": {"method": "GET"},
    "a method in lower case": {"method": "post"},
    "HTTP/1.0": {"http_version": "1.0"},
    "a slash at the end": {"path": "/authorize/"},
    "two slashes": {"path": "//authorize"},
    "an escape": {"path": "/%61uthorize"},
    "an unknown contract": {"path": "/authorize/none"},
    "a contract in capitals": {"path": "/authorize/Orders"},
    "the other contract": {"path": "/authorize/payments"},
    "another address": {"path": "/healthz"},
}


def test_batch_is_no_decision_by_a_contract_of_that_name(world: World) -> None:
    orders = replace(_named("orders"), name="batch", canonical={"test": "batch"})
    world.pairs = world.of(Catalog({ORDERS: (orders,)}, world.catalog.lock))
    assert world.ask(path="/authorize").status == 200
    said = world.ask(path="/authorize/batch")
    assert (said.status, said.answers_by_lean) == (400, 0)


@pytest.mark.parametrize("name", SCOPES)
def test_unusual_request_is_left_to_the_ordinary_route(world: World, name: str) -> None:
    assert world.ask(GOOD, **SCOPES[name]).answers_by_lean == 0


BODIES: dict[str, Any] = {
    "empty": b"",
    "not JSON": b"{",
    "a member twice": b'{"action":"read","action":"read"}',
    "an unknown member": {**GOOD, "admin": True},
    "a proof": {**GOOD, "proof": {"mtls": {"x5t#S256": "A" * 43}}},
    "a null proof": {**GOOD, "proof": None},
    "a null audience": {**GOOD, "audience": None},
    "an unknown audience": {**GOOD, "audience": "https://none.example.com"},
    "no audience": {name: value for name, value in GOOD.items() if name != "audience"},
    "no action": {name: value for name, value in GOOD.items() if name != "action"},
    "an empty action": {**GOOD, "action": ""},
    "an undeclared action": {**GOOD, "action": "fly"},
    "a number as the id": {**GOOD, "resource": {**RESOURCE, "id": 42}},
    "NUL": {**GOOD, "context": {"a": "\0"}},
    "the time": {**GOOD, "context": {"time": {}}},
    "an undeclared context": {**GOOD, "context": {"a": 1}},
    "a list": [GOOD],
    "very large": {**GOOD, "resource": {**RESOURCE, "properties": {"tenant": "t_1", "a": "x" * 9000}}},
}


@pytest.mark.parametrize("name", BODIES)
def test_unusual_body_is_left_to_the_ordinary_route(world: World, name: str) -> None:
    assert world.ask(BODIES[name]).answers_by_lean == 0


def test_token_of_another_kind_is_left_to_the_ordinary_route(world: World) -> None:
    new = world.token_of(subject="u_2")
    said = world.both.said("lean", [("authorization", f"Bearer {new}")], json.dumps(GOOD).encode(), "/authorize", {})
    assert (said.status, said.answers_by_lean) == (200, 0)
    assert world.ask(token=new).answers_by_lean == 1
    tokens = {
        "altered": world.token[:-2] + ("AA" if world.token[-2:] != "AA" else "BB"),
        "violating": world.token_of(claims={**AGENT, "roles": ["king"]}),
        "bound": world.token_of(changes={"cnf": {"jkt": "A" * 43}}),
        "for another API": world.token_of("payments", claims={}),
        "garbage": "a.b.c",
    }
    # What is refused is not remembered, and what breaks the contract is worded by the ordinary route.
    for token in tokens.values():
        assert [world.ask(token=token).answers_by_lean for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("bearer", ["", "Basic a", "Bearer", "Bearer  ", "Bearer a b", "BEARER {}", "bearer {}"])
def test_credentials_in_another_form(world: World, bearer: str) -> None:
    headers = [("authorization", bearer.format(world.token))]
    said = world.both.same(headers if bearer else [], json.dumps(GOOD).encode())
    assert (said.status == 200) == ("{}" in bearer)


def test_token_that_has_expired_since_is_refused(world: World) -> None:
    assert world.ask().answers_by_lean == 1
    world.now += 601
    said = world.ask()
    assert (said.status, said.answers_by_lean) == (401, 0)


def test_key_that_was_withdrawn_since_is_refused(issuer: Issuer, tmp_path: Path) -> None:
    moment = 1.0
    jwks = tmp_path / "jwks.json"
    jwks.write_bytes(issuer.jwks.read_bytes())
    catalog = served_catalog()
    keys = {"https://login.example.com": FileKeys(jwks)}
    verifier = TokenVerifier(catalog.profiles, keys, monotonic=lambda: moment)
    engine = SayingEngine(ALLOW)
    both = BothRoutes(lambda: Pairs(Pair(catalog, verifier)), engine, tmp_path)
    headers = [("authorization", f"Bearer {issuer.token(_named('orders'), claims=AGENT, scopes=['orders:read'])}")]
    body = json.dumps(GOOD).encode()
    both.same(headers, body)
    assert both.same(headers, body).answers_by_lean == 1
    jwks.write_text('{"keys": []}')
    moment = 3.0
    said = both.same(headers, body)
    assert (said.status, said.answers_by_lean, len(engine.asked)) == (401, 0, 4)
    both.close()


def test_admission_is_not_carried_over_to_other_contracts(world: World) -> None:
    """What was made of a token by one pair is not taken for another, though the verifier is the same."""
    assert world.ask().answers_by_lean == 1
    pair = world.pairs.current
    orders = _named("orders")
    strict = replace(orders, canonical={"test": "strict"}, reject_undeclared=True, scopes={})
    other = Catalog({**world.catalog.by_audience, ORDERS: (strict,)}, world.catalog.lock)
    world.pairs = Pairs(replace(pair, catalog=other))
    said = world.ask()
    assert (json.loads(said.body)["reasons"], said.answers_by_lean) == (["contract_violated"], 0)


def test_time_that_policies_are_told_is_that_of_each_decision(world: World) -> None:
    orders = _named("orders")
    timed = replace(orders, canonical={"test": "timed"}, time=TimeSpec("Europe/Berlin"))
    world.pairs = world.of(Catalog({**world.catalog.by_audience, ORDERS: (timed,)}, world.catalog.lock))
    world.ask()
    for seconds in (1.0, 61.0):
        world.now += seconds
        said = world.ask()
        assert said.answers_by_lean == 1
        ((_, asked),) = said.asked
        assert asked["context"]["time"]["seconds"] == int(world.now)  # type: ignore[index,call-overload]


def test_previous_release_decides_by_the_ordinary_route_alone(world: World) -> None:
    """While an OPA changes over, its answer names the previous revision."""
    # With one verifier for both, so that the token is cached for the current release too.
    current = world.pairs.current
    world.pairs = Pairs(current, replace(current, revision="sha256:before"))
    world.engine.says = replace(ALLOW, revision="sha256:before")
    for _ in range(2):
        headers, body = [("authorization", f"Bearer {world.token}")], json.dumps(GOOD).encode()
        said = world.both.said("lean", headers, body, "/authorize", {})
        assert (said.status, said.answers_by_lean) == (200, 0)
        assert json.loads(said.body)["policy"]["revision"] == "sha256:before"
    world.engine.says = ALLOW
    world.both.said("lean", headers, body, "/authorize", {})
    assert world.ask().answers_by_lean == 1


def test_refusal_is_by_the_contracts_of_the_policies_that_answered_last(world: World) -> None:
    """Whichever route they answered by: a token that no version admits is refused by the one that is served."""
    orders, keys = _named("orders"), {"https://login.example.com": FileKeys(world.issuer.jwks)}

    def pair(version: str) -> Pair:
        catalog = Catalog(
            {ORDERS: (replace(orders, version=version, canonical={"test": version}),)}, world.catalog.lock
        )
        return Pair(catalog, TokenVerifier(catalog.profiles, keys, leeway=0), f"sha256:{version}", "1.22.2")

    world.pairs = Pairs(pair("2.0.0"), pair("1.0.0"))
    world.engine.says = replace(ALLOW, revision="sha256:1.0.0")
    world.ask()
    world.engine.says = replace(ALLOW, revision="sha256:2.0.0")
    # Refused before the engine is asked, and from now on cached for the current pair.
    assert world.ask({**GOOD, "action": "fly"}).status == 400
    # The ordinary route is asked, to learn of the change.
    assert [world.ask(GOOD).answers_by_lean for _ in range(2)] == [0, 1]
    refused = world.ask(token=world.token_of(claims={**AGENT, "roles": ["king"]}))
    assert json.loads(refused.body)["contract"]["version"] == "2.0.0"


def test_pair_whose_policies_answered_last_judges_first_on_either_route(world: World) -> None:
    """Also where the policies of no pair answer by now: what the pair before refuses is refused by it."""
    orders, current = _named("orders"), world.pairs.current

    def served(contract: Contract, revision: str) -> Pair:
        return replace(current, catalog=Catalog({ORDERS: (contract,)}, world.catalog.lock), revision=revision)

    any_action = replace(orders, request=None, canonical={"test": "any"})
    world.pairs = Pairs(served(any_action, "sha256:now"), served(orders, "sha256:before"))
    world.engine.says = replace(ALLOW, revision="sha256:before")
    for door in ("ordinary", "lean"):
        world.both.said(door, [("authorization", f"Bearer {world.token}")], json.dumps(GOOD).encode(), "/authorize", {})
    world.engine.says = replace(ALLOW, revision="sha256:neither")
    assert world.ask({**GOOD, "action": "fly"}).status == 400


VECTORS, POSSESSION = [*load("signature_and_header"), *load("claims")], load("possession")


@pytest.fixture(scope="module")
def clients() -> Clients:
    return Clients(Signers())


@pytest.fixture(scope="module")
def of_vectors(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothRoutes]:
    """Contracts that say nothing about claims, for the issuers and audiences of the vectors."""
    catalog = served_catalog()
    orders = _named("orders")
    loose = replace(orders, canonical={"test": "loose"}, claims={}, scopes={}, profile=PERMITTING, request=None)
    served = Catalog(
        {AUDIENCE: (loose,), AUDIENCE_B: (replace(loose, canonical={"test": "b"}, profile=PROFILE_B),)}, catalog.lock
    )

    def pairs() -> Pairs:
        signers = clients.signers
        memory = MemoryInProcess(started_at=NOW - 3600, leeway=LEEWAY)
        verifier = TokenVerifier(
            served.profiles,
            {ISSUER: signers.keys_a, ISSUER_B: signers.keys_b},
            possession=Possession(memory, Nonces(), LEEWAY),
            monotonic=lambda: 0.0,
        )
        return Pairs(Pair(served, verifier))

    ordinary, lean = pairs(), pairs()
    folder = tmp_path_factory.mktemp("vectors")
    both = BothRoutes(lambda: ordinary, SayingEngine(ALLOW), folder, clock=lambda: NOW, lean_pairs=lambda: lean)
    yield both
    both.close()


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{vector['threat']}: {vector['name'][:60]}" for vector in VECTORS])
def test_token_vector_is_answered_alike(vector: dict[str, Any], clients: Clients, of_vectors: BothRoutes) -> None:
    headers = [("authorization", f"Bearer {token_of(vector, clients.signers)}")]
    body = json.dumps({**GOOD, "audience": AUDIENCE_B if "@aud_b" in str(vector) else AUDIENCE}).encode()
    first, second = (of_vectors.same(headers, body) for _ in range(2))
    # Remembered, and so plain, is what was accepted, and only that.
    by_policy = first.status == 200 and b"contract_violated" not in first.body
    assert second.answers_by_lean == (vector["expect"] == "accepted" and by_policy)


@pytest.mark.parametrize("vector", POSSESSION, ids=[f"{one['threat']}: {one['name'][:60]}" for one in POSSESSION])
def test_vector_of_a_proof_is_answered_alike(vector: dict[str, Any], clients: Clients, of_vectors: BothRoutes) -> None:
    token, proof = sent_by(vector, clients)
    sent: dict[str, Any] = {}
    if isinstance(proof, DPoPProof):
        sent = {"proof": {"dpop": {"jwt": proof.jwt, "method": proof.method, "url": proof.url}}}
    elif proof is not None:
        sent = {"proof": {"mtls": {"x5t#S256": proof.thumbprint}}}
    body = json.dumps({**GOOD, "audience": AUDIENCE, **sent}).encode()
    of_vectors.same([("authorization", f"Bearer {token}")], body)
    second = of_vectors.said("lean", [("authorization", f"Bearer {token}")], body, "/authorize", {})
    assert second.answers_by_lean == 0 or (not sent and vector.get("cnf") == "none")
