"""The time of a decision in proofs: one instant for both sides, exact parts, and the times of tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract, time_context
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, Access, Effort, Side, compare_access
from entitlements.proof.answer import UNKNOWN
from tests.shop import SHOP

BERLIN = "Europe/Berlin"
CLAIMS: dict[str, Any] = {
    "until": {"schema": {"type": "string", "format": "date"}},
    "auth_time": {"schema": {"type": "integer"}},
}
TIMES: dict[str, Any] = {name: {"schema": {"type": "integer"}} for name in ("iat", "exp")}
T = "input.context.time"


@dataclass(frozen=True)
class Case:
    """What policies said and say, and whether anybody gains access. zones, lifetimes: before and after."""

    old: str
    new: str
    wanted: str
    zones: tuple[str | None, str | None] = (BERLIN, BERLIN)
    lifetimes: tuple[int, int] = (600, 600)
    claims: dict[str, Any] = field(default_factory=lambda: CLAIMS)
    typed: bool = True


NONE = "allow := false"
SEEN = {**CLAIMS, **TIMES}
LEFT = f"allow if input.subject.claims.exp - {T}.seconds > 1000"
CASES: dict[str, Case] = {
    "one second more": Case(f"allow if {T}.seconds < 1900000000", f"allow if {T}.seconds < 1900000001", REFUTED),
    "one minute more": Case(f"allow if {T}.minutes < 1080", f"allow if {T}.minutes < 1081", REFUTED),
    "one minute less": Case(f"allow if {T}.minutes < 1081", f"allow if {T}.minutes < 1080", PROVED),
    "Saturday too": Case(f"allow if {T}.weekday <= 5", f"allow if {T}.weekday <= 6", REFUTED),
    "the same days otherwise": Case(f"allow if {T}.weekday <= 5", f"allow if not {T}.weekday in {{6, 7}}", PROVED),
    "a day more": Case(f'allow if {T}.date < "2027-01-01"', f'allow if {T}.date <= "2027-01-01"', REFUTED),
    "the same day otherwise": Case(f'allow if {T}.date < "2027-01-01"', f'allow if {T}.date <= "2026-12-31"', PROVED),
    "midnight of the zone": Case(f'allow if {T}.date < "2027-01-01"', f"allow if {T}.seconds < 1798758000", PROVED),
    "a second after it": Case(f'allow if {T}.date < "2027-01-01"', f"allow if {T}.seconds <= 1798758000", REFUTED),
    "midnight of UTC": Case(f'allow if {T}.utc < "2027-01-01"', f"allow if {T}.seconds < 1798761600", PROVED),
    "no 30th of February": Case(NONE, f'allow if endswith({T}.date, "-02-30")', PROVED),
    "a leap day": Case(NONE, f'allow if {{ endswith({T}.date, "-02-29"); {T}.weekday == 2 }}', REFUTED),
    "no leap day in 2027": Case(NONE, f'allow if {T}.date == "2027-02-29"', PROVED),
    "the gap in spring": Case(
        NONE, f'allow if {{ {T}.date == "2027-03-28"; {T}.minutes >= 120; {T}.minutes < 180 }}', PROVED
    ),
    "the hour before the gap": Case(
        NONE, f'allow if {{ {T}.date == "2027-03-28"; {T}.minutes >= 119; {T}.minutes < 180 }}', REFUTED
    ),
    "the hour that comes twice": Case(
        f'allow if {{ {T}.utc >= "2027-10-31T00:30:00Z"; {T}.utc < "2027-10-31T00:31:00Z" }}',
        f'allow if {{ {T}.date == "2027-10-31"; {T}.minutes == 150 }}',
        REFUTED,
    ),
    "the last second of a year far behind": Case(
        f"allow if {T}.seconds < 1798797600", f'allow if {T}.date < "2027-01-01"', PROVED, ("Etc/GMT+10",) * 2
    ),
    "before the first second": Case(NONE, f"allow if {T}.seconds < 946684800", PROVED),
    "after the last second": Case(NONE, f'allow if {T}.utc > "2099-12-31T23:59:59Z"', PROVED),
    "another zone": Case(f"allow if {T}.minutes < 60", f"allow if {T}.minutes < 60", REFUTED, ("UTC", BERLIN)),
    "another zone of the same clocks": Case(
        f"allow if {T}.minutes < 60", f"allow if {T}.minutes < 60", PROVED, (BERLIN, "Europe/Paris")
    ),
    "another zone that nobody reads": Case(
        f"allow if {T}.seconds > 1900000000", f"allow if {T}.seconds > 1900000000", PROVED, ("UTC", BERLIN)
    ),
    "the time is told": Case(f"allow if {T}.minutes < 60", f"allow if {T}.minutes < 60", REFUTED, (None, "UTC")),
    "nobody is told it": Case(NONE, f"allow if {T}.minutes >= 0", PROVED, (None, None), typed=False),
    "a day that a claim names": Case(
        f"allow if {T}.date < input.subject.claims.until", f"allow if {T}.date <= input.subject.claims.until", REFUTED
    ),
    "a day before the one that a claim names": Case(
        f"allow if {T}.date <= input.subject.claims.until", f"allow if {T}.date < input.subject.claims.until", PROVED
    ),
    "a claim that may be missing": Case(
        f"allow if {T}.date <= input.subject.claims.until",
        f"allow if not late\n\nlate if {T}.date > input.subject.claims.until",
        REFUTED,
    ),
    "signed in a second earlier": Case(
        f"allow if {T}.seconds - input.subject.claims.auth_time < 300",
        f"allow if {T}.seconds - input.subject.claims.auth_time <= 300",
        REFUTED,
    ),
    "a time that `with` says": Case(
        f"allow if early with {T}.minutes as 5\n\nearly if {T}.minutes < 10", "allow if true", PROVED
    ),
    # What the service demands of the times of a token, with the largest leeway.
    "an expired token": Case(NONE, f"allow if input.subject.claims.exp <= {T}.seconds - 60", PROVED, claims=SEEN),
    "one within the leeway": Case(NONE, f"allow if input.subject.claims.exp <= {T}.seconds - 59", REFUTED, claims=SEEN),
    "a token of the future": Case(NONE, f"allow if input.subject.claims.iat > {T}.seconds + 60", PROVED, claims=SEEN),
    "its leeway": Case(NONE, f"allow if input.subject.claims.iat == {T}.seconds + 60", REFUTED, claims=SEEN),
    "a token that lives too long": Case(
        NONE,
        "allow if { input.subject.claims.iat > 0; input.subject.claims.exp - input.subject.claims.iat > 600 }",
        PROVED,
        claims=SEEN,
    ),
    "no more than it may": Case(
        NONE,
        "allow if { input.subject.claims.iat > 0; input.subject.claims.exp - input.subject.claims.iat >= 600 }",
        REFUTED,
        claims=SEEN,
    ),
    "the same lifetime": Case(LEFT, LEFT, PROVED, claims=SEEN),
    "a longer lifetime": Case(LEFT, LEFT, REFUTED, lifetimes=(600, 3600), claims=SEEN),
}


def contract(version: str, case: Case, side: int) -> Contract:
    zone = case.zones[side]
    access = {**SHOP["tokens"]["access_token"], "max_lifetime": case.lifetimes[side]}
    request = {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}}
    document = {
        **SHOP,
        "version": version,
        "tokens": {"access_token": access},
        "claims": case.claims,
        **({"request": request} if case.typed else {}),
        **({"time": {"zone": zone}} if zone else {}),
    }
    return parse_contract(json.dumps(document), Path(f"shop/{version}.yaml"))


def asked(case: Case, folder: Path, opa: Opa, method: str = "proof") -> tuple[Access, list[Side]]:
    sides = []
    for side, (version, rules) in enumerate((("1.0.0", case.old), ("2.0.0", case.new))):
        place = folder / version / "shop" / "authz"
        place.mkdir(parents=True)
        (place / "authz.rego").write_text(f"package shop.authz\n\ndefault allow := false\n\n{rules}\n")
        sides.append(Side(contract(version, case, side), place.parents[1], "shop/authz/allow"))
    return compare_access(sides[0], sides[1], opa=opa, effort=Effort(method=method)), sides


@pytest.mark.parametrize("name", CASES)
def test_who_gains_access_at_any_instant_is_told(name: str, opa: Opa, tmp_path: Path) -> None:
    case = CASES[name]
    found, sides = asked(case, tmp_path, opa)
    answer = found.no_new_access
    assert answer.answer == case.wanted, answer.reason
    for witness in answer.witnesses:
        assert witness.scenario.possible(sides[0].contract, sides[1].contract)
        shown = witness.as_json()["request"]
        assert isinstance(shown, dict)
        at = str(shown["at"])
        assert sides[1].contract.time is not None
        assert time_context(sides[1].contract.time, witness.scenario.at or 0)["utc"] == at


@pytest.mark.parametrize("name", ["one minute more", "another zone", "the time is told", "a longer lifetime"])
def test_an_enumeration_of_instants_never_calls_a_widening_proved(name: str, opa: Opa, tmp_path: Path) -> None:
    found, _ = asked(CASES[name], tmp_path, opa, method="enumeration")
    assert found.no_new_access.answer in (REFUTED, UNKNOWN)
    assert found.evidence.versions["tzdata"]


def test_an_enumeration_without_the_time_can_be_all_there_is(opa: Opa, tmp_path: Path) -> None:
    staff = {"staff": {"schema": {"type": "boolean"}}}
    case = Case(
        "allow if input.subject.claims.staff", "allow if input.subject.claims.staff == true", PROVED, claims=staff
    )
    found, _ = asked(case, tmp_path, opa, method="enumeration")
    assert found.no_new_access.answer == PROVED


def test_a_zone_is_part_of_what_an_approval_accepts(opa: Opa, tmp_path: Path) -> None:
    rule = f"allow if {T}.minutes < 60"
    marks = set()
    for zone in (BERLIN, "Asia/Tokyo"):
        found, _ = asked(Case(rule, rule, REFUTED, ("UTC", zone)), tmp_path / zone, opa)
        marks |= {witness.fingerprint for witness in found.no_new_access.witnesses}
    assert len(marks) == 2
