"""What the two policies decide at points, each distinct input asked once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from entitlements.contract import Contract, request_faults
from entitlements.engine import BatchEngine
from entitlements.model import JSON, Action, Verdict
from entitlements.proof.space import Point, policy_inputs


class Decisions:
    """Verdicts of the old policy under the old contract and of the new one under the new contract.

    engines: old and new; decided: how many distinct inputs were evaluated so far, on both sides together.
    """

    def __init__(self, old: Contract, new: Contract, engines: tuple[BatchEngine, BatchEngine]) -> None:
        self._contracts = (old, new)
        self._engines = engines
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

    def allowed(self, points: Sequence[Point], side: int) -> list[bool]:
        """Whether the service would allow each point on one side (0 before, 1 after): first the request type counts."""
        contract = self._contracts[side]
        permitted = [request_permitted(contract, point) for point in points]
        asked = [point for point, good in zip(points, permitted, strict=True) if good]
        verdicts = iter(self._ask(side, [policy_inputs(*self._contracts, point)[side] for point in asked]))
        return [good and _allows(next(verdicts)) for good in permitted]

    def verdicts(self, point: Point) -> tuple[Verdict | None, Verdict | None]:
        """Both verdicts at one point; None where the evaluation failed."""
        before, after = policy_inputs(*self._contracts, point)
        return self._ask(0, [before])[0], self._ask(1, [after])[0]

    def _ask(self, side: int, inputs: Sequence[Mapping[str, JSON]]) -> list[Verdict | None]:
        known = self._known[side]
        keys = [_key(one) for one in inputs]
        unknown = {key: one for key, one in zip(keys, inputs, strict=True) if key not in known}
        if unknown:
            known.update(zip(unknown, self._engines[side].decide([*unknown.values()]), strict=True))
        return [known[key] for key in keys]


def _allows(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.allow is True


def request_permitted(contract: Contract, point: Point) -> bool:
    """Whether the contract's request type lets the request through; always, where it types none."""
    return not request_faults(contract, Action(point.action), point.resource, point.context)


def _key(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
