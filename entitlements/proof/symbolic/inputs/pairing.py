"""One claim on both sides: the same symbolic value wherever its specification is the same, at any depth.

Assumes: what the relation says of the claim (`proof.migration`). Guarantees: a part that is one value on both sides is
equal wherever both tokens hold it, in every pair that the relation permits; `shared`, `free` and `Partners` say of each
other list how it is related to the one of the other side (docs/proof-bounds.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from entitlements.contract import ClaimSpec, alternatives, is_map
from entitlements.model import same_json
from entitlements.proof.migration import ClaimStep, of_another_type
from entitlements.proof.symbolic.inputs.inputs import Inputs
from entitlements.proof.symbolic.inputs.names import claim_name, part_name
from entitlements.proof.symbolic.inputs.schema_encoding import finite_domain
from entitlements.proof.symbolic.terms.term import BOOL, TRUE, Term, variable
from entitlements.proof.symbolic.values.value import UNDEFINED, Const, Leaf, Object, Value, of_leaf

Schema = Mapping[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Partners:
    """A list of the tokens whose contract changes. names: of its variables, before and after; claims: its claim;
    path: of properties below the claim; schemas: of the list.
    """

    names: tuple[str, str]
    claims: tuple[str, str]
    path: tuple[str, ...]
    schemas: tuple[Schema, Schema]

    def most(self, side: int) -> int:
        """How many elements the list has at most that differ, as far as its contract tells."""
        listed = finite_domain(self.schemas[side]["items"])
        longest = int(self.schemas[side]["maxItems"])
        return longest if listed is None else min(len(listed), longest)


@dataclass
class Pairing:
    """Makes the claims of both sides. shared: lists that are one and the same on both; free: lists that the relation
    says nothing of; parts: those of them within a claim of which it says something; loose: other lists, by the names of
    the claim whose relation may depend on them.
    """

    inputs: Inputs
    shared: set[str] = field(default_factory=set)
    free: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    partners: list[Partners] = field(default_factory=list)
    loose: dict[str, tuple[str, str]] = field(default_factory=dict)
    _claims: tuple[str, str] = ("", "")

    def claim(self, step: ClaimStep, *, apart: bool = False) -> tuple[Value, Value]:
        """A claim before and after, without regard to scopes. apart: whether the values may differ in any way."""
        old, new = step.before, step.after
        names = claim_name(step.name_before), f"{claim_name(step.name_after)} after"
        if old is None or new is None or step.unfollowed or apart:
            return self._made(self.free, lambda: (self._alone(old, names[0]), self._alone(new, names[1])))
        if step.same:
            value = self._made(self.shared, lambda: self._alone(old, names[0]))
            return value, value
        self._claims = step.name_before, step.name_after
        # Where other items are ignored, even a list of the same schema may differ.
        alike = old.extraction.ignored == new.extraction.ignored
        one, other = self._loosely(names, lambda: self._paired((old.schema, new.schema), names, (), alike=alike))
        return self._optional(old, one, names[0]), self._optional(new, other, names[1])

    def _made(self, kind: set[str], make: Callable[[], _T]) -> _T:
        known = set(self.inputs.sizes)
        made = make()
        kind |= set(self.inputs.sizes) - known
        return made

    def _free_part(self, make: Callable[[], _T]) -> _T:
        return self._made(self.parts, lambda: self._made(self.free, make))

    def _loosely(self, names: tuple[str, str], make: Callable[[], _T]) -> _T:
        """Lists are loose that turn out to be nothing else."""
        found: set[str] = set()
        made = self._made(found, make)
        related = {name for partners in self.partners for name in partners.names}
        self.loose |= dict.fromkeys(found - self.shared - self.free - related, names)
        return made

    def _alone(self, spec: ClaimSpec | None, name: str) -> Value:
        return UNDEFINED if spec is None else self._optional(spec, self.inputs.of_schema(spec.schema, name), name)

    @staticmethod
    def _optional(spec: ClaimSpec, value: Value, name: str) -> Value:
        return value if spec.required else value.where(variable(f"{name} there", BOOL))

    def _paired(
        self, schemas: tuple[Schema, Schema], names: tuple[str, str], path: tuple[str, ...], *, alike: bool = True
    ) -> tuple[Value, Value]:
        """alike: whether values of the same schema are the same."""
        old, new = schemas
        if alike and same_json(old, new):
            value = self._made(self.shared, lambda: self.inputs.of_schema(old, names[0]))
            return value, value
        if of_another_type(old, new):
            return self._free_part(lambda: self._both(schemas, names))
        if alike and all(_is_plain(schema, "object") and not is_map(schema) for schema in schemas):
            return self._objects(schemas, names, path)
        if all(_is_plain(schema, "array") for schema in schemas):
            self.partners.append(Partners(names, self._claims, path, schemas))
            self.inputs.related |= {*names}
        return self._both(schemas, names)

    def _both(self, schemas: tuple[Schema, Schema], names: tuple[str, str]) -> tuple[Value, Value]:
        return self.inputs.of_schema(schemas[0], names[0]), self.inputs.of_schema(schemas[1], names[1])

    def _objects(
        self, schemas: tuple[Schema, Schema], names: tuple[str, str], path: tuple[str, ...]
    ) -> tuple[Value, Value]:
        """Two objects, property by property, as the relation goes through them."""
        members: tuple[list[tuple[Term, Leaf, Value]], list[tuple[Term, Leaf, Value]]] = ([], [])
        for key in dict.fromkeys(key for schema in schemas for key in schema["properties"]):
            parts = f"{names[0]}.{part_name(key)}", f"{names[1]}.{part_name(key)}"
            for side, value in enumerate(self._properties(schemas, key, parts, (*path, key))):
                if value is not None:
                    required = key in schemas[side].get("required", ())
                    there = TRUE if required else variable(f"{parts[side]} there", BOOL)
                    members[side].append((there, Const(key), value))
        return of_leaf(Object(tuple(members[0]))), of_leaf(Object(tuple(members[1])))

    def _properties(
        self, schemas: tuple[Schema, Schema], key: str, names: tuple[str, str], path: tuple[str, ...]
    ) -> tuple[Value | None, Value | None]:
        one, other = (schema["properties"].get(key) for schema in schemas)
        if one is not None and other is not None:
            return self._paired((one, other), names, path)
        schema, name = (one, names[0]) if other is None else (other, names[1])
        value = self._free_part(lambda: self.inputs.of_schema(schema, name))
        return (value, None) if other is None else (None, value)


def _is_plain(schema: Schema, kind: str) -> bool:
    return finite_domain(schema) is None and len(alternatives(schema)) == 1 and schema.get("type") == kind
