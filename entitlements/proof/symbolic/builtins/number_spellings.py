"""Which built-ins tell spellings of one number apart, and whose spelling is not known.

OPA keeps a number as it is written. Terms represent its value alone, so `1.0` and `1e0` are one term, while
`json.marshal` prints them apart and `substring` takes the first for an index and fails for the second. A built-in that
is not known to go by the value is taken to go by the spelling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.term import FALSE, INT
from entitlements.proof.symbolic.values.value import NUMBER, Array, Const, Leaf, Object, Scalar, Set, Value

BY_VALUE: Final = frozenset(
    {"abs", "bits.and", "bits.lsh", "bits.negate", "bits.or", "bits.rsh", "bits.xor", "ceil", "count", "div"}
    | {"eq", "equal", "floor", "format_int", "gt", "gte", "internal.member_2", "internal.member_3"}
    | {"internal.print", "is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"}
    | {"lt", "lte", "minus", "mul", "neq", "numbers.range", "numbers.range_step", "plus", "print", "product"}
    | {"rem", "round", "sum", "trace", "type_name"}
)
"""Built-ins that give the same for every spelling (OPA, v1/topdown/arithmetic.go, casts.go, numbers.go)."""
KEEPING: Final = frozenset({"array.concat", "array.reverse", "object.get", "object.keys", "to_number"})
"""Built-ins whose rule hands on numbers as they are, in the spelling that they have."""
PICKING: Final = frozenset({"max", "min"})
"""Built-ins that go by the value and give one of the numbers, of equal ones in a spelling that is not followed."""
PRINTING: Final = frozenset(
    {
        "internal.template_string",
        "io.jwt.encode_sign",
        "json.marshal",
        "json.marshal_with_options",
        "providers.aws.sign_req",
        "sprintf",
        "strings.render_template",
        "yaml.marshal",
    }
)
"""Built-ins that print a number, so that of a calculated one too it matters how OPA spells it."""


def is_unknown(name: str, value: Value) -> bool:
    """Whether an argument holds a number that this built-in may distinguish from another spelling of it."""
    return name not in BY_VALUE and any(_is_unspelled(name, leaf) for leaf in _scalars(value))


def _is_unspelled(name: str, leaf: Leaf) -> bool:
    """Written otherwise than by the service; for a built-in that prints, also what a calculation gives."""
    if not isinstance(leaf, Scalar) or leaf.kind != NUMBER:
        return False
    if leaf.term.op is Op.CONST:
        return True
    return name in PRINTING and leaf.term.sort != INT and leaf.term.op is not Op.VAR


def _scalars(value: Value) -> Iterator[Leaf]:
    """Every scalar that a value may hold, at any depth."""
    for guard, leaf in value.cases:
        if guard is FALSE:
            continue
        if isinstance(leaf, (Const, Scalar)):
            yield leaf
        elif isinstance(leaf, (Array, Set)):
            for there, element in leaf.elements:
                if there is not FALSE:
                    yield from _scalars(element)
        elif isinstance(leaf, Object):
            for there, key, member in leaf.members:
                if there is not FALSE:
                    yield from _scalars(member)
                    yield from _scalars(Value(((there, key),)))
