"""Random pairs of policies that read the time: the proof beside OPA's decisions on both sides of every instant that
matters.

`python -m tests.differential.timed SEED PAIRS` runs many. What the policies compare with is known, so that decisions
turn at the instants that are looked at: a `proved` beside a turn that OPA shows is the failure that counts.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entitlements.contract import EARLIEST, LATEST, Contract, TimeSpec, parse_contract, time_context
from entitlements.engine import BatchEngine, Opa
from entitlements.model import Resource
from entitlements.proof import PROVED, REFUTED, Effort, Side, compare_access
from entitlements.proof.instants import boundaries, instants
from entitlements.proof.scenario import Scenario, Token, policy_input_of
from tests.shop import SHOP

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia")
DATES = ("2026-12-31", "2027-01-01", "2028-02-29", "2028-03-01", "2027-03-28", "1999-12-31", "2100-01-01", "2027-02-29")
SECONDS = (1_798_761_600, 1_798_758_000, 1_806_192_000, EARLIEST, LATEST)
MINUTES = (0, 60, 119, 120, 180, 480, 1080, 1439)
CLAIMS: dict[str, Any] = {
    "staff": {"required": True, "schema": {"type": "boolean"}},
    "until": {"schema": {"enum": ["2027-01-01", "2028-02-29", "9"]}},
    "day": {"schema": {"type": "string", "format": "date"}},
    "exp": {"schema": {"type": "integer"}},
    "iat": {"schema": {"type": "integer"}},
}
TIME = "input.context.time"
COMPARED = ("<", "<=", ">", ">=", "==", "!=")


@dataclass
class Figures:
    """What was asked and found. faults: proofs that OPA refutes, with how to see it."""

    pairs: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def atom(chance: random.Random) -> str:
    """One condition on the time."""
    compared = chance.choice(COMPARED)
    return chance.choice(
        (
            f"{TIME}.seconds {compared} {chance.choice(SECONDS) + chance.choice((-1, 0, 0, 1))}",
            f"{TIME}.minutes {compared} {chance.choice(MINUTES)}",
            f"{TIME}.minutes % 60 {compared} {chance.choice((0, 30, 59))}",
            f"{TIME}.weekday {compared} {chance.randint(0, 8)}",
            f"{TIME}.weekday in {{{chance.randint(1, 4)}, {chance.randint(5, 7)}}}",
            f'{TIME}.date {compared} "{chance.choice(DATES)}"',
            f'{TIME}.date in {{"{chance.choice(DATES)}", "{chance.choice(DATES)}"}}',
            f'startswith({TIME}.date, "{chance.choice(DATES)[: chance.randint(1, 10)]}")',
            f'endswith({TIME}.date, "{chance.choice(DATES)[chance.randint(4, 8) :]}")',
            f'{TIME}.utc {compared} "{chance.choice(DATES)}T{chance.choice(("00:00:00Z", "23:59:59Z", ""))}"',
            f'substring({TIME}.utc, 0, 4) == "{chance.choice(DATES)[:4]}"',
            f"{TIME}.date {compared} input.subject.claims.until",
            f"{TIME}.date {compared} input.subject.claims.day",
            f'input.subject.claims.day {compared} "{chance.choice(DATES)}"',
            f"input.subject.claims.exp - {TIME}.seconds {compared} {chance.choice((-60, -59, 0, 60, 600))}",
            f"{TIME}.seconds - input.subject.claims.iat {compared} {chance.choice((-60, -59, 0, 60, 599))}",
            "input.subject.claims.staff",
        )
    )


def rules(chance: random.Random) -> list[str]:
    """Bodies of `allow`, of which one suffices; a helper that is negated among them."""
    found = ["; ".join(atom(chance) for _ in range(chance.randint(1, 3))) for _ in range(chance.randint(1, 2))]
    return [f"{body}; not barred" if chance.random() < 0.3 else body for body in found]


def policy(bodies: list[str], barred: str) -> str:
    allows = "".join(f"\nallow if {{ {body} }}\n" for body in bodies)
    return f"package shop.authz\n\ndefault allow := false\n{allows}\nbarred if {{ {barred} }}\n"


def pair(chance: random.Random) -> tuple[str, str]:
    """Two policies of which the second differs in one place, or is drawn anew."""
    bodies, barred = rules(chance), atom(chance)
    other = [*bodies]
    if chance.random() < 0.7:
        other[chance.randrange(len(other))] = rules(chance)[0]
    return policy(bodies, barred), policy(other, barred if chance.random() < 0.7 else atom(chance))


def contract(version: str, zone: str, lifetime: int) -> Contract:
    access = {**SHOP["tokens"]["access_token"], "max_lifetime": lifetime}
    document = {
        **SHOP,
        "version": version,
        "time": {"zone": zone},
        "claims": CLAIMS,
        "tokens": {"access_token": access},
        "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
    }
    return parse_contract(json.dumps(document), Path(f"shop/{version}.yaml"))


def scenarios(chance: random.Random, zones: list[str]) -> Iterator[Scenario]:
    """Requests at every instant at which something may turn, and tokens whose times are at their bounds then."""
    numbers = [*SECONDS, *MINUTES, 30, 59, 90, 150]
    near = [*instants(zones, numbers, DATES), *chance.choices(boundaries(zones), k=6)]
    drawn = [chance.randint(EARLIEST, LATEST) for _ in range(60)]
    for at in sorted({*chance.sample(near, min(len(near), 350)), *drawn}):
        for staff in (True, False):
            until = chance.choice((None, "2027-01-01", "2028-02-29", "9"))
            shown = time_context(TimeSpec(zones[0]), at)["date"]
            day = chance.choice((None, "0000-02-29", "2027-01-01", "2028-02-29", "9999-12-31", shown))
            issued = at - chance.choice((-60, -59, 0, 60, 540, 599))
            expires = max(at + chance.choice((-59, 0, 1, 60, 600)), issued)
            claims: dict[str, Any] = {"staff": staff, "exp": expires, "iat": issued, "until": until, "day": day}
            token = Token("u_1", frozenset(), {name: one for name, one in claims.items() if one is not None})
            yield Scenario(token, token, "read", Resource("item", "1"), {}, at=at)


def run(seed: int, pairs: int, opa: Opa) -> Figures:
    """So many pairs, with what was found of them."""
    figures = Figures()
    for number in range(pairs):
        one_pair(f"{seed}/{number}", opa, figures)
    return figures


def one_pair(seed: str, opa: Opa, figures: Figures) -> None:
    """Ask the proof and OPA about the pair of a seed."""
    chance = random.Random(seed)
    zones = [chance.choice(ZONES)] * 2 if chance.random() < 0.7 else chance.sample(ZONES, 2)
    contracts = [contract(f"{place}.0.0", zone, 600) for place, zone in enumerate(zones, start=1)]
    texts = pair(chance)
    with tempfile.TemporaryDirectory() as folder:
        sides = []
        for one, text in zip(contracts, texts, strict=True):
            place = Path(folder) / one.version / "shop" / "authz"
            place.mkdir(parents=True)
            (place / "authz.rego").write_text(text)
            sides.append(Side(one, place.parents[1], "shop/authz/allow"))
        tried = [one for one in scenarios(chance, zones) if one.possible(contracts[0], contracts[1])]
        allowed = [_allowed(side, tried, opa) for side in sides]
        found = compare_access(sides[0], sides[1], opa=opa, effort=Effort(seconds=10))
    figures.pairs += 1
    for answer, (denied, allows) in ((found.no_new_access, allowed), (found.no_lost_access, allowed[::-1])):
        figures.answers[answer.answer] += 1
        turned = [one for one, before, after in zip(tried, denied, allows, strict=True) if after and not before]
        if turned and answer.answer == PROVED:
            figures.faults.append(f"{seed} at {turned[0].at}, {zones}: {texts[0]}{texts[1]}")
        if answer.answer == REFUTED and not answer.witnesses:
            figures.faults.append(f"{seed}: refuted without a witness")


def _allowed(side: Side, tried: list[Scenario], opa: Opa) -> list[bool]:
    with BatchEngine(opa, side.policies, side.decision_path) as engine:
        verdicts = engine.decide([policy_input_of(side.contract, one.after, one) for one in tried])
    return [verdict is not None and verdict.allow for verdict in verdicts]


def main(arguments: list[str]) -> int:
    """Print the figures of many pairs."""
    root = Path(__file__).resolve().parents[2]
    figures = run(int(arguments[0]), int(arguments[1]), root / ".tools" / "opa")
    print(f"{figures.pairs} pairs: {dict(figures.answers)}")
    print("\n".join(figures.faults))
    return 1 if figures.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
