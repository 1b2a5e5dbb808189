"""Whoever asks, the time that policies are told is the service's own, of this very decision, by both routes."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from devkit.service import ROOT, Issuer
from entitlements.contract import (
    Catalog,
    Contract,
    Refused,
    TimeSpec,
    admit,
    load_catalog,
    parse_contract,
    policy_input,
    time_context,
)
from entitlements.errors import DecisionUnavailable, TokenRejected
from entitlements.model import AccessRequest, Action, Resource, Verdict
from entitlements.pair import Pair, Pairs
from entitlements.token import FileKeys, TokenVerifier
from entitlements.token.introspection import Client, HttpEndpoint, IntrospectingVerifier
from tests.both_routes import BothRoutes, Said, SayingEngine
from tests.integration.introspection.endpoints import FakeIssuer, says

ORDERS = "https://orders.example.com"
ZONE = TimeSpec("America/St_Johns")
RESOURCE = {"type": "order", "id": "42", "properties": {"tenant": "t_1"}}
ORDER = Resource("order", "42", {"tenant": "t_1"})
AGENT = {"tenant": "t_1", "roles": ["agent"], "clearance": 2, "suspended": False}
CLAIMS = {name: {"schema": {"type": "integer"}} for name in ("iat", "exp")}


@cache
def catalog() -> Catalog:
    return load_catalog(ROOT / "contracts")


@cache
def timed() -> Contract:
    """The contract of orders, with the time, the token's own times, and a request that no one types."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())
    del document["request"]
    document |= {"time": {"zone": ZONE.zone}, "claims": {**document["claims"], **CLAIMS}}
    return parse_contract(json.dumps(document), Path("orders/1.0.0.yaml"), named=False)


class World:
    """Both routes before that contract, with a clock that is set by hand."""

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        self.issuer = issuer
        self.now = float(int(time.time()) + 1)
        self.engine = SayingEngine(Verdict(True, (), (), "sha256:policy", "1.22.2"))
        served = Catalog({**catalog().by_audience, ORDERS: (timed(),)}, catalog().lock)
        keys = {"https://login.example.com": FileKeys(issuer.jwks)}
        verifier = TokenVerifier(served.profiles, keys, leeway=0, monotonic=lambda: 1.0)
        pairs = Pairs(Pair(served, verifier, "sha256:policy", "1.22.2"), None)
        self.both = BothRoutes(lambda: pairs, self.engine, folder, clock=lambda: self.now)
        self.token = self.token_of()

    def token_of(self, **changes: Any) -> str:
        made = int(self.now)
        times = {"iat": made, "exp": made + 600, **changes}
        return self.issuer.token(timed(), claims=AGENT, scopes=["orders:read"], changes=times)

    def ask(self, context: str = "{}", *, token: str = "", before: str = "") -> Said:
        asked = f'"audience": "{ORDERS}", "action": "read", "resource": {json.dumps(RESOURCE)}'
        body = f'{{{asked}, {before}"context": {context}}}'.encode()
        return self.both.same([("authorization", f"Bearer {token or self.token}")], body)

    def told(self, said: Said) -> Any:
        """What policy was told by the route that answered last."""
        ((_, document), *_) = said.asked
        return document["context"]


@pytest.fixture
def world(issuer: Issuer, tmp_path: Path) -> Iterator[World]:
    made = World(issuer, tmp_path)
    made.ask()
    yield made
    made.both.close()


OWN = '{"seconds": 0, "minutes": 0, "weekday": 1, "utc": "2000-01-01T00:00:00Z", "date": "2000-01-01"}'


@pytest.mark.parametrize(
    ("context", "before"),
    [
        (f'{{"time": {OWN}}}', ""),
        ('{"time": null}', ""),
        (f'{{"\\u0074ime": {OWN}}}', ""),
        (f'{{"t\\u0069m\\u0065": {OWN}}}', ""),
        (f'{{"x": 1, "time": {OWN}, "y": 2}}', ""),
        (f'{{"time": {OWN}, "time": {OWN}}}', ""),
        (f'{{"time": 1, "\\u0074ime": {OWN}}}', ""),
        ("{}", f'"context": {{"time": {OWN}}}, '),
        (f'{{"time": {OWN}}}', '"context": {}, '),
        (f'{{"time": {OWN}}}', '"cont\\u0065xt": {}, '),
        (f'[{{"time": {OWN}}}]', ""),
        (f'"{{\\"time\\": {OWN[:9]}}}"', ""),
    ],
    ids=[
        *("plain", "null", "escaped", "escaped_often", "among_others", "twice", "twice_by_escape"),
        *("context_twice", "context_twice_last", "context_twice_by_escape", "list", "string"),
    ],
)
def test_a_time_from_the_caller_is_400_in_every_form(world: World, context: str, before: str) -> None:
    asked = len(world.engine.asked)
    assert world.ask(context, before=before).status == 400
    assert len(world.engine.asked) == asked


@pytest.mark.parametrize(
    "name",
    [
        *("Time", "TIME", "time ", " time", "times", "tim", "time.seconds", "context.time", "__time", "time/seconds"),
        *("ｔime", "t\u0456me", "ti\u200dme", "time\ufeff", "ti\u00adme", "\u202etime", "tıme", "timé"),
    ],
)
def test_a_name_that_only_looks_like_it_changes_no_time(world: World, name: str) -> None:
    said = world.ask(json.dumps({name: json.loads(OWN)}))
    assert said.status == 200
    told = world.told(said)
    assert told == {name: json.loads(OWN), "time": time_context(ZONE, world.now)}


@pytest.mark.parametrize("context", ['{"x": {"time": %s}}', '{"x": [{"time": %s}]}', '{"context": {"time": %s}}'])
def test_a_time_further_down_is_not_the_time(world: World, context: str) -> None:
    said = world.ask(context % OWN)
    assert said.status == 200
    assert world.told(said)["time"] == time_context(ZONE, world.now)


@pytest.mark.parametrize("place", ["resource", "action"])
def test_a_time_among_properties_is_not_the_time(world: World, place: str) -> None:
    body: dict[str, Any] = {"audience": ORDERS, "action": {"name": "read"}, "resource": {"type": "order", "id": "42"}}
    body[place]["properties"] = {"time": json.loads(OWN), "context": {"time": json.loads(OWN)}}
    said = world.both.same([("authorization", f"Bearer {world.token}")], json.dumps(body).encode())
    assert said.status == 200
    assert world.told(said) == {"time": time_context(ZONE, world.now)}


def test_a_cached_token_is_asked_about_at_the_time_of_each_question(world: World) -> None:
    """What is kept of a token holds no time: neither forwards, nor over a change of the clocks, nor back again."""
    for step in (0.0, 0.999, 1.0, 59.0, -30.0, 120.0, -150.5):
        world.now += step
        said = world.ask()
        assert said.status == 200, world.now
        assert world.told(said) == {"time": time_context(ZONE, world.now)}


def test_a_clock_that_goes_back_revives_no_token_and_admits_none_of_the_future(world: World) -> None:
    token = world.token_of()
    assert world.ask(token=token).status == 200
    world.now += 601
    assert world.ask(token=token).status == 401
    world.now -= 602.0
    # Before it was issued.
    assert world.ask(token=token).status == 401
    world.now += 1.0
    assert world.ask(token=token).status == 200
    assert world.told(world.ask(token=token)) == {"time": time_context(ZONE, world.now)}


@pytest.mark.parametrize("start", ["2027-03-14T05:29:59Z", "2027-11-07T04:29:59Z", "2027-12-31T23:59:59Z"])
def test_each_question_around_a_change_of_the_clocks_has_the_parts_of_its_second(
    issuer: Issuer, tmp_path: Path, start: str
) -> None:
    made = World(issuer, tmp_path)
    made.now = datetime.datetime.fromisoformat(start).timestamp()
    token = made.token_of()
    for _ in range(3):
        said = made.ask(token=token)
        assert said.status == 200
        assert made.told(said) == {"time": time_context(ZONE, made.now)}
        made.now += 1
    made.both.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": "9999999999"},
        {"exp": [9999999999]},
        {"exp": True},
        {"exp": None},
        {"exp": -1},
        {"iat": "0"},
        {"iat": False},
        {"iat": {}},
        {"nbf": "0"},
    ],
    ids=json.dumps,
)
def test_a_time_of_a_token_in_an_odd_form_reaches_no_policy(world: World, changes: dict[str, Any]) -> None:
    asked = len(world.engine.asked)
    assert world.ask(token=world.token_of(**changes)).status == 401
    assert len(world.engine.asked) == asked


def test_a_whole_time_of_a_token_is_one_number_however_it_is_written(world: World) -> None:
    expires = int(world.now) + 300
    said = world.ask(token=world.token_of(exp=float(expires)))
    ((_, document), *_) = said.asked
    claims: Any = document["subject"]["claims"]  # type: ignore[index,call-overload]
    assert (claims["exp"], type(claims["exp"])) == (expires, int)


def test_a_part_of_a_second_is_a_violation_where_the_contract_demands_whole_ones(world: World) -> None:
    said = world.ask(token=world.token_of(exp=int(world.now) + 300.5))
    assert (said.status, said.asked) == (200, [])
    assert json.loads(said.body)["reasons"] == ["contract_violated"]


class Introspected:
    """An opaque token whose issuer says of it what it is told to, and who asks about it at which time."""

    def __init__(self, issuer: Issuer, authority: FakeIssuer) -> None:
        document: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())
        del document["request"]
        document["tokens"]["access_token"]["opaque"] = {"prefix": "at_"}
        document |= {"time": {"zone": ZONE.zone}, "claims": {**document["claims"], **CLAIMS}}
        self.contract = parse_contract(json.dumps(document), Path("orders/1.0.0.yaml"), named=False)
        self.authority, profile = authority, self.contract.profile
        keys = {profile.issuer: FileKeys(issuer.jwks)}
        client = Client("entitlements", "client_secret_basic", secret="s3cret")
        endpoint = HttpEndpoint(profile.issuer, authority.url, client, timeout=10, cache_seconds=60)
        jwts = TokenVerifier([profile], keys, leeway=0)
        self._verifier = IntrospectingVerifier([profile], jwts, keys, {profile.issuer: endpoint}, leeway=0)
        self.now = int(time.time())

    def says(self, **changes: Any) -> None:
        profile = self.contract.profile
        found: dict[str, Any] = {"active": True, "token_type": "Bearer", "iss": profile.issuer, "aud": ORDERS}
        found |= {"sub": "u_1", "client_id": "web", "scope": "orders:read", "iat": self.now, "exp": self.now + 600}
        said = {**found, **AGENT, **changes}
        self.authority.answer = says({name: value for name, value in said.items() if value is not None})

    def claims_at(self, now: float, token: str = "at_one") -> Mapping[str, Any] | str:
        """What policy sees of the token at that time, or why it sees nothing."""
        try:
            found = self._verifier.verify(token, now=now, audience=ORDERS)
        except (TokenRejected, DecisionUnavailable) as refused:
            return str(refused.code)
        admission = admit(self.contract, found)
        if isinstance(admission, Refused):
            return ", ".join(violation.code for violation in admission.violations)
        document = policy_input(self.contract, admission.principal, AccessRequest("", Action("read"), ORDER), now)
        assert document["context"] == {"time": time_context(ZONE, now)}
        return dict(admission.principal.claims)


@pytest.fixture
def introspected(issuer: Issuer) -> Iterator[Introspected]:
    authority = FakeIssuer()
    yield Introspected(issuer, authority)
    authority.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": "9999999999"}, "claim_invalid"),
        ({"exp": "never"}, "claim_invalid"),
        ({"exp": True}, "claim_invalid"),
        ({"exp": []}, "claim_invalid"),
        ({"exp": -1}, "claim_invalid"),
        ({"iat": "0"}, "claim_invalid"),
        ({"iat": 1e300}, "introspection_answer_invalid"),
        ({"nbf": "0"}, "claim_invalid"),
        ({"exp_in": 1e9, "exp": 1}, "claim_invalid"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_a_time_in_an_answer_in_an_odd_form_reaches_no_policy(
    introspected: Introspected, changes: dict[str, Any], code: str
) -> None:
    introspected.says(**changes)
    assert introspected.claims_at(introspected.now + 1) == code


def test_a_fraction_in_an_answer_is_a_violation_and_a_whole_float_one_number(introspected: Introspected) -> None:
    introspected.says(exp=introspected.now + 300.5)
    assert introspected.claims_at(introspected.now + 1, "at_fraction") == "type_mismatch"
    introspected.says(exp=float(introspected.now + 300))
    found = introspected.claims_at(introspected.now + 1, "at_whole")
    assert not isinstance(found, str)
    assert found["exp"] == introspected.now + 300


def test_an_answer_that_is_remembered_counts_at_the_time_of_each_question(introspected: Introspected) -> None:
    introspected.says(iat=introspected.now, exp=introspected.now + 30)
    for step, wanted in ((0, ""), (29, ""), (30, "token_expired"), (-1, "token_not_yet_valid"), (10, "")):
        found = introspected.claims_at(introspected.now + step)
        assert (found if isinstance(found, str) else "") == wanted, step
    assert len(introspected.authority.asked) == 1


def test_a_token_without_iat_shows_policies_none(introspected: Introspected) -> None:
    introspected.says(iat=None)
    found = introspected.claims_at(introspected.now + 1)
    assert not isinstance(found, str)
    assert "iat" not in found
