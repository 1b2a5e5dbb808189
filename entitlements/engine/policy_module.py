"""One policy file as the parser of OPA tells it: what it reads and refers to, and which constants stand in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entitlements.engine.policy_terms import InputPath, data_paths, expressions, rows, terms
from entitlements.model import JSON

Constant = tuple[type, JSON]
_COMPARISONS = frozenset({"equal", "eq", "neq", "lt", "lte", "gt", "gte"})
_MEMBERSHIP = frozenset({"internal.member_2", "internal.member_3"})
_CONSTANT_PARTS = ("string", "var")
_MAX_ALIASES = 8


@dataclass(frozen=True, slots=True)
class Read:
    """One place where a policy reads its input.

    path: below `input`; whole: everything below the path may be read; how: `membership`, `comparison` or `value`;
    negated: the read stands under a `not`, of itself or of the rule that it is in; as_set: of a list, nothing but
    whether it holds an item is asked, so its order cannot matter.
    """

    path: InputPath
    whole: bool
    how: str
    negated: bool
    rule: str
    file: str
    line: int
    as_set: bool = False

    def may_be_of(self, place: InputPath) -> bool:
        """Whether it may read something at a place of the input, below it, or all around it."""
        return self.path[: len(place)] == place or (self.whole and place[: len(self.path)] == self.path)


@dataclass(frozen=True, slots=True)
class RuleLines:
    """Where a rule stands: `file` relative to the policy folder, first and last line.

    heads: line and column of its head and of each `else`; path: of its value below `data`; function: then it has none
    by itself; mentions: paths below `data` that it refers to, or may refer to by a name.
    """

    name: str
    file: str
    first: int
    last: int
    heads: tuple[tuple[int, int], ...] = ()
    path: InputPath = ()
    function: bool = False
    mentions: frozenset[InputPath] = frozenset()


class PolicyModule:
    """One parsed file."""

    def __init__(self, name: str, module: Mapping[str, Any]) -> None:
        self._name = name
        self._module = module
        self._rules = module.get("rules") or []
        self._global_names = self._names = self._resolved(self._imported(), self._rule_assignments())
        self._heads_seen = 0
        self._negated = {
            term["value"]
            for expression in expressions(self._rules)
            if expression.get("negated")
            for term in terms(expression)
            if term["type"] == "var"
        }

    def package(self) -> InputPath:
        """The path of the package below `data`."""
        return tuple(part["value"] for part in self._module["package"]["path"][1:])

    def references(self) -> frozenset[InputPath]:
        """What is referred to below `data`, as far as it is constant."""
        return frozenset(data_paths([self._rules, self._module.get("imports") or []]))

    def comprehensions_alone(self) -> list[int]:
        """Lines of comprehensions that stand alone as a statement: OPA evaluates them, its plan leaves them out."""
        found = []
        for expression in expressions(self._rules):
            term = expression["terms"]
            if isinstance(term, Mapping) and str(term.get("type")).endswith("comprehension"):
                found.append(min(rows(expression), default=0))
        return found

    def rules(self) -> list[RuleLines]:
        """First and last line of each rule."""
        return [self._lines(rule) for rule in self._rules if not rule.get("default")]

    def _lines(self, rule: Mapping[str, Any]) -> RuleLines:
        name, place = _rule_name(rule), rule["location"]
        heads = tuple((one["location"]["row"], one["location"]["col"]) for one in _branches(rule))
        names = {term["value"] for term in terms(rule) if term["type"] == "var"}
        imported = {
            one.get("alias") or one["path"]["value"][-1]["value"]: one["path"]
            for one in self._module.get("imports") or []
        }
        through = data_paths([imported[name] for name in names & imported.keys()])
        mentions = frozenset({*((*self.package(), one) for one in names), *data_paths(rule), *through})
        function, path = bool(rule["head"].get("args")), (*self.package(), name)
        return RuleLines(name, self._name, place["row"], max(rows(rule)), heads, path, function, mentions)

    def constants(self) -> set[Constant]:
        """Every scalar that stands in the rules."""
        return {
            (type(term["value"]), term["value"])
            for term in terms(self._rules)
            if term["type"] in ("string", "number", "boolean")
        }

    def reads(self) -> list[Read]:
        """Every read of the input, in the order of the file."""
        found: list[Read] = []
        self._heads_seen = 0
        for rule in self._rules:
            name = _rule_name(rule)
            self._names = self._names_in(rule)
            self._collect(rule, name, "value", name in self._negated, found)
        mentions = sum(term["type"] == "var" and term["value"] == "input" for term in terms(self._rules))
        if self._heads_seen < mentions:
            # Nothing may count as unread that was only not understood.
            found.append(Read((), True, "value", False, "", self._name, 1))
        return found

    def _collect(self, node: Any, rule: str, how: str, negated: bool, found: list[Read]) -> None:
        if isinstance(node, list):
            for inner in node:
                self._collect(inner, rule, how, negated, found)
            return
        if not isinstance(node, Mapping):
            return
        negated = negated or bool(node.get("negated"))
        kind, value = node.get("type"), node.get("value")
        operands = value if kind == "call" else node.get("terms")
        if isinstance(operands, list) and operands:
            how = _operation(operands[0]) or how
        if isinstance(operands, list) and _function(operands[0]) == "object.get" and self._member(operands) is not None:
            self._read(self._member(operands) or {}, rule, how, negated, found)
            self._collect(operands[3:], rule, how, negated, found)
            return
        if isinstance(operands, list) and _asks_for_an_item(operands):
            self._collect(operands[1], rule, how, negated, found)
            self._read(operands[2], rule, how, negated, found, as_set=True)
            return
        if kind in ("ref", "var"):
            self._read(node, rule, how, negated, found)
        for key, inner in node.items():
            # A reference is one read; only what is computed inside it is looked into. So is the name of a rule.
            if key == "ref" or (kind == "ref" and key == "value"):
                self._collect(
                    [part for part in inner if part["type"] not in _CONSTANT_PARTS], rule, how, negated, found
                )
            elif key not in ("location", "annotations", "name"):
                self._collect(inner, rule, how, negated, found)

    def _member(self, operands: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """`object.get(input.a, "b", …)` as the reference `input.a.b`, where it is one."""
        whole, key = operands[1], operands[2]
        if whole.get("type") not in ("ref", "var") or key.get("type") != "string":
            return None
        parts = whole["value"] if whole["type"] == "ref" else [whole]
        return {"type": "ref", "value": [*parts, key], "location": whole["location"]}

    def _read(
        self, node: Mapping[str, Any], rule: str, how: str, negated: bool, found: list[Read], *, as_set: bool = False
    ) -> None:
        path, whole = self._path(node)
        head = node["value"][0] if node["type"] == "ref" else node
        self._heads_seen += head.get("value") == "input"
        if path is not None:
            found.append(Read(path, whole, how, negated, rule, self._name, node["location"]["row"], as_set))

    def _path(self, node: Mapping[str, Any]) -> tuple[InputPath | None, bool]:
        """The path below `input` that a reference reads, and whether what lies below it may be read too."""
        parts = node["value"] if node["type"] == "ref" else [node]
        head = parts[0]
        if head.get("type") != "var":
            return None, False
        if head["value"] == "input":
            base: InputPath = ()
        elif head["value"] in self._names:
            base = self._names[head["value"]]
        else:
            return None, False
        path = list(base)
        for part in parts[1:]:
            if part["type"] != "string":
                return tuple(path), True
            path.append(part["value"])
        return tuple(path), node["type"] == "var" or len(path) <= 1 or path[-1] in ("claims", "properties", "context")

    def _names_in(self, rule: Mapping[str, Any]) -> dict[str, InputPath]:
        """Names that represent a part of the input within a rule: its own variables, and what they do not hide."""
        own = {term["value"] for term in terms(rule["head"].get("args") or []) if term["type"] == "var"}
        seen = {name: path for name, path in self._global_names.items() if name not in own}
        return self._resolved(seen, [*_local_assignments(rule)])

    def _imported(self) -> dict[str, InputPath]:
        names: dict[str, InputPath] = {}
        for imported in self._module.get("imports") or []:
            parts = imported["path"]["value"]
            if parts and parts[0]["value"] == "input":
                names[imported.get("alias") or parts[-1]["value"]] = tuple(part["value"] for part in parts[1:])
        return names

    def _resolved(
        self, known: Mapping[str, InputPath], assignments: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> dict[str, InputPath]:
        """The known names and those that are nothing but a reference to the input, or to such a name."""
        names = {name: path for name, path in known.items() if name not in {one for one, _ in assignments}}
        self._names = {**known, **names}
        for _ in range(_MAX_ALIASES):
            before = len(names)
            for name, value in assignments:
                if name not in names and value.get("type") in ("ref", "var"):
                    path, _whole = self._path(value)
                    parts = value["value"] if value["type"] == "ref" else [value]
                    if path is not None and all(part["type"] == "string" for part in parts[1:]):
                        names[name] = path
            self._names = {**known, **names}
            if len(names) == before:
                break
        return names

    def _rule_assignments(self) -> list[tuple[str, Mapping[str, Any]]]:
        return [
            (_rule_name(rule), rule["head"]["value"])
            for rule in self._rules
            if not rule["head"].get("args")
            and isinstance(rule["head"].get("value"), Mapping)
            and rule["body"][0].get("generated")
        ]


def _local_assignments(rule: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for expression in expressions(rule):
        terms = expression.get("terms")
        if not isinstance(terms, list) or len(terms) != 3 or _function(terms[0]) not in ("assign", "eq"):
            continue
        if terms[1].get("type") == "var":
            yield terms[1]["value"], terms[2]


def _branches(rule: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """A rule and each of its `else`."""
    while rule:
        yield rule
        rule = rule.get("else")


def _rule_name(rule: Mapping[str, Any]) -> str:
    return str(rule["head"].get("name") or rule["head"]["ref"][0]["value"])


def _function(term: Mapping[str, Any]) -> str:
    if term.get("type") != "ref":
        return ""
    return ".".join(str(part.get("value")) for part in term["value"])


def _operation(term: Mapping[str, Any]) -> str:
    name = _function(term)
    return "membership" if name in _MEMBERSHIP else "comparison" if name in _COMPARISONS else ""


def _asks_for_an_item(operands: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a call is `item in list` with a known item and a list that is a plain reference to the input.

    Of `some x in list`, where the variable takes one item after another, the order may matter.
    """
    return (
        _function(operands[0]) == "internal.member_2"
        and len(operands) == 3
        and (operands[1].get("type") in ("string", "number", "boolean", "null") or _is_plain_input(operands[1]))
        and _is_plain_input(operands[2])
    )


def _is_plain_input(term: Mapping[str, Any]) -> bool:
    if term.get("type") != "ref":
        return False
    head, *rest = term["value"]
    return bool(head.get("value") == "input" and all(part["type"] == "string" for part in rest))
