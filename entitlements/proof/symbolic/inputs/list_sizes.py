"""What the relation of two lists asks of their lengths, where these may not be wholly known (docs/proof-bounds.md).

Guarantees: each condition holds wherever it holds of the lists themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from entitlements.proof.symbolic.inputs.lengths import length
from entitlements.proof.symbolic.terms.term import TRUE, Term, arithmetic, conj, count, disj, less, neg, number
from entitlements.proof.symbolic.values.algebra import Algebra
from entitlements.proof.symbolic.values.value import Array


class Sizes:
    """How many items there are before, of them still permitted, and after.

    A list that stands as the set of its members may hold one of them again and again, and a truncated one may hold
    others: then the conditions are read generously.
    """

    def __init__(
        self,
        algebra: Algebra,
        schemas: tuple[Mapping[str, Any], Mapping[str, Any]],
        lists: tuple[Array, Array],
        kept: Sequence[Term],
    ) -> None:
        old, new = schemas
        self._repeats = not all(array.known_multiplicity for array in lists)
        self._before, self._after = (
            count([guard for guard, _ in array.elements]) if self._repeats else length(algebra, array)
            for array in lists
        )
        self._kept = count(kept)
        self._most = int(old["maxItems"]), int(new["maxItems"])
        self._least = int(old.get("minItems", 0)), int(new.get("minItems", 0))
        self._unsure = self._repeats or any(array.more for array in lists)

    def grows(self, added: Sequence[Term]) -> Term:
        """Where values that were permitted before may come."""
        too_few = less(self._kept, number(self._least[1]))
        if self._most[1] <= self._most[0]:
            return too_few
        longest = number(self._most[0])
        longer = disj(less(longest, arithmetic("+", self._before, count(added))), less(longest, self._after))
        return disj(too_few, TRUE if self._unsure else longer)

    @property
    def shrinks(self) -> Term:
        """Where the list is shorter than was permitted before."""
        return less(self._after, number(self._least[0]))

    def may_lose(self, lost: Sequence[Term], fresh: Sequence[Term], *, unique: bool) -> Term:
        """Where no more items are lost than were replaced by new values or were too many."""
        any_fresh = disj(*fresh)
        if self._repeats:
            spare = max(self._most[0] - self._most[1], 0)
            return disj(any_fresh, less(count(lost), number(spare), strict=False))
        replaced = [self._kept if unique else count(fresh), count(fresh)]
        found = []
        for condition, number_replaced in ((any_fresh, replaced[0]), (neg(any_fresh), replaced[1])):
            spare_term = arithmetic("-", arithmetic("+", self._before, number_replaced), number(self._most[1]))
            enough = disj(less(count(lost), number_replaced, strict=False), less(count(lost), spare_term, strict=False))
            found.append(conj(condition, enough))
        return disj(*found)
