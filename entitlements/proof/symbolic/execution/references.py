"""References into base documents: there OPA converts keys, and nowhere else.

`data.m[1.5]` is the member "1.5" of `data.m`, and `data.xs["1"]` the element at 1: OPA reads a base document by a path
of strings, in which a number stands as it is spelled (OPA, v1/storage/path.go `NewPathForRef`, v1/util `Atoi64`). It
does so for a reference that begins with `data`, through all its variables; a value that has come into a variable, out
of a rule or a function, or that a pattern takes apart is looked up as it is. `with data…` puts a value in the place of
base documents, which is looked up as it is too.

The plan has the same statement for both. Of a reference each statement works on the result of the one before, while a
variable gets its value assigned (OPA, internal/planner `planRefData`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from entitlements.engine.spelling import number_spelled, spelled
from entitlements.proof.symbolic.execution.plan import Function, Local, Statement, assigned_locals, each_statement
from entitlements.proof.symbolic.terms.op import Op
from entitlements.proof.symbolic.terms.term import FALSE, INT, Term, conj, equal, number
from entitlements.proof.symbolic.values.algebra import Unsupported
from entitlements.proof.symbolic.values.place import Place
from entitlements.proof.symbolic.values.value import NUMBER, STRING, Array, Const, Leaf, Object, Value, joined, term_of

SURELY, PERHAPS = "surely", "perhaps"
_LIKE_A_NUMBER = re.compile(r"[-+.0-9]")
_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?(e[-+]?[0-9]{1,3})?", re.IGNORECASE)
_INDEX = re.compile(r"[+-]?(?=.)([0-9]*)(\.0*)?")
_MOST_DIGITS = 19

Members = Sequence[tuple[Term, Value]]


def reference_locals(function: Function) -> Mapping[int, str]:
    """The locals that hold what a reference into `data` has come to, surely or perhaps."""
    statements = [one for block in function.blocks for one in each_statement(block)]
    makers: dict[int, list[Statement]] = {}
    for statement in statements:
        for local in assigned_locals(statement):
            makers.setdefault(local, []).append(statement)
    patterns = {one.operands["source"].index for one in statements if one.kind in ("IsArray", "IsObject")}
    candidates = {local: made for local, made in makers.items() if local not in {*function.parameters, *patterns}}
    found = dict.fromkeys(function.parameters[1:2], SURELY)
    while True:
        more = {local: way for local, made in candidates.items() if (way := _way(local, made, found))}
        if all(found.get(local) == way for local, way in more.items()):
            return found
        found |= more


def _way(local: int, makers: Sequence[Statement], known: Mapping[int, str]) -> str:
    """Whether a local goes on with a reference, of all that assign it."""
    steps = [_step(local, statement, known) for statement in makers]
    if set(steps) == {SURELY}:
        return SURELY
    # A rule of the policy, called by a name that is not known, or else the base document in its place.
    dynamic = any(statement.kind == "CallDynamic" for statement in makers)
    assigned = any(_is_assigned(statement, known) for statement in makers)
    return PERHAPS if any(steps) or (dynamic and assigned) else ""


def _step(local: int, statement: Statement, known: Mapping[int, str]) -> str:
    if statement.kind == "Scan" and statement.operands["value"] == local:
        return known.get(statement.operands["source"], "")
    source = statement.operands.get("source")
    return known.get(source.index, "") if statement.kind == "Dot" and isinstance(source, Local) else ""


def _is_assigned(statement: Statement, known: Mapping[int, str]) -> bool:
    source = statement.operands.get("source")
    return statement.kind == "AssignVar" and isinstance(source, Local) and source.index in known


def converted_member(place: Place, source: Value, key: Value, live: Term, *, known: bool) -> Value:
    """What a step of a reference finds only by converting the key; undefined elsewhere.

    live: where the step is made; known: whether it is known that OPA converts here. Raises Unsupported where it is not,
    or how the key is spelled is not, and that may matter.
    """
    parts: list[tuple[Term, Value]] = []
    for guard, leaf in source.cases:
        for condition, name in key.cases:
            if conj(live, guard, condition) is FALSE:
                continue
            hits = _members(leaf, name) if known else None
            if hits is None and _may_hit(leaf, name):
                raise Unsupported("key_converted", f"`{place}`: OPA may convert this key of a base document")
            parts += [(conj(guard, condition, hit), member) for hit, member in hits or ()]
    return joined(parts)


def _members(leaf: Leaf, key: Leaf) -> Members | None:
    """The members or elements of a base document that a converted key names; None where that is not known."""
    if isinstance(leaf, Object) and key.kind == NUMBER:
        return _by_number(leaf, key)
    if isinstance(leaf, Array) and key.kind == STRING:
        if not isinstance(key, Const):
            return None
        place = array_index(key.value)
        return () if place is None else leaf.elements[place : place + 1]
    return ()


def _by_number(leaf: Object, key: Leaf) -> Members | None:
    if isinstance(key, Const):
        string = spelled(key.value)
        if string is None:
            return None
        place = leaf.index.get(Const(string), len(leaf.members))
        return [(there, member) for there, _, member in leaf.members[place : place + 1]]
    term = term_of(key)
    if term.op is Op.CONST or (term.sort != INT and term.op is not Op.VAR):
        # Spelled in another way than the service's, or as a calculation spells it.
        return None
    return [
        (conj(there, equal(term, number(found))), member)
        for there, name, member in leaf.members
        if (found := number_spelled(_name(name))) is not None and (term.sort != INT or isinstance(found, int))
    ]


def array_index(string: str) -> int | None:
    """The index that a string is of an array of base documents (OPA, v1/util `Atoi64`); None where it is none."""
    found = _INDEX.fullmatch(string)
    if found is None or len(string.lstrip("+-")) > _MOST_DIGITS:
        return None
    place = int(found[1] or "0")
    return None if place and string.startswith("-") else place


def _may_hit(leaf: Leaf, key: Leaf) -> bool:
    """Whether a key may name a member or an element once it is converted, however it is spelled."""
    if isinstance(leaf, Object) and key.kind == NUMBER:
        return any(_may_be_spelled(key, _name(name)) for _, name, _ in leaf.members)
    if isinstance(leaf, Array) and leaf.elements and key.kind == STRING:
        return not isinstance(key, Const) or array_index(key.value) is not None
    return False


def looks_like_a_number(name: str) -> bool:
    """Whether a string may be how OPA spells some number."""
    return _LIKE_A_NUMBER.match(name) is not None


def _may_be_spelled(key: Leaf, name: str) -> bool:
    if not looks_like_a_number(name):
        return False
    term = term_of(key)
    return term.op is not Op.CONST or _NUMBER.fullmatch(name) is None or Fraction(name) == term.args[0]


def _name(key: Leaf) -> str:
    return key.value if isinstance(key, Const) and key.kind == STRING else ""
