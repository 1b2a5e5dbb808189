"""The operators of terms: all there are. Who interprets them matches on every one, which the type checker sees to."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias


class Op(StrEnum):
    """What a node of a term is; in the comment its arguments, where they are not just terms."""

    CONST = "const"  # the value
    VAR = "var"  # the name
    CHOICE = "choice"  # that a variable of few values has one of them: name, index, how many there are
    NOT = "not"
    AND = "and"
    OR = "or"
    EQUAL = "="
    LESS = "<"
    AT_MOST = "<="
    PLUS = "+"
    MINUS = "-"
    TIMES = "*"
    REMAINDER = "%"
    QUOTIENT = "div"
    IF = "if"
    COUNT = "count"
    IS_WHOLE = "is_whole"
    APPLY = "apply"  # an uninterpreted function: its name, and terms
    ON_STRING = "on_text"  # a predicate with a constant parameter: predicate, parameter, subject
    ON_STRINGS = "on_strings"  # a predicate of two strings: predicate, parameter, subject
    PART = "part"  # a string made of another one: how, parameter, subject
    CONCAT = "concat"
    LENGTH = "length"
    DIGITS = "digits"
    TIMESTAMP = "timestamp"  # a day or a second as RFC 3339 writes it: form, number


Arithmetic: TypeAlias = Literal["+", "-", "*", "%", "div"]
CONNECTIVES = (Op.AND, Op.OR, Op.NOT)
TURNED = {Op.EQUAL: Op.EQUAL, Op.LESS: Op.AT_MOST, Op.AT_MOST: Op.LESS}
"""What a comparison is with its sides exchanged, and denied where it is not the same."""
