"""Where in the document that a policy answers the decision stands, and how it is read there.

By itself a policy answers a boolean, or an object with `allow`, `reasons` and `obligations`. A contract may say that
its policy answers in another form, such as that of another enforcement point; it is read just as strictly there: one
place is the decision, and a member that nothing is said about makes the whole answer none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Path = tuple[str, ...]


@dataclass(frozen=True)
class AnswerShape:
    """The members of an answer, each by the names that lead to it.

    allow: the boolean that decides; reasons, obligations: lists, or None where the answer has none; ignored: members
    that are not looked at; boolean: whether `true` itself is an allow (`false` itself is always a deny).
    """

    allow: Path = ("allow",)
    reasons: Path | None = ("reasons",)
    obligations: Path | None = ("obligations",)
    ignored: frozenset[Path] = frozenset()
    boolean: bool = True

    @cached_property
    def members(self) -> Mapping[str, Any]:
        """The members that may be there, as nested maps by name; None where it does not matter what a member holds."""
        tree: dict[str, Any] = {}
        for path in (self.allow, self.reasons, self.obligations, *sorted(self.ignored)):
            if path is not None:
                level = tree
                for name in path[:-1]:
                    level = level.setdefault(name, {})
                level[path[-1]] = None
        return tree


PLAIN_ANSWER = AnswerShape()
