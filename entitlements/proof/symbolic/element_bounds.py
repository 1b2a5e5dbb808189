"""How many elements of each list a question can depend on, and of which lists fewer are followed: the lemmas of
docs/proof-bounds.md.

Assumes: what each side wrote down in its `Limits`. Guarantees: where no list is short, an answer about the elements
that are followed is one about lists of every permitted length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.names import of_request
from entitlements.proof.symbolic.inputs.pairing import Pairing, Partners
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.term import Term, subterms
from entitlements.proof.symbolic.values.place import NOWHERE, Place
from entitlements.proof.symbolic.values.precision import Limits
from entitlements.proof.symbolic.values.truncation import added

_OF_RELATION = 2
"""Elements of a list that show that it does not conform to the other contract: one that does not, or two alike."""


class Side(Protocol):
    """What one side of a question read. fails: whether anything may fail."""

    @property
    def limits(self) -> Limits:
        """What was read of lists."""

    @property
    def may_fail(self) -> bool:
        """Whether anything may fail."""


class Bounds:
    """The bounds of one question. conditions: all that the question is made of, but for the relation."""

    def __init__(self, inputs: Inputs, pairing: Pairing, sides: Sequence[Side], conditions: Sequence[Term]) -> None:
        self._inputs, self._pairing, self._sides = inputs, pairing, sides
        self._conditions = conditions
        self._names: tuple[str, ...] | None = None
        self.needs = self._needed()

    def _needed(self) -> dict[str, int | None]:
        """How many elements of each truncated list the decisions of both sides can depend on."""
        found: dict[str, int | None] = {}
        for side in self._sides:
            for source_list in side.limits.cut:
                more = side.limits.scans.get(source_list, 0)
                # Two values of one rule, which is a failure, are found in two rounds of a loop.
                more = added(more, more) if side.may_fail else more
                found[source_list] = added(found.get(source_list, 0), more)
        related: dict[str, int | None] = {}
        for partners in self._pairing.partners:
            related |= dict.fromkeys(self._truncated(partners), self._of_both(partners, found))
        # What shows that a whole does not conform to the other contract may be elements of a list that stays free.
        parts = {name: added(found[name], _OF_RELATION) for name in self._pairing.parts & found.keys()}
        return {**found, **parts, **related}

    def _truncated(self, partners: Partners) -> list[str]:
        return [name for name in partners.names if name in self._inputs.truncated]

    def _of_both(self, partners: Partners, read: Mapping[str, int | None]) -> int | None:
        """Elements that are read of a list, and those of the other that its own ones are related to."""
        one, other = (
            read.get(name, 0) if name in self._inputs.truncated else partners.most(side)
            for side, name in enumerate(partners.names)
        )
        if one is None or other is None:
            return None
        return max(max(one, 1) + max(other, 1), one + _OF_RELATION, other + _OF_RELATION)

    def _read(self, names: Sequence[str]) -> bool:
        """Whether a decision can depend on anything of one of these names."""
        if any(name in side.limits.cut for side in self._sides for name in names):
            return True
        if self._names is None:
            self._names = tuple({t.args[0] for t in subterms(self._conditions) if t.op in (Op.VAR, Op.CHOICE)})
        return any(_is_of(variable, name) for variable in self._names for name in names)

    def short(self) -> dict[str, Place]:
        """Lists of which fewer elements are followed than the question can depend on, with where they are read."""
        found: dict[str, Place] = {}
        for side in self._sides:
            for source_list, place in side.limits.cut.items():
                if not self._suffices(source_list, side.limits):
                    found.setdefault(source_list, place)
        # What is not read may still have to be there for the relation.
        for partners in self._pairing.partners:
            if self._read(partners.names):
                lists = [name for name in self._truncated(partners) if not self._suffices(name)]
                found |= {name: NOWHERE for name in lists if name not in found}
        for name, claims in self._pairing.loose.items():
            if name in self._inputs.truncated and self._read(claims):
                found.setdefault(name, NOWHERE)
        return found

    def _suffices(self, source_list: str, limits: Limits | None = None) -> bool:
        end = limits.ends.get(source_list) if limits else None
        needed = self.needs[source_list]
        if end is not None:
            return needed is not None and needed <= end.others
        # Elements that have to differ may differ by what would be left out.
        if source_list in self._inputs.apart or not self._related_in_full(source_list):
            return False
        return needed is not None and needed <= self._inputs.sizes.get(source_list, -1)

    def _related_in_full(self, source_list: str) -> bool:
        """Whether what is left of a list is related as the list was."""
        pairing = self._pairing
        if source_list in pairing.shared or source_list in pairing.free or of_request(source_list):
            return True
        related = any(source_list in partners.names for partners in pairing.partners)
        return related and self._inputs.generous


def _is_of(variable: str, name: str) -> bool:
    return variable.startswith(name) and variable[len(name) : len(name) + 1] in ("", " ", "[", ".")
