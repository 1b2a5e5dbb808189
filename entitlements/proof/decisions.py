"""What the two policies decide in scenarios, each distinct input asked once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from entitlements.contract import Contract, request_faults
from entitlements.engine import BatchEngine
from entitlements.model import JSON, Action, Verdict, same_json
from entitlements.proof.scenario import Scenario, policy_input_of

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

    def changed_decisions(self, scenarios: Sequence[Scenario], *, widening: bool) -> list[Scenario]:
        """The scenarios where access is denied before and allowed after, or for a narrowing the reverse.

        The side that has to allow is asked first, and the other only where it does.
        """
        allows = 1 if widening else 0
        left = [scenario for scenario, allow in zip(scenarios, self.allowed(scenarios, allows), strict=True) if allow]
        return [scenario for scenario, allow in zip(left, self.allowed(left, 1 - allows), strict=True) if not allow]

    def lost_obligations(self, scenarios: Sequence[Scenario], *, widening: bool) -> list[Scenario]:
        """The scenarios where both allow and an obligation of before is gone after; for a narrowing the reverse."""
        both = zip(scenarios, self.allowed(scenarios, 0), self.allowed(scenarios, 1), strict=True)
        return [one for one, before, after in both if before and after and self.lost(one, widening=widening)]

    def lost(self, scenario: Scenario, *, widening: bool) -> list[Mapping[str, JSON]]:
        """The obligations of before that are not among those of after; for a narrowing the reverse."""
        held, holds = self.verdicts(scenario) if widening else self.verdicts(scenario)[::-1]
        if held is None or holds is None:
            return []
        return [
            obligation
            for obligation in held.obligations
            if not any(same_json(obligation, one) for one in holds.obligations)
        ]

    def turns(self, scenarios: Sequence[Scenario], *, widening: bool, obligation: bool) -> list[Scenario]:
        """`lost_obligations` where it is about obligations, `changed_decisions` where it is about access."""
        return (
            self.lost_obligations(scenarios, widening=widening)
            if obligation
            else self.changed_decisions(scenarios, widening=widening)
        )

    def allowed(self, scenarios: Sequence[Scenario], side: int) -> list[bool]:
        """Whether the service would allow each point on one side (0 before, 1 after): first the request type counts."""
        permitted = [self._permitted(side, scenario) for scenario in scenarios]
        asked = (scenario for scenario, good in zip(scenarios, permitted, strict=True) if good)
        verdicts = iter(self._ask(side, (self.input(scenario, side) for scenario in asked)))
        return [good and _allows(next(verdicts)) for good in permitted]

    def _permitted(self, side: int, scenario: Scenario) -> bool:
        # Points share their resources and contexts. What is kept as a key stays alive, so no identity comes twice.
        key = side, scenario.action, bool(scenario.action_properties), id(scenario.resource), id(scenario.context)
        if key not in self._requests:
            good = request_permitted(self.contracts[side], scenario)
            self._requests[key] = (good, scenario.resource, scenario.context)
        return self._requests[key][0]

    def verdicts(self, scenario: Scenario) -> tuple[Verdict | None, Verdict | None]:
        """Both verdicts at one point; None where the evaluation failed."""
        return self._ask(0, [self.input(scenario, 0)])[0], self._ask(1, [self.input(scenario, 1)])[0]

    def input(self, scenario: Scenario, side: int) -> dict[str, JSON]:
        """What policy sees on one side (0 before, 1 after)."""
        return policy_input_of(self.contracts[side], scenario.after if side else scenario.before, scenario)

    def _ask(self, side: int, inputs: Iterable[Mapping[str, JSON]]) -> list[Verdict | None]:
        known = self._known[side]
        strings: list[str] = []
        fresh: dict[str, None] = {}

        def unknown() -> Iterator[str]:
            for one in inputs:
                text = _ENCODER.encode(one)
                strings.append(text)
                if text not in known and text not in fresh:
                    fresh[text] = None
                    yield text

        verdicts = self._engines[side].decide_encoded(unknown())
        known.update(zip(fresh, verdicts, strict=True))
        return [known[text] for text in strings]


def _allows(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.allow is True


def request_permitted(contract: Contract, scenario: Scenario) -> bool:
    """Whether the contract's request type lets the request through; always, where it types none."""
    return not request_faults(
        contract, Action(scenario.action, scenario.action_properties), scenario.resource, scenario.context
    )
