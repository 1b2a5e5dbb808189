"""OPA's plan: the intermediate representation that `opa build -t plan` writes, read into typed statements and verified.

The plan is OPA's own lowering of the policies (reordering, `with`, `else`, what is hoisted out of a negation), with
file, row and column. Documented at the page "Intermediate Representation" of OPA's manual. What this reader does not
know, it refuses.

Assumes: the plan was written by the pinned OPA. Guarantees: every statement, operand and function that is returned is
known to the executor, with file, row and column; PlanUnknown otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from entitlements.errors import NotFollowed
from entitlements.proof.symbolic.values.place import NOWHERE, Place

INPUT, DATA = 0, 1


class PlanUnknown(NotFollowed):
    """The plan holds something that this reader does not know, so that nothing can be said about the policy."""


@dataclass(frozen=True, slots=True)
class Local:
    """A local variable as an operand."""

    index: int


Operand = Local | str | bool
"""A local variable, a string constant or a boolean."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its kind without `Stmt`, its operands and numbers by name, its inner blocks, its place."""

    kind: str
    place: Place
    operands: Mapping[str, Any]
    blocks: tuple[Block, ...] = ()


Block = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A planned rule or function of a policy. path: where it stands below `data`, after its generation."""

    name: str
    parameters: tuple[int, ...]
    blocks: tuple[Block, ...]
    path: tuple[str, ...]
    joined: frozenset[int]
    """Locals whose values have to be merged where paths meet: read where their last assignment may not have run."""


@dataclass(frozen=True)
class Plan:
    """The whole plan. entry: the blocks of the decision; builtins: the declared types by name."""

    entry: Function
    functions: Mapping[str, Function]
    builtins: Mapping[str, Mapping[str, Any]] = field(repr=False)


# Of each kind: members that are operands, members that are locals read, members that are locals assigned.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "ArrayAppend": (("value",), ("array",), ("array",)),
    "AssignInt": ((), (), ("target",)),
    "AssignVarOnce": (("source",), (), ("target",)),
    "AssignVar": (("source",), (), ("target",)),
    "Block": ((), (), ()),
    "Break": ((), (), ()),
    "CallDynamic": ((), (), ("result",)),
    "Call": ((), (), ("result",)),
    "Dot": (("source", "key"), (), ("target",)),
    "Equal": (("a", "b"), (), ()),
    "IsArray": (("source",), (), ()),
    "IsDefined": ((), (), ()),
    "IsObject": (("source",), (), ()),
    "IsSet": (("source",), (), ()),
    "IsUndefined": ((), (), ()),
    "Len": (("source",), (), ("target",)),
    "MakeArray": ((), (), ("target",)),
    "MakeNull": ((), (), ("target",)),
    "MakeNumberInt": ((), (), ("target",)),
    "MakeNumberRef": ((), (), ("target",)),
    "MakeObject": ((), (), ("target",)),
    "MakeSet": ((), (), ("target",)),
    "Nop": ((), (), ()),
    "NotEqual": (("a", "b"), (), ()),
    "Not": ((), (), ()),
    "ObjectInsertOnce": (("key", "value"), ("object",), ("object",)),
    "ObjectInsert": (("key", "value"), ("object",), ("object",)),
    "ObjectMerge": ((), ("a", "b"), ("target",)),
    "ResetLocal": ((), (), ("target",)),
    "ResultSetAdd": ((), ("value",), ()),
    "ReturnLocal": ((), (), ()),
    "Scan": ((), ("source",), ("key", "value")),
    "SetAdd": (("value",), ("set",), ("set",)),
    "With": (("value",), (), ()),
}


GROWING = frozenset({"ArrayAppend", "SetAdd", "ObjectInsert", "ObjectInsertOnce"})
"""Statements that add to a collection."""


def read_plan(document: Mapping[str, Any], entrypoint: str) -> Plan:
    """The plan of one entrypoint (`package/path/rule`), verified. Raises PlanUnknown for what is not understood."""
    try:
        reader = _Reader(document["static"])
        functions = {raw["name"]: reader.function(raw) for raw in (document.get("funcs") or {}).get("funcs") or ()}
        (raw,) = (plan for plan in document["plans"]["plans"] if plan["name"] == entrypoint)
        entry = reader.function({**raw, "params": [INPUT, DATA]})
        declared = document["static"].get("builtin_funcs") or ()
        builtins = {one["name"]: one["decl"] for one in declared}
        _verify_calls({**functions, entrypoint: entry}, builtins)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PlanUnknown("plan_unknown", "the plan of the policies has a form that is not known here") from error
    return Plan(entry, functions, builtins)


class _Reader:
    def __init__(self, static: Mapping[str, Any]) -> None:
        self._strings = [one["value"] for one in static.get("strings") or ()]
        self._files = [one["value"] for one in static.get("files") or ()]

    def function(self, raw: Mapping[str, Any]) -> Function:
        blocks = tuple(self._block(one, ()) for one in raw["blocks"])
        parameters = tuple(raw["params"])
        assigned = _assigned(blocks)
        reads = _Reads(frozenset({*parameters, *assigned}))
        for block in blocks:
            reads.block(block, {*parameters} - assigned)
        return Function(raw["name"], parameters, blocks, tuple(raw.get("path") or ()), frozenset(reads.exposed))

    def _block(self, raw: Mapping[str, Any], above: tuple[str, ...]) -> Block:
        return tuple(self._statement(one, above) for one in raw["stmts"] or ())

    def _statement(self, raw: Mapping[str, Any], above: tuple[str, ...]) -> Statement:
        kind = str(raw["type"]).removesuffix("Stmt")
        body = raw["stmt"]
        place = Place(self._files[body["file"]] if self._files else "", int(body["row"]), int(body["col"]))
        if kind not in _KINDS:
            raise PlanUnknown("plan_unknown", f"`{place}`: the plan's statement `{kind}` is not known here")
        if kind == "Break" and any(one != "Block" for one in above[len(above) - int(body["index"]) :]):
            raise PlanUnknown("plan_unknown", f"`{place}`: the plan jumps out of a loop or a negation")
        operands = {name: value for name, value in body.items() if name not in ("block", "blocks")}
        for name in _KINDS[kind][0]:
            operands[name] = self._operand(body[name])
        if kind in ("Call", "CallDynamic"):
            operands["args"] = tuple(
                self._operand(one) if isinstance(one, dict) else Local(one) for one in body["args"]
            )
        if kind == "CallDynamic":
            operands["path"] = tuple(self._operand(one) for one in body["path"])
        if kind == "With":
            operands["path"] = tuple(self._strings[one] for one in body["path"] or ())
        if kind == "MakeNumberRef":
            operands["text"] = self._strings[body["Index"]]
        inner = body.get("blocks") or ([body["block"]] if "block" in body else [])
        blocks = tuple(self._block(one, (*above, kind)) for one in inner)
        return Statement(kind, place, operands, blocks)

    def _operand(self, raw: Mapping[str, Any]) -> Operand:
        kind, value = raw["type"], raw["value"]
        if kind == "local":
            return Local(int(value))
        return bool(value) if kind == "bool" else str(self._strings[value])


def _assigned(blocks: Sequence[Block]) -> set[int]:
    """Every local that these blocks assign. To reset one is to assign it; to add to a collection is not."""
    return {local for block in blocks for statement in each_statement(block) for local in assigned_locals(statement)}


def assigned_locals(statement: Statement) -> list[int]:
    """The locals that a statement itself assigns."""
    return [] if statement.kind in GROWING else [statement.operands[name] for name in _KINDS[statement.kind][2]]


class _Reads:
    """Definite assignment: finds the locals that are read where the last statement that assigns them may not have run.

    Their values have to be merged where paths meet; others just stand. One that nothing assigns at all is a fault.
    """

    def __init__(self, assigned: frozenset[int]) -> None:
        self._assigned = assigned
        self.exposed: set[int] = set()

    def block(self, block: Block, known: set[int]) -> None:
        """Raises PlanUnknown at a read of what nothing assigns. known: locals whose last assignment has run;
        changes."""
        for statement in block:
            for local in _read_locals(statement):
                if local not in self._assigned:
                    raise PlanUnknown("plan_unknown", f"`{statement.place}`: the plan reads what was not assigned")
                if local not in known:
                    self.exposed.add(local)
            if statement.kind in ("IsDefined", "IsUndefined", "ReturnLocal"):
                self.exposed.add(statement.operands["source"])
            inner = _assigned(statement.blocks)
            keys = {statement.operands["key"], statement.operands["value"]} if statement.kind == "Scan" else set()
            for one in statement.blocks:
                # What a loop assigns may be left from an earlier round.
                self.block(one, (known - inner if statement.kind == "Scan" else {*known}) | keys)
                known -= inner
            if statement.kind not in ("Scan", *GROWING):
                known.update(statement.operands[name] for name in _KINDS[statement.kind][2])


def _read_locals(statement: Statement) -> list[int]:
    operands, read, assigned = _KINDS[statement.kind]
    found = [statement.operands[name] for name in read]
    found += [o.index for name in operands if isinstance(o := statement.operands[name], Local)]
    found += [o.index for o in statement.operands.get("args", ()) if isinstance(o, Local)]
    found += (
        [o.index for o in statement.operands["path"] if isinstance(o, Local)] if statement.kind == "CallDynamic" else []
    )
    return found + [statement.operands[name] for name in assigned if statement.kind in ("AssignVarOnce", *GROWING)]


def _verify_calls(functions: Mapping[str, Function], builtins: Mapping[str, Any]) -> None:
    """Every call is of a function of the plan or of a declared built-in."""
    stack = [block for function in functions.values() for block in function.blocks]
    while stack:
        for statement in stack.pop():
            stack += statement.blocks
            name = statement.operands.get("func")
            if statement.kind == "Call" and name not in functions and name not in builtins:
                raise PlanUnknown("plan_unknown", f"`{statement.place}`: the plan calls `{name}`, which it has not")


def each_statement(block: Block) -> Iterator[Statement]:
    """Every statement of a block, inner ones too."""
    for statement in block:
        yield statement
        for inner in statement.blocks:
            yield from each_statement(inner)


def place_of(function: Function) -> Place:
    """Where a rule is written."""
    return next((one.place for block in function.blocks for one in each_statement(block) if one.place.row), NOWHERE)


def is_read(block: Block, local: int) -> bool:
    """Whether a block uses a local: OPA copies the key of a scan into locals that no one reads."""
    aliases = {local}
    for statement in each_statement(block):
        source = statement.operands.get("source")
        if statement.kind == "AssignVar" and isinstance(source, Local) and source.index in aliases:
            aliases.add(statement.operands["target"])
    return any(_uses(statement, aliases) for statement in each_statement(block))


def _uses(statement: Statement, aliases: set[int]) -> bool:
    if statement.kind == "AssignVar":
        return False
    operands, read, _ = _KINDS[statement.kind]
    found = [statement.operands[name] for name in operands] + [*statement.operands.get("args", ())]
    found += [Local(statement.operands[name]) for name in read]
    if statement.kind in ("IsDefined", "IsUndefined", "ReturnLocal"):
        found.append(Local(statement.operands["source"]))
    if statement.kind == "CallDynamic":
        found += [*statement.operands["path"]]
    return any(isinstance(one, Local) and one.index in aliases for one in found)
