"""Where OPA's rule index decides otherwise than the body of a rule: a key of a base document that is a number.

`reasons contains "x" if data.m[input.n]` stands in an index that asks `data.m` for the key as it is, before the body is
evaluated, where it would be converted (see `references.py`): for `1` and a member "1" the rule is left out. OPA asks so
for references that stand alone as an expression, whose last part alone is not constant, unless the first rule that
holds may decide for all: where all of them give one constant (OPA, v1/ast/index.go `updateCollectionKey`,
`consultsCollections`, `mayEarlyExit`).
"""

from __future__ import annotations

from collections.abc import Iterator

from entitlements.proof.symbolic.execution.plan import Block, Function, Local, Statement, each_statement


def asked_of_collections(function: Function) -> frozenset[int]:
    """The locals that hold what such a reference has come to, step by step; none where the index asks nothing."""
    if _give_one_constant(function):
        return frozenset()
    statements = [one for block in function.blocks for one in _not_negated(block)]
    found = {
        one.operands["a"].index
        for one in statements
        if one.kind == "NotEqual" and one.operands["b"] is False and isinstance(one.operands["a"], Local)
    }
    # From the last step of a reference to the first.
    for one in reversed(statements):
        if one.kind == "Dot" and one.operands["target"] in found and isinstance(one.operands["source"], Local):
            found.add(one.operands["source"].index)
    return frozenset(found)


def _not_negated(block: Block) -> Iterator[Statement]:
    for statement in block:
        yield statement
        for inner in () if statement.kind == "Not" else statement.blocks:
            yield from _not_negated(inner)


def _give_one_constant(function: Function) -> bool:
    """Whether all definitions of a rule, its default aside, give the same constant."""
    blocks = [block for block in function.blocks if not (block and block[0].kind == "IsUndefined")]
    given = [one for block in blocks for one in each_statement(block) if one.kind == "AssignVarOnce"]
    kept = {one.operands["target"] for one in given}
    constants = {one.operands["source"] for one in given if not isinstance(one.operands["source"], Local)}
    others = {one.operands["source"].index for one in given if isinstance(one.operands["source"], Local)}
    return len(constants) == 1 and others <= kept
