"""Look-ups in a partial rule by a key that is known, where OPA and its plan may differ.

`s[1]`, of `s contains k if data.m[k]`, is evaluated by OPA with `k` bound to `1` before the body is, so that
`data.m[k]` becomes a reference with a number, which is converted (see `references.py`). The plan makes the whole set
first, in which only the string "1" is. So what such a rule holds is not followed where the two may tell a string from a
number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest

from entitlements.proof.symbolic.execution.plan import Function, Local, Statement, each_statement, is_read
from entitlements.proof.symbolic.execution.references import array_index, looks_like_a_number, reference_locals
from entitlements.proof.symbolic.terms.term import FALSE, Term, conj
from entitlements.proof.symbolic.values.algebra import Unsupported
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.values.value import NUMBER, STRING, Array, Const, Leaf, Object, Set, Value

_WHAT = "OPA may convert the key of a base document that this rule goes through"


def iterating(functions: Mapping[str, Function]) -> frozenset[str]:
    """The functions of a plan that go through a base document by its keys, themselves or in what they call."""
    found = {name for name, function in functions.items() if _goes_through(function)}
    callers: dict[str, set[str]] = {}
    for name, function in functions.items():
        for statement in _statements(function):
            if statement.kind == "Call":
                callers.setdefault(statement.operands["func"], set()).add(name)
            elif statement.kind == "CallDynamic":
                found.add(name)
    fresh = set(found)
    while fresh:
        fresh = set().union(*(callers.get(name, ()) for name in fresh)) - found
        found |= fresh
    return frozenset(found)


def _goes_through(function: Function) -> bool:
    known = reference_locals(function)
    scans = (one for one in _statements(function) if one.kind == "Scan" and one.operands["source"] in known)
    return any(is_read(scan.blocks[0], scan.operands["key"]) for scan in scans)


def _statements(function: Function) -> Iterator[Statement]:
    for block in function.blocks:
        yield from each_statement(block)


def rule_locals(function: Function, rules: frozenset[str]) -> frozenset[int]:
    """The locals that hold what a reference into one of these rules has come to."""
    found: set[int] = set()
    for statement in _statements(function):
        source = statement.operands.get("source")
        if statement.kind == "CallDynamic" or (statement.kind == "Call" and statement.operands["func"] in rules):
            found.add(statement.operands["result"])
        elif statement.kind == "Dot" and isinstance(source, Local) and source.index in found:
            found.add(statement.operands["target"])
    return frozenset(found)


def refuse_bound(place: Place, source: Value, key: Value, live: Term) -> None:
    """Raise Unsupported where a key may name what it names only if a number and a string count as one."""
    for guard, leaf in source.cases:
        for condition, name in key.cases:
            if conj(live, guard, condition) is FALSE:
                continue
            if any(_converted(name, one) for one in _keys(leaf)):
                raise Unsupported("key_converted", f"`{place}`: {_WHAT}")


def refuse_pattern(place: Place, statement: Statement, source: Value) -> None:
    """Raise Unsupported where a scan takes apart keys that hold what looks like a number."""
    taken_apart = any(one.kind in ("IsArray", "IsObject") for one in each_statement(statement.blocks[0]))
    keys = (one for _, leaf in source.cases for one in _keys(leaf)) if taken_apart else ()
    if any(isinstance(one, (Array, Object)) and _holds_numbers(one) for one in keys):
        raise Unsupported("key_converted", f"`{place}`: {_WHAT}")


def _keys(leaf: Leaf) -> Iterator[Leaf]:
    if isinstance(leaf, Set):
        yield from (one for _, element in leaf.elements for _, one in element.cases)
    elif isinstance(leaf, Object):
        yield from (key for _, key, _ in leaf.members)


def _converted(key: Leaf, other: Leaf) -> bool:
    """Whether two keys may be the same, and only if a number in one is a string in the other."""
    if {key.kind, other.kind} == {NUMBER, STRING}:
        string = key if key.kind == STRING else other
        if not isinstance(string, Const):
            return key.kind == STRING
        return looks_like_a_number(string.value) if string is other else array_index(string.value) is not None
    if isinstance(key, Array) and isinstance(other, Array):
        pairs = zip_longest(key.elements, other.elements)
        return any(
            _converted(x, y) for one, two in pairs if one and two for _, x in one[1].cases for _, y in two[1].cases
        )
    return isinstance(key, Object) and isinstance(other, Object) and _holds_numbers(other)


def _holds_numbers(leaf: Leaf) -> bool:
    """Whether a key of several parts holds a number, or a string that looks like one."""
    if isinstance(leaf, (Array, Set)):
        return any(_holds_numbers(one) for _, element in leaf.elements for _, one in element.cases)
    if isinstance(leaf, Object):
        return any(_holds_numbers(one) for _, _, member in leaf.members for _, one in member.cases)
    return leaf.kind == NUMBER or (isinstance(leaf, Const) and leaf.kind == STRING and looks_like_a_number(leaf.value))


def converts_keys(functions: Mapping[str, Function], data: Value) -> bool:
    """Whether a policy looks up base documents in a way that a conversion of keys can matter to: what was read wrongly
    before the conversions were followed.

    functions: of the plan, its entry too; data: the base documents. It matters where a key is calculated or a number,
    and a name looks like a number or there is an array.
    """
    rules = iterating(functions)
    return any(_calculates_keys(function, rules) for function in functions.values()) and _convertible(data)


def _calculates_keys(function: Function, rules: frozenset[str]) -> bool:
    known = {*reference_locals(function), *rule_locals(function, rules)}
    return any(
        statement.kind == "Dot"
        and isinstance(source := statement.operands["source"], Local)
        and source.index in known
        and (isinstance(key := statement.operands["key"], Local) or array_index(str(key)) is not None)
        for statement in _statements(function)
    )


def _convertible(document: Value) -> bool:
    for _, leaf in document.cases:
        if isinstance(leaf, Array) and leaf.elements:
            return True
        if isinstance(leaf, Object) and any(_holds_numbers(name) for _, name, _ in leaf.members):
            return True
        if isinstance(leaf, Object) and any(_convertible(member) for _, _, member in leaf.members):
            return True
    return False
