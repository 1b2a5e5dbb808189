"""Which strings of a question may be equal to one another, and of which more than that is asked."""

from __future__ import annotations

from collections.abc import Sequence

from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.term import STRING_SORT, Term


class StringSorts:
    """Which text terms meet, and whether more than equality is asked of them."""

    def __init__(self, terms: Sequence[Term], *, strings_as_strings: bool) -> None:
        self._parent: dict[Term, Term] = {}
        needs_string_theory: list[Term] = [term for term in terms if strings_as_strings and term.sort == STRING_SORT]
        for term in terms:
            arguments = [arg for arg in term.args if isinstance(arg, Term) and arg.sort == STRING_SORT]
            if term.op is Op.EQUAL and arguments:
                self._union(*arguments)
            elif arguments:
                needs_string_theory += arguments
            if term.sort == STRING_SORT and term.op not in (Op.VAR, Op.CONST):
                needs_string_theory.append(term)
        # Constants are shared among groups and join none of them.
        self._needs_string_theory = {self._find(term) for term in needs_string_theory if term.op is not Op.CONST}

    def _find(self, term: Term) -> Term:
        while (parent := self._parent.get(term, term)) is not term:
            term = parent
        return term

    def _union(self, one: Term, other: Term) -> None:
        if one.op is not Op.CONST and other.op is not Op.CONST:
            left, right = self._find(one), self._find(other)
            if left is not right:
                self._parent[left] = right

    def needs_string_theory(self, term: Term) -> bool:
        """Whether a string stands as a string."""
        return self._find(term) in self._needs_string_theory

    def group(self, term: Term) -> Term:
        """What a string may be equal to."""
        return self._find(term)
