"""How long a question may take as a whole, and which rule asked too much where that did not suffice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from entitlements.proof.symbolic.encode import Question
from entitlements.proof.symbolic.terms.term import Term, subterms
from entitlements.proof.symbolic.values.place import Place

_HARD = frozenset({"on_text", "on_strings", "part", "concat", "digits"})
_TIMES_HARDER = 50
"""What is asked of strings counts so many times as much as another condition."""


@dataclass(frozen=True)
class TimeLimit:
    """When one question ends. seconds: that it may take; until: by the clock."""

    seconds: float
    until: float
    clock: Callable[[], float]

    @classmethod
    def starting(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> TimeLimit:
        """The limit of a question that begins now."""
        return cls(seconds, clock() + seconds, clock)

    @property
    def left(self) -> float:
        """The seconds that are left; none, or fewer, where it has to end."""
        return self.until - self.clock()

    @property
    def reached(self) -> str:
        """Why a question has no answer that took longer."""
        return f"the limit of {self.seconds:g} seconds a question is reached"


UNLIMITED = TimeLimit(math.inf, math.inf, time.monotonic)


def heaviest_rule(question: Question) -> Place | None:
    """The rule of which the condition asks the most of a solver, on either side; None where there is no rule.

    Of a rule that is mostly made of another one (a default of what it stands in for, say) it is the other one.
    """
    terms: dict[Place, frozenset[Term]] = {}
    for executed in question.executed:
        for place, term in executed.fired.items():
            terms[place] = max(frozenset(subterms([term])), terms.get(place, frozenset()), key=_weight)
    heaviest = _heaviest(terms, terms)
    while heaviest is not None:
        inner = [place for place, own in terms.items() if own < terms[heaviest] and _is_most(own, terms[heaviest])]
        if not inner:
            break
        heaviest = _heaviest(inner, terms)
    return heaviest


def _heaviest(places: Iterable[Place], terms: Mapping[Place, frozenset[Term]]) -> Place | None:
    return max(places, key=lambda place: (_weight(terms[place]), place.file, -place.row), default=None)


def _is_most(part: frozenset[Term], whole: frozenset[Term]) -> bool:
    return 2 * _weight(part) >= _weight(whole)


def _weight(terms: Iterable[Term]) -> int:
    return sum(_TIMES_HARDER if term.op in _HARD else 1 for term in terms)
