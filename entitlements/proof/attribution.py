"""Which rules a turn depends on: those that came to an end on one side alone and whose value differs, as OPA gives it.

That a rule was evaluated says nothing: of one that stands on one line the condition alone may have been looked at, and
a helper that only one side came to has the same value on both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from entitlements.engine import BatchEngine, PolicyReading, RuleLines
from entitlements.model import JSON, same_json

_MOST = 3
Path = tuple[str, ...]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Evaluated:
    """One side of a witness. engine, reading: of its policies; document: what they see."""

    engine: BatchEngine
    reading: PolicyReading
    document: Mapping[str, JSON]

    def ended(self) -> list[RuleLines]:
        """The rules that came to their end, by themselves or by an `else`."""
        starts = self.engine.coverage(self.document).starts
        return [rule for rule in self.reading.rules if any((rule.file, *head) in starts for head in rule.heads)]

    def stated(self, rule: RuleLines) -> tuple[str, bytes]:
        """A rule as it stands in its file, wherever that is: what makes it the same rule on both sides."""
        lines = self.engine.files[rule.file].splitlines()[rule.first - 1 : rule.last]
        return rule.file, b"\n".join(lines)


@dataclass(frozen=True)
class Attribution:
    """here, there: the rules that came to their end on that side alone and whose value differs; first: those of all
    rules whose value differs that depend on no other of them; first_of: the side whose rules these are.
    """

    here: tuple[RuleLines, ...]
    there: tuple[RuleLines, ...]
    first: tuple[RuleLines, ...]
    first_of: Evaluated


@dataclass(frozen=True, slots=True)
class FirstRule:
    """A rule whose value differs first. rule: its path, as `data.shop.authz.allow`; side: `after` where it stands in
    the new policies, `before` where only the old ones have it; file, line, last: where, relative to their folder.
    """

    rule: str
    file: str
    line: int
    last: int
    side: str

    def as_json(self) -> dict[str, JSON]:
        """The rule as its documented JSON object."""
        return {"rule": self.rule, "file": self.file, "line": self.line, "side": self.side}


def standing(found: Attribution, after: Evaluated) -> tuple[FirstRule, ...]:
    """The rules whose value differs first, as they stand in the new policies, where they do."""
    return tuple(_standing(rule, found.first_of, after) for rule in found.first)


def _standing(rule: RuleLines, side: Evaluated, after: Evaluated) -> FirstRule:
    name = f"data.{'.'.join(rule.path)}"
    if side is not after:
        same = [one for one in after.reading.rules if after.stated(one) == side.stated(rule)]
        if not same:
            return FirstRule(name, rule.file, rule.first, rule.last, "before")
        rule = same[0]
    return FirstRule(name, rule.file, rule.first, rule.last, "after")


def attribute(here: Evaluated, there: Evaluated) -> Attribution:
    """What makes two sides differ. here: the side that has what the other has not; where no rule can be named there,
    some that came to their end are, as then only data differ.
    """
    sides = (here, there)
    ended = _of_both(Evaluated.ended, sides)
    differing = _differing(sides, [rule for rules in ended for rule in rules])
    alone = [tuple(_alone(sides[one], ended[one], sides[1 - one], ended[1 - one], differing)) for one in (0, 1)]
    if not any(alone):
        alone[0] = tuple(rule for rule in ended[0] if rule.path in differing) or tuple(ended[0][:_MOST])
    return Attribution(alone[0], alone[1], *_first(sides, ended, differing))


def _of_both(asked: Callable[[Evaluated], Result], sides: Sequence[Evaluated]) -> list[Result]:
    """What OPA says of each side, asked at the same time."""
    with ThreadPoolExecutor(len(sides)) as threads:
        return list(threads.map(asked, sides))


def _differing(sides: Sequence[Evaluated], rules: Sequence[RuleLines]) -> frozenset[Path]:
    paths = sorted({rule.path for rule in rules if not rule.function})
    values = zip(*_of_both(lambda side: side.engine.values_of(paths, side.document), sides), strict=True)
    return frozenset(path for path, pair in zip(paths, values, strict=True) if not same_json(*pair))


def _alone(
    side: Evaluated, ended: Sequence[RuleLines], other: Evaluated, others: Sequence[RuleLines], differing: Set[Path]
) -> Iterator[RuleLines]:
    """The rules that ended on one side and not, as they stand, on the other. A function is reported by that alone."""
    stated = {other.stated(rule) for rule in others}
    yield from (r for r in ended if side.stated(r) not in stated and (r.function or r.path in differing))


def _first(
    sides: Sequence[Evaluated], ended: Sequence[Sequence[RuleLines]], differing: frozenset[Path]
) -> tuple[tuple[RuleLines, ...], Evaluated]:
    """Of the rules whose value differs those that depend on no other of them, on the side that comes first; and it."""
    uses = _uses([rule for side in sides for rule in side.reading.rules])
    for side, rules in zip(sides, ended, strict=True):
        if found := [r for r in rules if r.path in differing and not uses[r.path] & differing - {r.path}]:
            return tuple(found), side
    return (), sides[0]


def _uses(rules: Sequence[RuleLines]) -> Mapping[Path, frozenset[Path]]:
    """The rules that each rule may depend on, directly or through others."""
    paths = {rule.path for rule in rules}
    direct: dict[Path, set[Path]] = {path: set() for path in paths}
    for rule in rules:
        direct[rule.path] |= {path for path in paths for named in rule.mentions if _within(named, path)}
    return {path: frozenset(_reached(path, direct)) for path in paths}


def _reached(path: Path, direct: Mapping[Path, Set[Path]]) -> set[Path]:
    found: set[Path] = set()
    left = [path]
    while left:
        more = direct[left.pop()] - found
        found |= more
        left += more
    return found


def _within(one: Path, other: Path) -> bool:
    short = min(len(one), len(other))
    return one[:short] == other[:short]
