"""Lists of the pieces of a text, where they are read exactly: whatever else is asked of them is cut short."""

from __future__ import annotations

from entitlements.proof.symbolic.terms.string_terms import HAS_PIECE, on_text, pieces_parameter
from entitlements.proof.symbolic.terms.term import (
    FALSE,
    INT,
    Term,
    application,
    conditional,
    count,
    less,
    number,
    text,
)
from entitlements.proof.symbolic.values.value import STRING, UNDEFINED, Array, Const, Leaf, Pieces, Value


def has_piece(pieces: Pieces, one: Const) -> Term:
    """Where a constant is one of the pieces, however many there are."""
    return (
        on_text(HAS_PIECE, pieces_parameter(pieces.delimiter, one.value), pieces.text) if one.kind == STRING else FALSE
    )


def how_many(array: Array, pieces: Pieces) -> Term:
    """How many pieces there are: beyond those that are known that is not known, but that it is the same each time."""
    known = count([guard for guard, _ in array.elements[: pieces.known]])
    others = application("split: how many", (pieces.text, text(pieces.delimiter)), INT)
    least = number(pieces.known + 1)
    beyond = conditional(less(others, least), least, others)
    return conditional(pieces.more, beyond, known)


def is_known(array: Array, key: Leaf) -> bool:
    """Whether an element is a piece that is known."""
    index = key.value if isinstance(key, Const) and isinstance(key.value, int) else -1
    return array.pieces is not None and 0 <= index < array.pieces.known


def beside(array: Array, other: Array) -> tuple[tuple[Term, Value], ...] | None:
    """The elements by index, as far as another list can hold them; None where that may be longer."""
    pieces = array.pieces
    if pieces is None or len(other.elements) > pieces.known:
        return None
    return (*array.elements[: pieces.known], (pieces.more, UNDEFINED))
