"""The migration relation: which claims a principal may hold under the new contract that held others under the old one.

One predicate on concrete values, claim by claim. It is generous where the table of changes leaves room: a pair too many
can raise an alarm that is looked at, a pair too few would hide a widening.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from entitlements.contract import ClaimSpec, Contract, conforms, renamed
from entitlements.model import JSON, same_json


class _Absent:
    """A claim that is not there: not null, and equal to itself only."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
Value = Any


@dataclass(frozen=True, slots=True)
class ClaimStep:
    """One claim on its way from the old contract to the new one; None where a contract does not declare it.

    name_before and name_after differ where the new version declares a renaming.
    """

    name_before: str
    name_after: str
    before: ClaimSpec | None
    after: ClaimSpec | None

    @property
    def same(self) -> bool:
        """Whether the specification is the same: then so is the value."""
        if self.before is None or self.after is None:
            return False
        return self.before.required == self.after.required and same_json(self.before.schema, self.after.schema)


def in_access_token(claim: ClaimSpec | None) -> ClaimSpec | None:
    """The claim if an access token may hold it: policy never sees any other."""
    return claim if claim is not None and "access_token" in claim.tokens else None


def claim_steps(old: Contract, new: Contract) -> tuple[ClaimStep, ...]:
    """Every claim of either contract that policy can see, paired."""
    names = renamed(old, new)
    steps = []
    for name, claim in old.claims.items():
        after = names.get(name, name)
        steps.append(ClaimStep(name, after, in_access_token(claim), in_access_token(new.claims.get(after))))
    known = {step.name_after for step in steps}
    steps += [ClaimStep(name, name, None, in_access_token(c)) for name, c in new.claims.items() if name not in known]
    return tuple(step for step in steps if step.before is not None or step.after is not None)


def related_claim(step: ClaimStep, before: Value, after: Value, *, released: tuple[bool, bool]) -> bool:
    """Whether a principal whose claim was `before` may hold `after`; ABSENT where it is not there.

    released: whether the scopes that were granted release the claim, under the old and the new contract.
    """
    old = step.before if released[0] else None
    new = step.after if released[1] else None
    if not _holds(old, before) or not _holds(new, after):
        return False
    if old is None or new is None:
        # Gone; or added, or newly released by a scope: any permitted value, absent if it may be.
        return True
    if step.same:
        return same_json(before, after)
    if before is ABSENT:
        return after is ABSENT or old.required != new.required or not conforms(old.schema, after)
    if after is ABSENT:
        # It may only disappear where the new contract lets it: as an optional claim that was required, or as one whose
        # value is no longer permitted.
        return old.required or not conforms(new.schema, before)
    return related_value(old.schema, new.schema, before, after)


def _holds(claim: ClaimSpec | None, value: Value) -> bool:
    if claim is None:
        return value is ABSENT
    return not claim.required if value is ABSENT else conforms(claim.schema, value)


def related_value(old: Mapping[str, JSON], new: Mapping[str, JSON], before: Value, after: Value) -> bool:
    """Whether a present value may become another present one. Both conform to their schemas."""
    if same_json(old, new):
        return same_json(before, after)
    if isinstance(before, list) and isinstance(after, list) and "items" in old and "items" in new:
        return _related_list(old, new, before, after)
    if isinstance(before, dict) and isinstance(after, dict) and "properties" in old and "properties" in new:
        return _related_object(old, new, before, after)
    # The old value if it is still permitted, any newly permitted one, and any at all where the old one no longer is.
    return same_json(before, after) or not conforms(old, after) or not conforms(new, before)


def _related_list(old: Mapping[str, Any], new: Mapping[str, Any], before: list[Value], after: list[Value]) -> bool:
    if same_json(before, after):
        return True
    kept = [item for item in before if conforms(new["items"], item)]
    extra = [item for item in after if not _among(item, before)]
    fresh = [item for item in extra if not conforms(old["items"], item)]
    grows = len(after) > old.get("maxItems", len(after)) or len(kept) < new.get("minItems", 0)
    if len(extra) > len(fresh) and not grows:
        return False
    lost = [item for item in kept if not _among(item, after)]
    too_long = len(kept) - new.get("maxItems", len(kept))
    # As a list may grow beyond the old maximum where that was raised, it may shrink below a minimum that was lowered.
    shrinks = len(after) < old.get("minItems", 0)
    return shrinks or bool(len(lost) <= max(too_long, 0) + len(fresh))


def _among(item: Value, items: Sequence[Value]) -> bool:
    return any(same_json(item, other) for other in items)


def _related_object(
    old: Mapping[str, Any], new: Mapping[str, Any], before: Mapping[str, Value], after: Mapping[str, Value]
) -> bool:
    for name in {*old["properties"], *new["properties"]}:
        step = ClaimStep(name, name, _property(old, name), _property(new, name))
        value = before.get(name, ABSENT), after.get(name, ABSENT)
        if not related_claim(step, *value, released=(True, True)):
            return False
    return True


def _property(schema: Mapping[str, Any], name: str) -> ClaimSpec | None:
    if name not in schema["properties"]:
        return None
    required = name in schema.get("required", ())
    return ClaimSpec(name, schema["properties"][name], required, "internal", ("access_token",), "", "")


def related_scopes(old: Contract, new: Contract, before: frozenset[str], after: frozenset[str]) -> bool:
    """Scopes as a list vocabulary: removed ones go, kept ones stay or are replaced by new ones, new ones may come."""
    if not before <= set(old.scopes) or not after <= set(new.scopes):
        return False
    fresh = {scope for scope in after if scope not in old.scopes}
    lost = {scope for scope in before if scope in new.scopes} - after
    return after - before <= fresh and len(lost) <= len(fresh)


def released(contract: Contract, claim: str, scopes: frozenset[str]) -> bool:
    """Whether an access token with these scopes may hold the claim."""
    if claim not in contract.claims:
        return False
    by = contract.released_by[claim]
    return not by or bool(by & scopes)


def related(
    old: Contract,
    new: Contract,
    before: tuple[frozenset[str], Mapping[str, Value]],
    after: tuple[frozenset[str], Mapping[str, Value]],
) -> bool:
    """Whether a principal with the scopes and claims `before` may get those of `after`: the whole relation."""
    steps = claim_steps(old, new)
    declared = {s.name_before for s in steps if s.before}, {s.name_after for s in steps if s.after}
    if not (before[1].keys() <= declared[0] and after[1].keys() <= declared[1]):
        return False
    return related_scopes(old, new, before[0], after[0]) and all(
        related_claim(
            step,
            before[1].get(step.name_before, ABSENT) if step.before else ABSENT,
            after[1].get(step.name_after, ABSENT) if step.after else ABSENT,
            released=(released(old, step.name_before, before[0]), released(new, step.name_after, after[0])),
        )
        for step in steps
    )
