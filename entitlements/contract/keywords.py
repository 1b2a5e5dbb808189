"""The keywords of claim schemas, one row each: the types it speaks of, its value, its violation, its changes.

The loader, the messages, the change rules and the page are read from this table. How the proof enumerates and encodes a
keyword is code of its own, since no two are alike: `tests/unit/proof/test_keywords.py` takes each row, and two schemas
that differ in that keyword alone, through all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Takes(Enum):
    """What a keyword's value is."""

    COUNT = "a whole number, 0 or more"
    NUMBER = "a number"
    OTHER = "see the page"


class Bound(Enum):
    """The end that a keyword limits: a lower bound is relaxed where it falls, an upper one where it rises."""

    LOWER = -1
    UPPER = 1


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword. types: those that it speaks of, none for all of them; code, words: of the violation where a value
    breaks it, none where only the parts of a value can; rules: ids of the change rules that may find a change of it, of
    a bound the relaxing one first; annotation: whether it says nothing of a value.
    """

    name: str
    types: tuple[str, ...] = ()
    takes: Takes = Takes.OTHER
    code: str = ""
    words: str = ""
    rules: tuple[str, ...] = ()
    bound: Bound | None = None
    annotation: bool = False

    @property
    def error(self) -> str:
        """What the validator calls a value that breaks it."""
        return "Constant" if self.name == "const" else self.name[0].upper() + self.name[1:]


_STRING, _NUMBERS, _ARRAY, _OBJECT = ("string",), ("number", "integer"), ("array",), ("object",)
_RANGE, _LENGTH, _LIST = ((f"{stem}_relaxed", f"{stem}_tightened") for stem in ("range", "length", "list"))
_VALUES = ("enum_value_added", "enum_value_removed")
_RETYPED = ("claim_retyped", "claim_cardinality_changed")
_PATTERN = ("pattern_relaxed", "pattern_tightened", "pattern_changed")
_REQUIRED = ("property_made_optional", "property_made_required")
_SMALL, _LARGE = ("too_small", "is smaller than permitted"), ("too_large", "is larger than permitted")
COUNT, NUMBER, OTHER, LOWER, UPPER = Takes.COUNT, Takes.NUMBER, Takes.OTHER, Bound.LOWER, Bound.UPPER

_ROWS = (
    Keyword("type", (), OTHER, "type_mismatch", "is not of the declared type", _RETYPED),
    Keyword("enum", (), OTHER, "value_not_permitted", "is none of the permitted values", _VALUES),
    Keyword("const", (), OTHER, "value_not_permitted", "is not the permitted value", _VALUES),
    Keyword("description", annotation=True),
    Keyword("pattern", _STRING, OTHER, "pattern_mismatch", "does not match the declared pattern", _PATTERN),
    Keyword("format", _STRING, OTHER, "format_mismatch", "does not have the declared format", ("format_changed",)),
    Keyword("minimum", _NUMBERS, NUMBER, *_SMALL, _RANGE, LOWER),
    Keyword("exclusiveMinimum", _NUMBERS, NUMBER, *_SMALL, _RANGE, LOWER),
    Keyword("minLength", _STRING, COUNT, "too_short", "is shorter than permitted", _LENGTH, LOWER),
    Keyword("minItems", _ARRAY, COUNT, "too_few_items", "has fewer items than permitted", _LIST, LOWER),
    Keyword("maximum", _NUMBERS, NUMBER, *_LARGE, _RANGE, UPPER),
    Keyword("exclusiveMaximum", _NUMBERS, NUMBER, *_LARGE, _RANGE, UPPER),
    Keyword("maxLength", _STRING, COUNT, "too_long", "is longer than permitted", _LENGTH, UPPER),
    Keyword("maxItems", _ARRAY, COUNT, "too_many_items", "has more items than permitted", _LIST, UPPER),
    Keyword(
        "multipleOf", _NUMBERS, NUMBER, "not_a_multiple", "is not a multiple of the declared step", ("step_changed",)
    ),
    Keyword("items", _ARRAY),
    Keyword("uniqueItems", _ARRAY, OTHER, "items_repeat", "repeats an item", _LIST),
    Keyword("properties", _OBJECT, rules=("property_added", "property_removed")),
    Keyword("required", _OBJECT, OTHER, "member_missing", "lacks a required member", _REQUIRED),
    Keyword("additionalProperties", _OBJECT, OTHER, "member_undeclared", "has a member that is not declared", _RETYPED),
    Keyword(
        "propertyNames", _OBJECT, OTHER, "name_not_permitted", "has a member whose name is not permitted", _PATTERN
    ),
    Keyword("maxProperties", _OBJECT, COUNT, "too_many_members", "has more members than permitted", _LIST, UPPER),
)
KEYWORDS: Final[Mapping[str, Keyword]] = {one.name: one for one in _ROWS}
OF_ANY_TYPE: Final = frozenset(one.name for one in _ROWS if not one.types)
BY_TYPE: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(one.name for one in _ROWS if kind in one.types)
    for kind in (*_STRING, *_NUMBERS, *_ARRAY, *_OBJECT, "boolean", "null")
}
VIOLATIONS: Final[Mapping[str, tuple[str, str]]] = {one.error: (one.code, one.words) for one in _ROWS if one.code}
"""Code and words of a violation, by the name that the validator has for it."""


def taking(form: Takes) -> frozenset[str]:
    """The keywords whose value is of a form."""
    return frozenset(one.name for one in _ROWS if one.takes is form)
