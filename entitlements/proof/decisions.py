"""What the two policies decide at points, each distinct input asked once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from entitlements.contract import Contract, request_faults
from entitlements.engine import BatchEngine
from entitlements.model import JSON, Action, Verdict, same_json
from entitlements.proof.point import Point, policy_input_of

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Decisions:
    """Verdicts of the old policy under the old contract and of the new one under the new contract.

    contracts and engines: old and new; decided: how many distinct inputs were evaluated so far, on both sides together.
    """

    def __init__(self, old: Contract, new: Contract, engines: tuple[BatchEngine, BatchEngine]) -> None:
        self.contracts = (old, new)
        self._engines = engines
        self._requests: dict[tuple[int, str, bool, int, int], tuple[bool, object, object]] = {}
        self._known: tuple[dict[str, Verdict | None], dict[str, Verdict | None]] = ({}, {})

    @property
    def decided(self) -> int:
        """Distinct inputs that were evaluated."""
        return sum(map(len, self._known))

    def flips(self, points: Sequence[Point], *, widening: bool) -> list[Point]:
        """The points where access is denied before and allowed after, or for a narrowing the reverse.

        The side that has to allow is asked first, and the other only where it does.
        """
        allows = 1 if widening else 0
        left = [point for point, allow in zip(points, self.allowed(points, allows), strict=True) if allow]
        return [point for point, allow in zip(left, self.allowed(left, 1 - allows), strict=True) if not allow]

    def losses(self, points: Sequence[Point], *, widening: bool) -> list[Point]:
        """The points where both sides allow and an obligation of before is gone after; for a narrowing the reverse."""
        both = zip(points, self.allowed(points, 0), self.allowed(points, 1), strict=True)
        return [one for one, before, after in both if before and after and self.lost(one, widening=widening)]

    def lost(self, point: Point, *, widening: bool) -> list[Mapping[str, JSON]]:
        """The obligations of before that are not among those of after; for a narrowing the reverse."""
        held, holds = self.verdicts(point) if widening else self.verdicts(point)[::-1]
        if held is None or holds is None:
            return []
        return [duty for duty in held.obligations if not any(same_json(duty, one) for one in holds.obligations)]

    def turns(self, points: Sequence[Point], *, widening: bool, duty: bool) -> list[Point]:
        """`losses` where it is about obligations, `flips` where it is about access."""
        return self.losses(points, widening=widening) if duty else self.flips(points, widening=widening)

    def allowed(self, points: Sequence[Point], side: int) -> list[bool]:
        """Whether the service would allow each point on one side (0 before, 1 after): first the request type counts."""
        permitted = [self._permitted(side, point) for point in points]
        asked = (point for point, good in zip(points, permitted, strict=True) if good)
        verdicts = iter(self._ask(side, (self.input(point, side) for point in asked)))
        return [good and _allows(next(verdicts)) for good in permitted]

    def _permitted(self, side: int, point: Point) -> bool:
        # Points share their resources and contexts. What is kept as a key stays alive, so no identity comes twice.
        key = side, point.action, bool(point.action_properties), id(point.resource), id(point.context)
        if key not in self._requests:
            good = request_permitted(self.contracts[side], point)
            self._requests[key] = (good, point.resource, point.context)
        return self._requests[key][0]

    def verdicts(self, point: Point) -> tuple[Verdict | None, Verdict | None]:
        """Both verdicts at one point; None where the evaluation failed."""
        return self._ask(0, [self.input(point, 0)])[0], self._ask(1, [self.input(point, 1)])[0]

    def input(self, point: Point, side: int) -> dict[str, JSON]:
        """What policy sees on one side (0 before, 1 after)."""
        return policy_input_of(self.contracts[side], point.after if side else point.before, point)

    def _ask(self, side: int, inputs: Iterable[Mapping[str, JSON]]) -> list[Verdict | None]:
        known = self._known[side]
        texts: list[str] = []
        fresh: dict[str, None] = {}

        def unknown() -> Iterator[str]:
            for one in inputs:
                text = _ENCODER.encode(one)
                texts.append(text)
                if text not in known and text not in fresh:
                    fresh[text] = None
                    yield text

        verdicts = self._engines[side].decide_texts(unknown())
        known.update(zip(fresh, verdicts, strict=True))
        return [known[text] for text in texts]


def _allows(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.allow is True


def request_permitted(contract: Contract, point: Point) -> bool:
    """Whether the contract's request type lets the request through; always, where it types none."""
    return not request_faults(contract, Action(point.action, point.action_properties), point.resource, point.context)
