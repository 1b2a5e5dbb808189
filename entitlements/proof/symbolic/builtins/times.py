"""Rules of built-ins on times: the hour and the day of a whole number of nanoseconds since 1970, in UTC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from entitlements.proof.symbolic.builtins.table import Context, NoRule, Rule
from entitlements.proof.symbolic.terms.term import (
    INT,
    TRUE,
    Term,
    arithmetic,
    conj,
    equal,
    less,
    neg,
    number,
)
from entitlements.proof.symbolic.values.concrete import plain
from entitlements.proof.symbolic.values.value import (
    NUMBER,
    Array,
    Const,
    Leaf,
    Value,
    constant,
    joined,
    of_leaf,
    scalar,
    term_of,
)

RULES: dict[str, Rule] = {}
"""The rules by the name of the built-in."""

_SECOND: Final = 10**9
_LATEST: Final = 2**63 - 1
"""The last nanosecond that OPA takes for a time; it fails beyond (OPA, v1/topdown/time.go tzTime)."""
_WEEKDAYS: Final = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")
"""From the first day of 1970."""


def _of_time(name: str, make: Callable[[Term], Value]) -> Rule:
    def rule(call: Context, arguments: Sequence[Value], live: Term) -> Value:
        parts = []
        for guard, leaf in arguments[0].cases:
            found = _nanoseconds(leaf)
            known = conj(less(number(-_LATEST - 1), found, strict=False), less(found, number(_LATEST), strict=False))
            call.fails(f"`{name}` gets a time that is too far away", conj(live, guard, neg(known)))
            parts.append((conj(guard, known), make(found)))
        return joined(parts)

    return rule


def _nanoseconds(leaf: Leaf) -> Term:
    """A number by itself, or in a list with the zone. Raises NoRule for another zone, and for a constant."""
    if isinstance(leaf, Array):
        leaf = _in_utc(leaf)
    if isinstance(leaf, Const) or leaf.kind != NUMBER or term_of(leaf).sort != INT:
        raise NoRule
    return term_of(leaf)


def _in_utc(array: Array) -> Leaf:
    zones = [plain(zone) for _, zone in array.elements[1:]]
    whole = array.prefix and not array.truncated and all(guard is TRUE for guard, _ in array.elements)
    if not whole or zones not in ([], [(True, "UTC")], [(True, "")]):
        raise NoRule
    if not array.elements or len(array.elements[0][1].cases) != 1:
        raise NoRule
    ((guard, leaf),) = array.elements[0][1].cases
    if guard is not TRUE:
        raise NoRule
    return leaf


def _units(nanoseconds: Term, seconds: int, most: int) -> Term:
    """How many units of so many seconds have gone by, from none to fewer than `most`."""
    gone = arithmetic("div", nanoseconds, number(seconds * _SECOND))
    before = arithmetic("*", number(most), arithmetic("div", nanoseconds, number(most * seconds * _SECOND)))
    return arithmetic("-", gone, before)


def _clock(nanoseconds: Term) -> Value:
    parts = (_units(nanoseconds, 3600, 24), _units(nanoseconds, 60, 60), _units(nanoseconds, 1, 60))
    return of_leaf(Array(tuple((TRUE, of_leaf(scalar(NUMBER, one))) for one in parts)))


def _weekday(nanoseconds: Term) -> Value:
    day = _units(nanoseconds, 24 * 3600, 7)
    return joined((equal(day, number(place)), constant(name)) for place, name in enumerate(_WEEKDAYS))


RULES["time.clock"] = _of_time("time.clock", _clock)
RULES["time.weekday"] = _of_time("time.weekday", _weekday)
