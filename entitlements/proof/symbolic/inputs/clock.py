"""The time that the service tells policies, as terms of one variable: the second of the decision, one for both sides.

Assumes: the zone data of the contract room. Guarantees: under every assignment that satisfies `clock_facts`, the value
is what `contract.time_context` gives for that second; `token_facts` hold of every token that the service takes then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from entitlements.contract import EARLIEST, LATEST, Contract, TimeSpec, offsets
from entitlements.proof.symbolic.terms.string_terms import timestamp
from entitlements.proof.symbolic.terms.term import (
    INT,
    STRING_SORT,
    TRUE,
    Term,
    arithmetic,
    conditional,
    conj,
    disj,
    equal,
    implies,
    less,
    number,
    variable,
)
from entitlements.proof.symbolic.terms.timestamps import DATE, UTC
from entitlements.proof.symbolic.values.value import NUMBER, STRING, Const, Object, Scalar, Value, of_leaf, scalar
from entitlements.proof.token_times import LEEWAY, seen_times

SECONDS: Final = variable("clock seconds", INT)
"""When the decision is made, in seconds since the epoch. No claim or part of a request has a variable of this name."""
_DAY = 86_400


def clock_facts() -> list[Term]:
    """That the clock is one that the service takes."""
    return [less(number(EARLIEST), SECONDS, strict=False), less(SECONDS, number(LATEST), strict=False)]


@lru_cache(maxsize=64)
def time_value(spec: TimeSpec) -> Value:
    """`context.time` by a contract: the twin of `contract.time_context`."""
    local = arithmetic("+", SECONDS, _ahead(offsets(spec.zone)))
    days = arithmetic("div", local, number(_DAY))
    of_day = arithmetic("-", local, arithmetic("*", number(_DAY), days))
    # 1970-01-01 was a Thursday, the third day after a Monday.
    since_monday = arithmetic("+", days, number(3))
    weeks = arithmetic("div", since_monday, number(7))
    weekday = arithmetic("-", since_monday, arithmetic("*", number(7), weeks))
    parts = {
        "utc": timestamp(UTC, SECONDS),
        "seconds": SECONDS,
        "date": timestamp(DATE, days),
        "weekday": arithmetic("+", weekday, number(1)),
        "minutes": arithmetic("div", of_day, number(60)),
    }
    members = ((name, STRING if term.sort == STRING_SORT else NUMBER, term) for name, term in parts.items())
    return of_leaf(Object(tuple((TRUE, Const(name), of_leaf(scalar(kind, term))) for name, kind, term in members)))


def _ahead(changes: Sequence[tuple[int, int]]) -> Term:
    """How far the zone is ahead of UTC, by halving the changes that the second may lie after."""
    if len(changes) == 1:
        return number(changes[0][1])
    middle = len(changes) // 2
    before = less(SECONDS, number(changes[middle][0]))
    return conditional(before, _ahead(changes[:middle]), _ahead(changes[middle:]))


def token_facts(contract: Contract, claims: Mapping[str, Value]) -> Iterator[Term]:
    """What the service demands of the times of a token at the second of the decision: the twin of
    `token_times.valid_at`.

    claims: by name; of a time that policies do not see nothing is said.
    """
    times = {name: _numbers(claims[name]) for name in sorted(seen_times(contract)) if name in claims}
    for guard, moment in times.get("iat", ()):
        yield implies(guard, less(number(0), moment, strict=False))
        yield implies(guard, less(moment, arithmetic("+", SECONDS, number(LEEWAY)), strict=False))
    for guard, moment in times.get("exp", ()):
        yield implies(guard, less(number(0), moment, strict=False))
        yield implies(guard, less(SECONDS, arithmetic("+", moment, number(LEEWAY))))
        for there, issued in times.get("iat", ()):
            latest = arithmetic("+", issued, number(contract.profile.max_lifetime))
            counted = disj(equal(issued, number(0)), less(moment, latest, strict=False))
            yield implies(conj(guard, there), conj(less(issued, moment, strict=False), counted))


def _numbers(value: Value) -> list[tuple[Term, Term]]:
    """The cases of a value that are whole numbers."""
    found = []
    for guard, leaf in value.cases:
        if isinstance(leaf, Scalar) and leaf.term.sort == INT:
            found.append((guard, leaf.term))
        elif isinstance(leaf, Const) and isinstance(leaf.value, int) and not isinstance(leaf.value, bool):
            found.append((guard, number(leaf.value)))
    return found
