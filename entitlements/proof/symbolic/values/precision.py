"""What a symbolic execution writes down of its own limits, so that no answer claims more than was looked at.

Guarantees: a list whose elements were read is in `cut`; `scans` is at least the sum `n` of docs/proof-bounds.md, or
None where its lemma does not apply.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from entitlements.proof.symbolic.values.place import NOWHERE, Place


@dataclass(frozen=True)
class OpenEnd:
    """A computed list with elements that are known, and others that represent whatever there is beyond."""

    known: int
    others: int


@dataclass
class Limits:
    """Where the symbolic execution knows less than OPA would, each with a place at which it mattered.

    cut: input lists that were read, of which fewer elements were looked at than are permitted; scans: how many elements
    of such a list the decision can depend on at most, None where no number suffices; ends: of computed ones what is not
    known of the rest; until: the time of the monotonic clock at which the symbolic execution is abandoned.

    The number is counted so: each reading of the elements one by one can need one of them, and none where it has to
    hold of all. A reading of what was computed of the list needs as many as one element of that depends on. Readings
    nested in one body need one each. A reading within another one, entered through a negation, a call
    or a comprehension, may be needed once for every element: no number suffices. Nor does one where order or length
    count.
    """

    place: Place = NOWHERE
    cut: dict[str, Place] = field(default_factory=dict)
    scans: dict[str, int | None] = field(default_factory=dict)
    ends: dict[str, OpenEnd] = field(default_factory=dict)
    opened: dict[Place, None] = field(default_factory=dict)
    approximations: dict[tuple[str, Place], None] = field(default_factory=dict)
    until: float = math.inf
    _outer: int = 0
    _chain: list[set[Hashable]] = field(default_factory=list)

    def truncated(self, source_list: str) -> None:
        """A truncated list was read in a way that its order or length decides."""
        self.cut.setdefault(source_list, self.place)
        self.scans[source_list] = None

    def scanned(self, source_list: str, site: Hashable, elements: int | None) -> None:
        """The elements of a truncated list were looked at, of which one reading can depend on so many.

        site: where, once for all rounds of a loop.
        """
        self.cut.setdefault(source_list, self.place)
        known = self.scans.get(source_list, 0)
        if self._outer or known is None or elements is None:
            self.scans[source_list] = None
            return
        if self._chain:
            if (source_list, site) in self._chain[0]:
                return
            self._chain[0].add((source_list, site))
        self.scans[source_list] = known + elements

    def counted(self, *source_lists: str) -> None:
        """The length of a truncated list was read: it is known, whichever elements are looked at."""
        for source_list in source_lists:
            self.cut.setdefault(source_list, self.place)
            self.scans.setdefault(source_list, 0)

    @contextmanager
    def within(self, *, every: bool = False) -> Iterator[None]:
        """In a loop over a truncated list. every: whether its body may have to hold of each element."""
        self._chain.append(set())
        self._outer += every
        try:
            yield
        finally:
            self._outer -= every
            self._chain.pop()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """In a negation, a call or a comprehension."""
        chain, self._chain = self._chain, []
        self._outer += len(chain)
        try:
            yield
        finally:
            self._outer -= len(chain)
            self._chain = chain

    def open_end(self, source_list: str, known: int, others: int) -> None:
        """A list was computed of which some elements are known, and others represent any number of further ones."""
        self.ends[source_list] = OpenEnd(known, others)
        self.approximated(source_list)

    def open_object(self) -> None:
        """Members were looked for that nothing names."""
        self.opened[self.place] = None

    def approximated(self, what: str) -> None:
        """Less is known of a result than OPA would compute."""
        self.approximations[what, self.place] = None
