"""Random decisions that hold obligations, and the obligations that OPA gives for them, one bit each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from entitlements.model import Verdict


def decision(chance: random.Random, body: Callable[[], str], claim: Callable[[], str]) -> str:
    """A rule `decision` over `allow`: the boolean, or an object with obligations of a set, a list or a chain."""
    kind = chance.randrange(10)
    if kind < 5:
        return "decision := allow"
    if kind < 8:
        duties = ['{"id": "log"}', '{"id": "step_up", "level": 1}', '{"id": "step_up", "level": 2}']
        # A claim that is missing leaves its obligation out.
        duties += [f'{{"id": "show", "what": {claim()}}}', f'{{"id": "each", "what": {{x | some x in {claim()}}}}}']
        rules = [f"duties contains {chance.choice(duties)} if {{ {body()} }}" for _ in range(chance.choice([1, 2, 2]))]
        head = 'decision := {"allow": allow, "reasons": set(), "obligations": duties}'
        return "\n\n".join([*rules, head])
    if kind == 8:
        listed = '[{"id": "log", "level": x} | some x in [1, 2]; needed[x]]'
        needed = "\n\n".join(f"needed[{number}] if {{ {body()} }}" for number in (1, 2))
        return f'{needed}\n\ndecision := {{"allow": allow, "obligations": {listed}}}'
    return (
        f'decision := {{"allow": true, "obligations": [{{"id": "log"}}]}} if {{ allow; {body()} }} '
        'else := {"allow": true} if { allow }'
    )


class Duties:
    """The obligations that were seen, each with a bit of its own."""

    def __init__(self) -> None:
        self._bits: dict[str, int] = {}

    def mask(self, verdict: Verdict) -> int:
        """The obligations of a verdict."""
        return self._mask(verdict.obligations)

    def _mask(self, obligations: tuple[Mapping[str, Any], ...]) -> int:
        found = 0
        for one in obligations:
            found |= 1 << self._bits.setdefault(json.dumps(one, sort_keys=True), len(self._bits))
        return found


def turned(before: tuple[int, ...], after: tuple[int, ...], both: int) -> tuple[bool, bool]:
    """Whether an obligation is lost and whether one is gained where both sides allow. both: those requests, one bit
    each.
    """
    there = [bit for bit in range(len(before)) if both & (1 << bit)]
    lost = any(before[bit] & ~after[bit] for bit in there)
    return lost, any(after[bit] & ~before[bit] for bit in there)
