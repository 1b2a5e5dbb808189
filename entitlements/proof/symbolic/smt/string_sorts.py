"""Which texts of a question may be equal to one another, and of which more than that is asked."""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.proof.symbolic.terms.term import TEXT, Term


class TextGroups:
    """Which text terms meet, and whether more than equality is asked of them."""

    def __init__(self, terms: Sequence[Term], *, all_rich: bool) -> None:
        self._parent: dict[Term, Term] = {}
        rich: list[Term] = [term for term in terms if all_rich and term.sort == TEXT]
        for term in terms:
            arguments = [arg for arg in term.args if isinstance(arg, Term) and arg.sort == TEXT]
            if term.op == "=" and arguments:
                self._union(*arguments)
            elif arguments:
                rich += arguments
            if term.sort == TEXT and term.op not in ("var", "const"):
                rich.append(term)
        # Constants are shared among groups and join none of them.
        self._rich = {self._find(term) for term in rich if term.op != "const"}

    def _find(self, term: Term) -> Term:
        while (parent := self._parent.get(term, term)) is not term:
            term = parent
        return term

    def _union(self, one: Term, other: Term) -> None:
        if one.op != "const" and other.op != "const":
            left, right = self._find(one), self._find(other)
            if left is not right:
                self._parent[left] = right

    def rich(self, term: Term) -> bool:
        """Whether a text stands as a text."""
        return self._find(term) in self._rich

    def group(self, term: Term) -> Term:
        """What a text may be equal to."""
        return self._find(term)
