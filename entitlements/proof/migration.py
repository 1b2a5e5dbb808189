"""The migration relation: which claims a principal may hold under the new contract that held others under the old one.

One predicate on concrete values, claim by claim. It is generous where the table of changes leaves room: a pair too many
can raise an alarm that is looked at, a pair too few would hide a widening.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from entitlements.contract import (
    TOKEN_TIMES,
    ClaimSpec,
    Contract,
    always_names_client,
    conforms,
    has_map,
    read_differently,
    retyped,
    successors,
)
from entitlements.model import JSON, same_json
from entitlements.proof.token_times import always_there, longer_lived


class _Absent:
    """A claim that is not there: not null, and equal to itself only."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
Value = Any
_ANY_STRING: Final[Mapping[str, JSON]] = {"type": "string", "minLength": 1}
_MAY_BE_EMPTY: Final[Mapping[str, JSON]] = {"type": "string"}


@dataclass(frozen=True, slots=True)
class ClaimStep:
    """One claim on its way from the old contract to the new one; None where a contract does not declare it.

    name_before and name_after differ where the new version declares a renaming. One is empty where the claim is not
    declared on that side and another claim has its name there. other_issuer: whether the claim names a subject, a
    client or an actor, and another issuer does so after: such a name is unique within its issuer only. other_times:
    whether it is a time of tokens that may live longer, or shorter, after.
    """

    name_before: str
    name_after: str
    before: ClaimSpec | None
    after: ClaimSpec | None
    other_issuer: bool = False
    other_times: bool = False

    @property
    def same(self) -> bool:
        """Whether the specification is the same: then so is the value."""
        if self.before is None or self.after is None or self.reread or self.other_issuer or self.other_times:
            return False
        if self.before.extraction.ignored != self.after.extraction.ignored:
            return False
        return self.before.required == self.after.required and same_json(self.before.schema, self.after.schema)

    @property
    def reread(self) -> bool:
        """Whether the claim is read at another place or otherwise: nothing of its value is known to stay."""
        return self.before is not None and self.after is not None and read_differently(self.before, self.after)

    @property
    def unfollowed(self) -> bool:
        """Whether nothing of the value is known to stay: it is read otherwise, named by another issuer, of another
        type, or changes with a map in it.
        """
        if self.before is None or self.after is None or self.reread or self.other_issuer or self.other_times:
            return self.reread or self.other_issuer or self.other_times
        maps = not self.same and (has_map(self.before.schema) or has_map(self.after.schema))
        return maps or of_another_type(self.before.schema, self.after.schema)

    @property
    def ignores_more(self) -> bool:
        """Whether items are left out after that no list could hold before: they may take the place of others."""
        if self.before is None or self.after is None:
            return False
        return bool({*self.after.extraction.ignored} - {*self.before.extraction.ignored})


def in_access_token(claim: ClaimSpec | None) -> ClaimSpec | None:
    """The claim if an access token may hold it: policy never sees any other.

    It is what was read at its source: one that is empty where the token has none is always there.
    """
    if claim is None or "access_token" not in claim.tokens:
        return None
    return replace(claim, required=True) if claim.extraction.empty_if_absent else claim


def claim_steps(old: Contract, new: Contract) -> tuple[ClaimStep, ...]:
    """Every claim of either contract that policy can see, paired. Of registered claims these are times at most: see
    `identity_step`.

    Raises ContractsInvalid `link_not_followed` where a claim would go on under two names.
    """
    names = successors(old, new)
    steps = []
    for name, claim in old.claims.items():
        # Where its name goes to another claim, nothing is left of it.
        after = names.get(name, "" if name in new.claims else name)
        apart = claim.actor and _other_issuer(old, new), name in TOKEN_TIMES and longer_lived(old, new)
        steps.append(ClaimStep(name, after, _seen(old, name), _seen(new, after), *apart))
    added = [name for name in new.claims if name not in names.values()]
    steps += [ClaimStep("" if name in old.claims else name, name, None, _seen(new, name)) for name in added]
    return tuple(step for step in steps if step.before is not None or step.after is not None)


def _seen(contract: Contract, name: str) -> ClaimSpec | None:
    """A claim if policies see it among the claims of an access token; times that its profile demands are there."""
    claim = None if name in contract.unseen else in_access_token(contract.claims.get(name))
    return replace(claim, required=True) if claim is not None and always_there(contract, name) else claim


def identity_step(old: Contract, new: Contract, name: str) -> ClaimStep:
    """`sub` or `client_id`, which every token holds: any string, unless a contract narrows it.

    Where a token may name no client, policies see an empty one, whatever the contract says of those that are named.
    Both are unique within their issuer only (RFC 9068 section 2.2, RFC 6749 section 2.2).
    """
    return ClaimStep(name, name, _identity(old, name), _identity(new, name), _other_issuer(old, new))


def _other_issuer(old: Contract, new: Contract) -> bool:
    return old.profile.issuer != new.profile.issuer


def _identity(contract: Contract, name: str) -> ClaimSpec:
    declared = in_access_token(contract.claims.get(name))
    # One that is bound to a scope is held against its schema with that scope only.
    narrowed = declared is not None and not contract.released_by[name]
    schema = declared.schema if declared is not None and narrowed else _ANY_STRING
    if name == "client_id" and not always_names_client(contract):
        schema = _MAY_BE_EMPTY
    return ClaimSpec(name, schema, True, "internal", ("access_token",), "", "")


def related_claim(step: ClaimStep, before: Value, after: Value, *, released: tuple[bool, bool]) -> bool:
    """Whether a principal whose claim was `before` may hold `after`; ABSENT where it is not there.

    released: whether the scopes that were granted release the claim, under the old and the new contract.
    """
    old = step.before if released[0] else None
    new = step.after if released[1] else None
    if not _holds(old, before) or not _holds(new, after):
        return False
    if old is None or new is None or step.unfollowed:
        # Gone; or added, newly released by a scope, read otherwise or of another type: any permitted value, absent if
        # it may be.
        return True
    if step.same:
        return same_json(before, after)
    if before is ABSENT:
        return after is ABSENT or old.required != new.required or not conforms(old.schema, after)
    if after is ABSENT:
        # It may only disappear where the new contract lets it: as an optional claim that was required, or as one whose
        # value is no longer permitted.
        return old.required or not conforms(new.schema, before)
    if step.ignores_more:
        return may_refill(new.schema) or _related_list(old.schema, new.schema, before, after, thins=True)
    return related_value(old.schema, new.schema, before, after)


def may_refill(schema: Mapping[str, Any]) -> bool:
    """Whether a list whose items became ignored ones may be too short then, and is filled with any other."""
    return bool(schema.get("minItems", 0) > 0)


def _holds(claim: ClaimSpec | None, value: Value) -> bool:
    if claim is None:
        return value is ABSENT
    return not claim.required if value is ABSENT else conforms(claim.schema, value)


def related_value(old: Mapping[str, JSON], new: Mapping[str, JSON], before: Value, after: Value) -> bool:
    """Whether a present value may become another present one. Both conform to their schemas."""
    if same_json(old, new):
        return same_json(before, after)
    if of_another_type(old, new):
        return True
    if isinstance(before, list) and isinstance(after, list) and "items" in old and "items" in new:
        return _related_list(old, new, before, after)
    if isinstance(before, dict) and isinstance(after, dict) and "properties" in old and "properties" in new:
        return _related_object(old, new, before, after)
    # The old value if it is still permitted, any newly permitted one, and any at all where the old one no longer is.
    return same_json(before, after) or not conforms(old, after) or not conforms(new, before)


def of_another_type(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the type, or that of a list's items, is another, or maps change: then any permitted value may come."""
    if retyped(old, new) or (not same_json(old, new) and (has_map(old) or has_map(new))):
        return True
    return "items" in old and "items" in new and of_another_type(old["items"], new["items"])


def _related_list(
    old: Mapping[str, Any], new: Mapping[str, Any], before: list[Value], after: list[Value], *, thins: bool = False
) -> bool:
    """thins: whether any item may have been replaced by one that is left out."""
    if same_json(before, after):
        return True

    def stays(item: Value, other: Value) -> bool:
        """Whether one item is what became of another: itself, or a list or an object whose parts changed."""
        parts = isinstance(item, (list, dict)) and isinstance(other, type(item))
        return related_value(old["items"], new["items"], item, other) if parts else same_json(item, other)

    kept = [item for item in before if conforms(new["items"], item)]
    if new.get("uniqueItems"):
        kept = [item for index, item in enumerate(kept) if not any(same_json(item, one) for one in kept[:index])]
    fresh = [item for item in after if not conforms(old["items"], item)]
    known = [item for item in after if conforms(old["items"], item)]
    added = sum(not any(stays(one, item) for one in before) for item in known)
    if added and not _grows(old, new, (len(before), len(kept), len(after)), added):
        return False
    lost = [item for item in kept if not any(stays(item, other) for other in after)]
    too_long = max(len(before) - new["maxItems"], 0)
    # Several items may be replaced by the same new one, which a list without repetitions holds once.
    replaced = len(kept) if fresh and new.get("uniqueItems") else len(fresh)
    # As a list may grow beyond the old maximum where that was raised, it may shrink below a minimum that was lowered.
    shrinks = len(after) < old.get("minItems", 0)
    return bool(thins or shrinks or len(lost) <= too_long + replaced)


def _grows(old: Mapping[str, Any], new: Mapping[str, Any], lengths: tuple[int, int, int], added: int) -> bool:
    """Whether values that were permitted before may come: beyond the old maximum, or where too few are left.

    lengths: of the list before, of what is still permitted of it, and of the list after.
    """
    before, kept, after = lengths
    raised = new["maxItems"] > old["maxItems"]
    return bool(kept < new.get("minItems", 0) or (raised and max(before + added, after) > old["maxItems"]))


def _related_object(
    old: Mapping[str, Any], new: Mapping[str, Any], before: Mapping[str, Value], after: Mapping[str, Value]
) -> bool:
    for name in {*old["properties"], *new["properties"]}:
        step = ClaimStep(name, name, property_of(old, name), property_of(new, name))
        value = before.get(name, ABSENT), after.get(name, ABSENT)
        if not related_claim(step, *value, released=(True, True)):
            return False
    return True


def property_of(schema: Mapping[str, Any], name: str) -> ClaimSpec | None:
    """A property of an object as a claim; None where the schema has none of this name."""
    if name not in schema["properties"]:
        return None
    required = name in schema.get("required", ())
    return ClaimSpec(name, schema["properties"][name], required, "internal", ("access_token",), "", "")


def related_scopes(old: Contract, new: Contract, before: frozenset[str], after: frozenset[str]) -> bool:
    """Scopes as a finite domain: removed ones go, kept ones stay or are replaced by new ones, new ones may come."""
    if not before <= set(old.scopes) or not after <= set(new.scopes):
        return False
    fresh = {scope for scope in after if scope not in old.scopes}
    lost = {scope for scope in before if scope in new.scopes} - after
    # Several may be replaced by one: a token holds each scope once.
    return after - before <= fresh and (not lost or bool(fresh))


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
