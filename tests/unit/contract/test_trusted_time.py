"""`time` of a contract: what policies are told of an instant, by pinned zone data, and that no caller may say it."""

from __future__ import annotations

import copy
import datetime
import importlib.resources
import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements.contract import (
    Contract,
    TimeSpec,
    admit,
    changes,
    input_schema,
    offsets,
    parse_contract,
    policy_input,
    request_faults,
    time_context,
    tzdata_version,
)
from entitlements.contract.trusted_time import EARLIEST, LATEST, PARTS
from entitlements.errors import ContractsInvalid, DecisionUnavailable
from entitlements.model import JSON, AccessRequest, Action, Principal, Resource, VerifiedClaims

ROOT = Path(__file__).resolve().parents[3]
ORDERS: dict[str, Any] = yaml.safe_load((ROOT / "contracts" / "orders" / "1.0.0.yaml").read_text())
PATH = Path("orders/1.0.0.yaml")
BERLIN = TimeSpec("Europe/Berlin")
NOON = 1795690800  # 2026-11-26T11:00:00Z, a Thursday


def document(**changed: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ORDERS), "time": {"zone": "Europe/Berlin"}, **changed}


def loaded(tree: dict[str, Any]) -> Contract:
    return parse_contract(yaml.safe_dump(tree, sort_keys=False), PATH, named=False)


def faults(tree: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ContractsInvalid) as refused:
        loaded(tree)
    assert all(fault.line for fault in refused.value.faults)
    return [(fault.path, fault.message) for fault in refused.value.faults]


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp())


def told(text: str, zone: str = "Europe/Berlin") -> list[JSON]:
    parts = time_context(TimeSpec(zone), at(text))
    return [parts["date"], parts["weekday"], parts["minutes"]]


def test_policy_is_told_utc_seconds_and_the_parts_in_the_zone() -> None:
    found = time_context(BERLIN, NOON + 0.999)
    assert found == {
        "utc": "2026-11-26T11:00:00Z",
        "seconds": NOON,
        "date": "2026-11-26",
        "weekday": 4,
        "minutes": 12 * 60,
    }
    assert [*found] == [*PARTS]


TRAPS: dict[str, tuple[str, str, list[JSON]]] = {
    "before the gap": ("2026-03-29T00:59:59Z", "Europe/Berlin", ["2026-03-29", 7, 119]),
    "after the gap": ("2026-03-29T01:00:00Z", "Europe/Berlin", ["2026-03-29", 7, 180]),
    "first of the fold": ("2026-10-25T00:30:00Z", "Europe/Berlin", ["2026-10-25", 7, 150]),
    "second of the fold": ("2026-10-25T01:30:00Z", "Europe/Berlin", ["2026-10-25", 7, 150]),
    "a gap at midnight": ("2027-03-26T22:00:00Z", "Asia/Beirut", ["2027-03-27", 6, 0]),
    "no midnight that day": ("2024-03-30T22:00:00Z", "Asia/Beirut", ["2024-03-31", 7, 60]),
    "half an hour of gap": ("2026-10-03T15:30:00Z", "Australia/Lord_Howe", ["2026-10-04", 7, 150]),
    "a day that was skipped": ("2011-12-30T10:00:00Z", "Pacific/Apia", ["2011-12-31", 6, 0]),
    "its day before": ("2011-12-30T09:59:59Z", "Pacific/Apia", ["2011-12-29", 4, 1439]),
    "a quarter of an hour": ("2026-06-30T18:14:59Z", "Asia/Kathmandu", ["2026-06-30", 2, 1439]),
    "a leap day": ("2028-02-29T22:59:59Z", "Europe/Berlin", ["2028-02-29", 2, 1439]),
    "after a leap day": ("2028-02-29T23:00:00Z", "Europe/Berlin", ["2028-03-01", 3, 0]),
    "no leap day in 2026": ("2026-02-28T23:00:00Z", "Europe/Berlin", ["2026-03-01", 7, 0]),
    "a century that leaps": ("2000-02-29T12:00:00Z", "UTC", ["2000-02-29", 2, 720]),
    "beyond the table of changes": ("2090-07-01T00:00:00Z", "Europe/Berlin", ["2090-07-01", 6, 120]),
    "the year turns in the zone": ("2026-12-31T23:30:00Z", "Europe/Berlin", ["2027-01-01", 5, 30]),
    "the first second": ("2000-01-01T00:00:00Z", "America/New_York", ["1999-12-31", 5, 1140]),
    "the last second": ("2099-12-31T23:59:59Z", "Pacific/Kiritimati", ["2100-01-01", 5, 839]),
}


@pytest.mark.parametrize("name", TRAPS)
def test_parts_of_an_instant_are_those_of_the_zone(name: str) -> None:
    text, zone, wanted = TRAPS[name]
    assert told(text, zone) == wanted


@settings(max_examples=200, deadline=None)
@given(
    st.integers(EARLIEST, LATEST),
    st.sampled_from(
        ["Europe/Berlin", "Africa/Casablanca", "Pacific/Apia", "Antarctica/Troll", "America/Sao_Paulo", "Asia/Tehran"]
    ),
)
def test_parts_and_offsets_agree_at_every_instant(seconds: int, zone: str) -> None:
    """What the proof calculates with: an offset from one second on, and civil time as a count of days and minutes."""
    ahead = next(offset for start, offset in reversed(offsets(zone)) if start <= seconds)
    days, rest = divmod(seconds + ahead, 86400)
    parts = time_context(TimeSpec(zone), seconds)
    assert parts["minutes"] == rest // 60
    assert parts["weekday"] == (days + 3) % 7 + 1
    assert parts["date"] == (datetime.date(1970, 1, 1) + datetime.timedelta(days=days)).isoformat()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Africa/Casablanca", "Pacific/Apia", "UTC"])
def test_offsets_change_at_the_second_that_they_name(zone: str) -> None:
    found = offsets(zone)
    assert found[0][0] == EARLIEST
    for (_, before), (start, after) in itertools.pairwise(found):
        assert before != after
        times = [time_context(TimeSpec(zone), moment)["minutes"] for moment in (start - 1, start)]
        assert times == [(start - 1 + before) % 86400 // 60, (start + after) % 86400 // 60]


@pytest.mark.parametrize("now", [EARLIEST - 1, LATEST + 1, -1, 0, 2.0**60, math.inf, -math.inf, math.nan])
def test_a_clock_that_cannot_be_right_gives_no_decision(now: float) -> None:
    with pytest.raises(DecisionUnavailable) as refused:
        time_context(BERLIN, now)
    assert refused.value.code == "clock_out_of_range"


@pytest.mark.parametrize("now", [EARLIEST, LATEST, LATEST + 0.5])
def test_the_first_and_the_last_second_are_told(now: float) -> None:
    assert time_context(BERLIN, now)["seconds"] == int(now)


def input_of(contract: Contract, context: dict[str, JSON], now: float = NOON) -> dict[str, Any]:
    request = AccessRequest("token", Action("read"), Resource("order", "42"), context)
    return policy_input(contract, Principal("u_1", "web", {}, ()), request, now)


def test_the_time_stands_beside_the_context_of_the_caller() -> None:
    found = input_of(loaded(document(request=None)), {"hour": 1})["context"]
    assert found == {"hour": 1, "time": time_context(BERLIN, NOON)}


def test_a_contract_without_time_tells_none() -> None:
    assert input_of(loaded(ORDERS), {})["context"] == {}


@pytest.mark.parametrize("tree", [ORDERS, document(request=None)], ids=["none declared", "declared"])
def test_a_time_from_a_caller_reaches_no_policy(tree: dict[str, Any]) -> None:
    """Whatever let it through: it is left out, or overwritten."""
    contract = loaded(tree)
    assert input_of(contract, {"time": {"seconds": 1}}) == input_of(contract, {})


def test_a_contract_with_time_and_no_clock_gives_no_input() -> None:
    request = AccessRequest("token", Action("read"), Resource("order", "42"))
    with pytest.raises(DecisionUnavailable):
        policy_input(loaded(document()), Principal("u_1", "web", {}, ()), request)


@pytest.mark.parametrize("tree", [ORDERS, document(), {**ORDERS, "request": None}, document(request=None)])
@pytest.mark.parametrize("value", [None, 1, {}, {"seconds": NOON}])
def test_a_time_in_the_context_of_a_request_is_a_fault(tree: dict[str, Any], value: JSON) -> None:
    contract = loaded(tree)
    resource = Resource("order", "42", {"tenant": "t_1"})
    found = request_faults(contract, Action("read"), resource, {"time": value})
    assert found == {"context.time": ["is the service's own, leave it out"]}


def test_a_typed_context_cannot_declare_the_time() -> None:
    tree = document()
    tree["request"]["context"] = {"properties": {"time": {"type": "string"}}}
    (fault,) = faults(tree)
    assert fault[0] == "request.context.properties.time"
    assert "declare `time: {zone: …}`" in fault[1]


@pytest.mark.parametrize(
    "zone",
    ["Europe/Atlantis", "europe/berlin", "CEST", "Factory", "", "../../etc/passwd", "/etc/localtime", "posixrules", 1],
)
def test_a_zone_that_there_is_not_is_a_fault_with_its_line(zone: object) -> None:
    ((path, message),) = faults(document(time={"zone": zone}))
    assert path == "time.zone"
    assert message


@pytest.mark.parametrize("time", [{}, {"zone": "UTC", "more": 1}, [], "UTC"])
def test_time_names_a_zone_and_nothing_else(time: object) -> None:
    assert all(path.startswith("time") for path, _ in faults(document(time=time)))


def test_every_zone_of_the_package_can_be_declared() -> None:
    """What is listed is there: none fails first at a decision."""
    names = importlib.resources.files("tzdata").joinpath("zones").read_text().split()
    assert len(names) > 400
    for name in {*names} - {"Factory"}:
        assert time_context(TimeSpec(name), NOON)["seconds"] == NOON


def test_zone_data_is_that_of_the_package_and_not_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONTZPATH", "/nowhere")
    assert loaded(document(time={"zone": "America/Punta_Arenas"})).time == TimeSpec("America/Punta_Arenas")
    assert f"tzdata=={tzdata_version()} " in (ROOT / "requirements.lock").read_text()


def digest(**changed: Any) -> str:
    return loaded({**ORDERS, **changed}).ref.digest


def test_declaration_and_zone_are_part_of_the_digest() -> None:
    digests = {digest(), digest(time={"zone": "Europe/Berlin"}), digest(time={"zone": "Europe/Paris"})}
    assert len(digests) == 3
    assert "time" not in loaded(ORDERS).canonical


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (None, "Europe/Berlin", "time_added"),
        ("Europe/Berlin", None, "time_removed"),
        ("Europe/Berlin", "Europe/Paris", "time_zone_changed"),
    ],
)
def test_a_change_of_the_time_is_a_finding(before: str | None, after: str | None, rule: str) -> None:
    old, new = ({**ORDERS, **({"time": {"zone": zone}} if zone else {})} for zone in (before, after))
    (change,) = changes(loaded(old), loaded({**new, "version": "2.0.0"}))
    assert (change.rule, change.old, change.new) == (rule, before, after)


def test_the_schema_of_the_input_closes_the_time_and_leaves_the_context_as_it_is() -> None:
    typed = input_schema(loaded(document()))["properties"]["context"]
    assert typed["additionalProperties"] is False
    assert {*typed["properties"]["time"]["properties"]} == {*PARTS}
    free = input_schema(loaded(document(request=None)))["properties"]["context"]
    assert free["properties"].keys() == {"time"}
    assert "additionalProperties" not in free
    assert "time" not in json.dumps(input_schema(loaded(ORDERS)))


def seen(tree: dict[str, Any]) -> dict[str, JSON]:
    values: dict[str, JSON] = {
        **{"iss": tree["issuer"], "aud": tree["audience"], "exp": NOON + 600, "iat": NOON, "jti": "j", "sub": "u_1"},
        **{"client_id": "web", "tenant": "t_1", "roles": ["agent"], "suspended": False, "auth_time": NOON - 60},
    }
    claims = VerifiedClaims(values, tree["issuer"], tree["audience"], "ES256", NOON + 600, 600)
    found = admit(loaded(tree), claims)
    return dict(found.principal.claims) if not hasattr(found, "violations") else {}


def declaring(tree: dict[str, Any]) -> dict[str, Any]:
    times = {name: {"schema": {"type": "integer"}} for name in ("iat", "exp", "auth_time")}
    return {**tree, "claims": {**tree["claims"], **times}}


def test_times_of_the_token_are_seen_where_they_are_declared_beside_the_time() -> None:
    found = seen(declaring(document()))
    assert (found["iat"], found["exp"], found["auth_time"]) == (NOON, NOON + 600, NOON - 60)
    assert not {"iat", "exp", "auth_time"} & seen(document()).keys()


def test_times_of_the_token_stay_unseen_by_a_contract_without_time() -> None:
    """A contract that narrows `exp` today goes on as it is."""
    assert not {"iat", "exp"} & seen(declaring(ORDERS)).keys()
