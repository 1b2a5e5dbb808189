"""Policies and inputs drawn at random, wide rather than sensible: every construct that the executor has to follow."""

from __future__ import annotations

import json
import random
from typing import Any

_TEXTS = ["a", "b", "ab", "gold", "", "é😀", "a/b/c", "10", " x "]
_NUMBERS = ["0", "1", "1.0", "2", "-1", "3", "2.5", "9007199254740993", "18446744073709551617", "1e2"]
_MEMBERS = ["s", "n", "xs", "ns", "o", "t", "z"]

DATA: dict[str, Any] = {
    "docs": {
        "roles": {"a": ["r", "w"], "b": ["r"], "ab": []},
        "limits": {"a": 1, "b": 2.5, "gold": 9007199254740993},
        "list": ["a", "b", {"k": "a"}, [1, 2], None, 1],
        "on": True,
        "nested": {"x": {"y": {"z": "deep"}}},
    }
}
"""The base documents. No member's name is a number: see `key_converted`."""


def random_input(chance: random.Random) -> dict[str, Any]:
    """Members of the type that the policies expect, others, and missing ones."""
    usual = {
        "s": lambda: chance.choice(_TEXTS),
        "n": lambda: json.loads(chance.choice(_NUMBERS[:4] + _NUMBERS[5:])),
        "xs": lambda: [chance.choice(["a", "b", "ab", "gold"]) for _ in range(chance.randint(0, 4))],
        "ns": lambda: [chance.choice([0, 1, 2, 3, 3]) for _ in range(chance.randint(0, 4))],
        "o": lambda: {chance.choice(["a", "b", "k"]): _anything(chance, 1) for _ in range(chance.randint(0, 3))},
        "t": lambda: chance.random() < 0.5,
        "z": lambda: _anything(chance, 2),
    }
    found = {}
    for name, make in usual.items():
        drawn = chance.random()
        if drawn > 0.12:
            found[name] = _anything(chance, 2) if drawn > 0.9 else make()
    return found


def _anything(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(7 if depth else 5)
    if kind == 5:
        return [_anything(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    if kind == 6:
        return {chance.choice(["a", "b", "k", "x"]): _anything(chance, depth - 1) for _ in range(chance.randint(0, 3))}
    return chance.choice([None, True, False, 1, 0, 2, 1.5, "a", "b", "", "1", 10**20])


class PolicyMaker:
    """Writes one policy. Its decision is `out`, a partial object with what each rule gives."""

    def __init__(self, chance: random.Random, package: str) -> None:
        self._chance = chance
        self._package = package
        self._fresh = 0

    def policy(self) -> str:
        rules = [f"r{number}" for number in range(self._chance.randint(2, 4))]
        texts = [f"package {self._package}", self._functions()]
        for name in rules:
            texts.append(self._rule(name))
            texts.append(f'out["{name}"] := {name}')
        return "\n\n".join(texts) + "\n"

    def obliging(self) -> str:
        """A policy whose decision is an object with obligations, now and then of another form."""
        texts = [f"package {self._package}", self._functions(), "default allow := false"]
        texts += [f"allow if {{ {self._body([], 2)} }}" for _ in range(3)]
        texts += [f"duties contains {self._duty()}" for _ in range(self._chance.randint(1, 4))]
        listed = self._pick("duties", "duties", "[x | some x in duties]", '[{"id": "log"}, {"id": "log"}]', "[[]]")
        reasons = self._pick("", "", ', "reasons": set()', ', "reasons": [input.s]')
        texts.append(f'decision := {{"allow": allow, "obligations": {listed}{reasons}}}')
        return "\n\n".join(texts) + "\n"

    def _duty(self) -> str:
        value, body = self._valued()
        name = self._pick('"log"', '"step_up"', '"step_up"', "input.s")
        return f'{{"id": {name}, "what": {value}}} if {{ {body} }}'

    def _new(self) -> str:
        self._fresh += 1
        return f"v{self._fresh}"

    def _pick(self, *options: Any) -> Any:
        return self._chance.choice(options)

    def _functions(self) -> str:
        body = self._body(["x"], 2)
        return "\n\n".join(
            [
                f"f(x) := {self._term(['x'], 1)} if {{ {self._body(['x'], 1)} }}",
                f'f("a") := {self._literal()}',
                f"g(x) if {{ {body} }}",
                'g(x) if x == "a"',
                f"h(x, y) := {self._term(['x', 'y'], 1)} if {{ x == y }} else := {self._term(['x', 'y'], 1)}",
            ]
        )

    def _rule(self, name: str) -> str:
        kind = self._chance.randrange(8)
        if kind == 0:
            bodies = [f"{name} contains {self._head()}" for _ in range(2)]
        elif kind == 1:
            key = self._pick("input.s", '"k"', "input.n", "input.z", '"a"')
            bodies = [f"{name}[{key}] := {self._head()}", f'{name}["b"] := {self._head()}']
        elif kind == 2:
            bodies = [f"default {name} := {self._pick('false', '0', 'null', '[]')}", f"{name} := {self._head()}"]
        elif kind == 3:
            value, body = self._valued()
            others = [self._valued() for _ in range(2)]
            elses = "".join(f" else := {v} if {{ {b} }}" for v, b in others)
            bodies = [f"{name} := {value} if {{ {body} }}{elses}"]
        elif kind == 4:
            bodies = [f"{name} := {self._head()}", f"{name} := {self._head()}"]
        elif kind == 5:
            value = self._pick("true", "1", '"x"')
            bodies = [f"{name} := {value} if {{ {self._body([], 3)} }}" for _ in range(3)]
        else:
            bodies = [f"{name} if {{ {self._body([], 3)} }}" for _ in range(2)]
        return "\n\n".join(bodies)

    def _head(self) -> str:
        value, body = self._valued()
        return f"{value} if {{ {body} }}"

    def _valued(self) -> tuple[str, str]:
        known: list[str] = []
        body = self._statements(known, 3)
        return self._term(known, 2), body

    def _body(self, known: list[str], most: int) -> str:
        return self._statements([*known], most)

    def _statements(self, known: list[str], most: int) -> str:
        """Statements; the variables that they bind are added to the known ones."""
        return "; ".join(self._statement(known) for _ in range(self._chance.randint(1, most)))

    def _statement(self, known: list[str]) -> str:
        kind = self._chance.randrange(16)
        if kind < 4:
            return f"{self._term(known, 1)} {self._pick('==', '!=', '<', '<=', '>', '>=')} {self._term(known, 1)}"
        if kind == 4:
            return f"{self._term(known, 1)} in {self._collection(known)}"
        if kind == 5:
            return f"not {self._term(known, 1)} in {self._collection(known)}"
        if kind == 6:
            return f"not {self._condition(known)}"
        if kind == 7:
            collection, name = self._collection(known), self._new()
            inner = self._body([*known, name], 2)
            return f"every {name} in {collection} {{ {inner} }}"
        if kind == 8:
            collection, name = self._collection(known), self._new()
            known.append(name)
            return f"some {name} in {collection}"
        if kind == 9:
            collection, name, key = self._collection(known), self._new(), self._new()
            known += [name, key]
            return f"some {key}, {name} in {collection}"
        if kind == 10:
            text, name = self._term(known, 2), self._new()
            known.append(name)
            return f"{name} := {text}"
        if kind == 11:
            return f"{self._condition(known)} with input.{self._pick(*_MEMBERS)} as {self._literal()}"
        if kind == 12:
            path, value = self._pick(("docs.on", "false"), ("docs.list", '["b"]'), ("docs.roles", '{"a": ["w"]}'))
            return f"{self._condition(known)} with data.{path} as {value}"
        if kind == 13:
            return f"{self._pick('[x, y]', '[x, _]', '[x]')} = {self._pick('input.xs', 'input.ns', 'input.z')}".replace(
                "x", self._bind(known)
            ).replace("y", self._bind(known))
        return self._condition(known)

    def _bind(self, known: list[str]) -> str:
        return self._pick(*known) if known and self._chance.random() < 0.3 else '"a"'

    def _condition(self, known: list[str]) -> str:
        one, other = self._term(known, 1), self._term(known, 1)
        return str(
            self._pick(
                # A comprehension that stands by itself is not in the plan at all: what fails in it is not seen.
                one if one[0] not in "[{" else f"{one} == {one}",
                f"g({one})",
                f"f({one})",
                f"f({one}) == {other}",
                f"{one} == {other}",
                f"{one} > {other}",
                f"is_string({one})",
                f"is_number({one})",
                f"is_array({one})",
                f"is_object({one})",
                f"is_set({one})",
                f"is_null({one})",
                f"is_boolean({one})",
                'startswith(input.s, "a")',
                'endswith(input.s, "b")',
                'contains(input.s, "o")',
                'regex.match("^[a-g]+$", input.s)',
                'glob.match("a*", [], input.s)',
                "data.docs.on",
                "data.docs.roles[input.s]",
                'data.docs.roles[input.s][_] == "w"',
                "data.docs.list[input.n]",
                "data.docs.nested.x[input.s]",
                f"data.{self._package}[input.s]" if self._chance.random() < 0.02 else "input.t",
                "input.t",
                "input.xs[0] == input.s",
                "input.o.k",
                "input.o[input.s]",
                "input.xs[_] == input.s",
                "{1, 2} & {2, 3} == {2}",
                "input.z[_] == 1",
                '{x | some x in input.xs} == {"a", "b"}',
            )
        )

    def _literal(self) -> str:
        return str(
            self._pick(
                json.dumps(self._pick(*_TEXTS), ensure_ascii=False),
                self._pick(*_NUMBERS),
                "true",
                "false",
                "null",
                '["a", 1]',
                "[]",
                "{}",
                '{"k": "a"}',
                "{1, 2}",
                "set()",
                '{"a", "b"}',
            )
        )

    def _collection(self, known: list[str]) -> str:
        return str(
            self._pick(
                "input.xs",
                "input.xs",
                "input.ns",
                "input.o",
                "input.z",
                "data.docs.list",
                "data.docs.roles",
                "data.docs.limits",
                '{"a", "b", 1}',
                '["a", "b", "a"]',
                '{"x": 1, "y": 2}',
                "{x | some x in input.xs}",
                '[x | some x in input.xs; x != "a"]',
                "{k: v | some k, v in input.o}",
                self._comprehension(known),
            )
        )

    def _comprehension(self, known: list[str]) -> str:
        name, source = self._new(), self._pick("input.xs", "input.ns", "input.o", "data.docs.list", '{"b", "a", 2}')
        inner = [*known, name]
        text = f"some {name} in {source}"
        if self._chance.random() < 0.5:
            text += f"; {self._statement(inner)}"
        value = self._term(inner, 0)
        return str(self._pick(f"[{value} | {text}]", f"{{{value} | {text}}}", f"{{{name}: {value} | {text}}}"))

    def _term(self, known: list[str], depth: int) -> str:
        if known and self._chance.random() < 0.4:
            return str(self._pick(*known))
        if not depth or self._chance.random() < 0.45:
            return str(self._pick(*(f"input.{name}" for name in _MEMBERS), self._literal(), "data.docs.limits.a"))
        one, other = self._term(known, depth - 1), self._term(known, depth - 1)
        return str(
            self._pick(
                f"[{one}, {other}]",
                f"{{{one}, {other}}}",
                f'{{"k": {one}, "l": {other}}}',
                f"f({one})",
                f"h({one}, {other})",
                self._comprehension(known),
                f"type_name({one})",
                f"object.get(input, {self._pick(*(json.dumps(m) for m in _MEMBERS))}, {one})",
                f"object.get(input.o, {self._pick('input.s', json.dumps('k'), json.dumps(['a', 'b']))}, {one})",
                "data.docs.roles[input.s]",
                "data.docs.limits[input.s]",
                "data.docs.list[input.n]",
                "input.xs[input.n]",
                "input.z[input.s]",
                "input.n + 1",
                "input.n - 2",
                "input.n * 3",
                "input.n / 2",
                "input.n % 3",
                "abs(input.n)",
                "round(input.n)",
                "ceil(input.n)",
                "floor(input.n)",
                "count(input.xs)",
                "count(input.s)",
                "count({x | some x in input.ns})",
                "count(input.o)",
                "sum(input.ns)",
                "product(input.ns)",
                "max(input.ns)",
                "min(input.xs)",
                "sort(input.xs)",
                "sort({x | some x in input.ns})",
                "array.concat(input.xs, input.ns)",
                "array.slice(input.xs, 0, 2)",
                "array.reverse(input.xs)",
                '({x | some x in input.xs} | {1, "a"})',
                '({x | some x in input.xs} & {"a", "b"})',
                "({x | some x in input.ns} - {1, 2})",
                "union({{1}, {2}})",
                'concat("-", input.xs)',
                'concat(",", {x | some x in input.xs})',
                'split(input.s, "/")',
                'split(input.s, "/")[0]',
                "upper(input.s)",
                "lower(input.s)",
                'trim(input.s, " ")',
                "trim_space(input.s)",
                'replace(input.s, "a", "b")',
                "substring(input.s, 0, 1)",
                'indexof(input.s, "b")',
                'sprintf("%v-%v", [input.s, input.n])',
                'sprintf("%s%%", [input.s])',
                'sprintf("%d", [input.n])',
                'sprintf("%v", [input.z])',
                "to_number(input.s)",
                "format_int(input.n, 10)",
                "json.marshal(input.xs)",
                "base64.encode(input.s)",
                "object.keys(input.o)",
                'object.union(input.o, {"k": 1})',
                'object.remove(input.o, ["a"])',
                "numbers.range(1, input.n % 5)",
                "strings.reverse(input.s)",
                "input.xs",
                "input.o.a",
                "[p | walk(input.z, [p, _])]",
            )
        )
