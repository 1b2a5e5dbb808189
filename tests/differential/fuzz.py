"""Random pairs of contracts and policies on small domains: the proof beside looking at everything, decided by OPA.

`make fuzz SEED=1 PAIRS=100000` runs many. A batch shares a few contracts and policies, each pair is drawn from them. A
`proved` where a pair of tokens exists is the failure that counts; a witness that OPA does not confirm is one, too; an
`unknown` is counted, as the truth is always known here.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entitlements.contract import Contract, conforms, is_map, parse_contract, policy_input, request_faults
from entitlements.contract.schema_forms import alternatives, parts
from entitlements.engine import Opa
from entitlements.engine.answer import read_result
from entitlements.engine.batch_server import BatchServer
from entitlements.engine.builtin_calls import BuiltinCalls, CallResult
from entitlements.engine.plan_build import build_plan
from entitlements.errors import EngineUnavailable
from entitlements.model import AccessRequest, Action, Principal, Resource, Verdict
from entitlements.proof.answer import REFUTED, UNKNOWN
from entitlements.proof.migration import ABSENT, claim_steps, related, related_claim, related_scopes, released
from entitlements.proof.scenario import Scenario
from entitlements.proof.symbolic.confirming import Confirming
from entitlements.proof.symbolic.encode import Policy, Question, encode
from entitlements.proof.symbolic.prover import Prover
from entitlements.proof.symbolic.self_check import ModelMismatch
from entitlements.proof.symbolic.smt.assignment import Assignment
from entitlements.proof.symbolic.smt.solver import Solver
from entitlements.proof.symbolic.time_limit import TimeLimit
from tests.shop import SHOP

from .duties import Duties, decision, turned

CONTRACTS, POLICIES, PAIRS_A_BATCH = 6, 10, 240
MOST_TOKENS = 320
PROPERTIES: list[dict[str, Any]] = [{}, {"tenant": "a"}, {"tenant": "b"}, {"tenant": "c"}]
NAMES = ("one", "two")

_MAP: dict[str, Any] = {"type": "object", "propertyNames": {"pattern": "^(a|b|on)$"}}
_FLAGS: dict[str, Any] = {"additionalProperties": {"type": "boolean"}, "maxProperties": 2}
_SCHEMAS: list[dict[str, Any]] = [
    {"type": "boolean"},
    {"enum": ["a", "b"]},
    {"enum": ["a", "b", "c"]},
    {"enum": ["b", "c", 1]},
    {"enum": ["true", "false"]},
    {"enum": ["a", "c", True]},
    {"type": "integer", "minimum": 0, "maximum": 2},
    {"type": "integer", "minimum": 1, "maximum": 3},
    {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "maxItems": 1},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "maxItems": 3},
    {"type": "array", "items": {"enum": ["a", "c"]}, "minItems": 1, "maxItems": 2},
    {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
    {"type": "array", "items": {"enum": ["b", "c"]}, "minItems": 1, "maxItems": 3},
    {"type": "object", "properties": {"k": {"enum": ["a", "b"]}, "on": {"type": "boolean"}}, "required": ["k"]},
    {"type": "object", "properties": {"k": {"enum": ["a", "b", "c"]}, "on": {"type": "boolean"}}},
    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2}, "maxItems": 2},
    {"type": "array", "items": {"type": "string", "pattern": "^[abc]$", "maxLength": 1}, "maxItems": 2},
    {"type": "array", "items": {"type": "string", "pattern": "^[ab]$", "maxLength": 1}, "maxItems": 3},
    {"type": "array", "items": {"type": "string", "pattern": "^[ab]$", "maxLength": 1}, "minItems": 1, "maxItems": 3},
    {"type": "array", "items": {"enum": ["b", 1, True]}, "maxItems": 2},
    {"type": "string", "pattern": "^[ab/]{0,2}$", "maxLength": 2},
    {"type": "string", "pattern": "^a?/?b?$", "maxLength": 3},
    {"type": "string", "pattern": "^[aA /]{0,2}$", "maxLength": 2},
    {"type": "null"},
    {"type": ["integer", "null"], "minimum": 0, "maximum": 2},
    {"type": ["boolean", "null"]},
    {"type": ["string", "null"], "pattern": "^[ab]$", "maxLength": 1},
    {"type": ["integer", "string"], "pattern": "^[ab]$", "maxLength": 1, "minimum": 0, "maximum": 2},
    {"type": ["integer", "string", "null"], "pattern": "^[abc]$", "maxLength": 1, "minimum": 1, "maximum": 2},
    {"type": ["array", "string"], "items": {"enum": ["a", "b"]}, "maxItems": 2, "pattern": "^[ab]$", "maxLength": 1},
    {"type": ["array", "null"], "items": {"enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2},
    {"type": ["boolean", "object"], "properties": {"a": {"enum": ["a", "b"]}, "on": {"type": "boolean"}}},
    {"type": "array", "items": {"type": ["integer", "null"], "minimum": 0, "maximum": 1}, "maxItems": 2},
    {"type": "object", "properties": {"a": {"type": ["string", "null"], "pattern": "^[ab]$", "maxLength": 1}}},
]
# Drawn less often: a policy that walks over one is answered with unknown.
_MAPS: list[dict[str, Any]] = [
    {**_MAP, "additionalProperties": {"enum": ["a", "b"]}, "maxProperties": 2},
    {**_MAP, "additionalProperties": {"enum": ["a", "b"]}, "maxProperties": 1},
    {**_MAP, "additionalProperties": {"enum": ["a", "b", "c"]}, "maxProperties": 2},
    {**_MAP, "additionalProperties": {"type": "boolean"}, "maxProperties": 3},
    {**_MAP, "additionalProperties": {"type": ["boolean", "null"]}, "maxProperties": 2},
    {**_MAP, "type": ["object", "string"], "pattern": "^[ab]$", "maxLength": 1, **_FLAGS},
    {**_MAP, "propertyNames": {"pattern": "^[abc]$"}, "additionalProperties": {"enum": ["a", 1]}, "maxProperties": 2},
]
# C is a claim, N its name. Those after the first list may fail for claims of another type.
_CONDITIONS = [
    'C == "a"',
    'C != "b"',
    "C == 1",
    "not C",
    "C",
    "C == true",
    "C == false",
    "not C == true",
    'not C == "a"',
    "C > 1",
    'C <= "b"',
    "C != null",
    '"a" in C',
    'not "b" in C',
    'not "c" in input.subject.claims.N',
    'C[0] == "a"',
    'C[1] == "b"',
    'C[_] == "c"',
    'C[_] != "a"',
    "not has_b(C)",
    'some x in C; x != "a"',
    'some i, x in C; x == "b"; i > 0',
    'every item in C { item != "b" }',
    'every item in C { item == "a" }',
    'every i, item in C { item == "a"; i < 1 }',
    "not every_a(C)",
    'C.k == "b"',
    "not C.on",
    "C.on == false",
    "C[input.resource.properties.tenant]",
    'C in {"a", "c", 1}',
    'not C in {"a", "b"}',
    'object.get(input.subject.claims, "N", "a") == "a"',
    'object.get(input.subject, ["claims", "N"], "b") != "b"',
    "C == input.resource.properties.tenant",
    "input.resource.properties.tenant in C",
    "not input.resource.properties.tenant in C",
    'object.get(input.subject.claims, "N", null) == object.get(input.resource.properties, "tenant", null)',
    '"read" in input.subject.scopes',
    'not "write" in input.subject.scopes',
    'input.subject.scopes[0] == "read"',
    "count(input.subject.scopes) > 1",
    "is_string(C)",
    "is_array(C)",
    "is_number(C)",
    "input.subject.claims.one == input.subject.claims.two",
    "input.subject.claims.one != input.subject.claims.two",
    "level(C) > 1",
    "not level(C) > 1",
    'named(C) == "known"',
    "flag(C)",
    "not flag(C)",
    'data.shop.docs.roles[C] == "high"',
    "data.shop.docs.roles[C]",
    "not data.shop.docs.roles[C]",
    "data.shop.docs.list[_] == C",
    "C in data.shop.docs.list",
    'chosen == "a"',
    'not chosen == "a"',
    "some x in members; x == C",
    '"a" in members',
    "count(members) > 1",
    'members == {"a"}',
    "table.a",
    "not table.N",
    'table[C] == "N"',
    'count([x | some x in C; x != "a"]) == 1',
    "count({x | some x in C}) == 2",
    '{x | some x in C} == {"a", "b"}',
    '[x | some x in C] == ["a", "b"]',
    '{k: v | some k, v in C} == {"k": "a"}',
    '"b" in {x | some x in C; x != "c"}',
    'flag("b") with input.subject.claims.N as "a"',
    'chosen == "b" with input.subject.claims.one as "b"',
    'not flag(C) with data.shop.docs.list as ["a"]',
    "is_array(C); count(C) == 1",
    "is_array(C); count(C) < 3",
    'is_string(C); startswith(C, "a")',
    'is_string(C); upper(C) == "B"',
    'sprintf("%v", [C]) == "a"',
    'startswith(sprintf("%v", [C]), "[")',
    'is_array(C); concat("", C) == "ab"',
    "is_number(C); C + 1 == 2",
    "is_array(C); C == sort(C)",
    'is_array(C); array.concat(C, ["a"])[0] == "a"',
    'type_name(C) == "boolean"',
    '"a" in C; "b" in C',
    "some x in C; some y in C; x != y",
    '"a" in members; "b" in members',
    'count(members) > 0; not "b" in members',
    "some x in shared; some y in shared; x != y",
    '"a" in shared; "b" in shared',
    '"b" in {x | some x in C; "a" in C}',
    'some x in {y | some y in C; y in input.subject.claims.one}; x == "b"',
    "is_array(input.subject.claims.one); is_array(input.subject.claims.two); "
    'xs := array.concat(input.subject.claims.one, input.subject.claims.two); "a" in xs; "b" in xs',
    'paired.a == "b"',
    "some k, v in paired; k != v",
    "every x in C { x in input.subject.claims.two }",
    'is_array(C); sort(C)[0] == "a"',
    'is_array(C); sort(C)[1] != "b"',
    "is_array(C); C == sort({x | some x in C})",
    'is_array(C); max(C) == "b"',
    "is_array(C); min(C) < 1",
    "is_array(C); not max(C) > 1",
    'is_array(C); array.slice(C, 0, 1) == ["a"]',
    'is_array(C); array.reverse(C)[0] == "b"',
    'C >= ["b"]',
    'C < ["a", "c"]',
    'C > {"k": "a"}',
    '{x | some x in C} < {"b"}',
    "input.subject.claims.one < input.subject.claims.two",
    "is_number(C); C % 2 == 1",
    "is_number(C); C / 2 > 0.7",
    "is_number(C); abs(C - 2) == 1",
    'is_string(C); split(C, "/")[0] == "a"',
    'is_string(C); split(C, "/")[1] == "b"',
    'is_string(C); "a" in split(C, "/")',
    'is_string(C); not "" in split(C, "/")',
    'is_string(C); some x in split(C, "/"); x == "b"',
    'is_string(C); every x in split(C, "/") { x != "" }',
    'is_string(C); count(split(C, "/")) == 2',
    'is_string(C); [x, y] := split(C, "/"); x < y',
    'is_string(C); glob.match("a*", ["/"], C)',
    'is_string(C); glob.match("?", [], C)',
    'is_string(C); trim_prefix(C, "a") == "b"',
    'is_string(C); trim_suffix(C, "/") in {"a", "b"}',
    'is_string(C); strings.any_suffix_match(C, ["a", "/b"])',
    'is_string(C); contains(C, "/"); not endswith(C, "/")',
    'is_string(C); regex.match("^a+$", C)',
    'is_string(C); C >= "a/"',
    'is_string(C); lower(C) == "a"',
    'is_string(C); startswith(upper(C), "A")',
    'is_string(C); "a" in split(lower(C), "/")',
    'is_string(C); lower(split(C, "/")[0]) == "a"',
    'is_string(C); trim(C, "a/") == "b"',
    "is_string(C); trim_space(C) == C",
    'is_string(C); substring(C, 1, 1) == "b"',
    'is_string(C); substring(C, 1, -1) == ""',
    'is_string(C); replace(C, "a", "b") == "b"',
    "is_string(input.subject.claims.one); is_string(input.subject.claims.two); "
    "lower(input.subject.claims.one) == lower(input.subject.claims.two)",
    "is_string(C); count(C) > 1",
    'regex.match("^[ab]$", object.get(input.resource.properties, "tenant", "c"))',
    "is_null(C)",
    "C == null",
    "not C == null",
    'C in {null, "a"}',
    "not C in {null, 1}",
    'type_name(C) == "null"',
    "null in C",
    "not null in C",
    "some x in C; is_null(x)",
    "is_string(C); is_null(input.subject.claims.two)",
    'object.get(input.subject.claims, "N", "none") != null',
    "C < 1",
    "C >= null",
    'C.a == "b"',
    'C.a != "a"',
    "not C.a",
    "C.a == null",
    "not C.a == null",
    "C.b == true",
    "not C.on == true",
    'C["a"] == C["b"]',
    'C.a == "a"; not C.b',
    'is_object(C); object.get(C, "a", "b") == "b"',
    'is_object(C); object.get(C, "on", false) == false',
    "is_object(C)",
    "not is_object(C)",
    "C == {}",
    "C != {}",
    'C == {"a": "b"}',
    "is_object(C); count(C) == 1",
    'is_object(C); "b" in C',
    "some k, v in C; k == v",
    'every k, v in C { k != "b"; v != "b" }',
    "C[_] == true",
    "C.a == input.resource.properties.tenant",
    "input.subject.claims.one.a == input.subject.claims.two.a",
]
_FAILING = [
    "count(C) == 1",
    "count(C) < 2",
    'startswith(C, "a")',
    "C + 1 == 2",
    'max(C) == "b"',
    'concat(",", C) == "a,b"',
    'only == "a"',
    "not only == 1",
    "sum(C) > 1",
]
_HELPERS = """
every_a(xs) if { every x in xs { x == "a" } }

level(x) := 2 if x == "a"

level(x) := 1 if x == "b"

level(x) := x if is_number(x)

named(x) := "known" if { x in {"a", "b"} } else := "odd" if { is_string(x) } else := "other"

flag(x) if x == "a"

flag(x) if { is_array(x); "a" in x }

flag(true)

has_b(x) if x[_] == "b"
"""


def schema(chance: random.Random) -> dict[str, Any]:
    return chance.choice(_MAPS if chance.random() < 0.1 else _SCHEMAS)


def contract(chance: random.Random, version: str) -> Contract:
    """One or two claims, one of them perhaps released by a scope; a typed request with one property."""
    while True:
        claims = {}
        for name in NAMES:
            if chance.random() < 0.9:
                claims[name] = {"required": chance.random() < 0.6, "schema": schema(chance)}
        claims = claims or {"one": {"schema": {"type": "boolean"}}}
        scopes: dict[str, Any] = {name: {"claims": []} for name in ("read", "write") if chance.random() < 0.5}
        if scopes and chance.random() < 0.5:
            scopes[chance.choice([*scopes])]["claims"] = [chance.choice([*claims])]
        tenant = chance.choice([["a", "b"], ["a", "b"], ["a", "b", "c"], ["b"]])
        item: dict[str, Any] = {"properties": {"tenant": {"enum": tenant}}}
        if chance.random() < 0.3:
            item["required"] = ["tenant"]
        document = {
            **SHOP,
            "version": version,
            "claims": claims,
            "scopes": scopes,
            "request": {"actions": ["read"], "resources": {"item": item}, "context": {"properties": {}}},
        }
        found = parse_contract(json.dumps(document), Path("shop.yaml"), named=False)
        if len(tokens(found)) <= MOST_TOKENS:
            return found


def policy(chance: random.Random, package: str) -> str:
    """A few rules of one to three conditions each, perhaps a denial, sometimes with calls that may fail."""
    conditions = _CONDITIONS + (_FAILING if chance.random() < 0.15 else [])

    def condition() -> str:
        name = chance.choice(NAMES)
        # One that compares only part of a list is likelier met.
        text = chance.choice(conditions).replace("N", name) if chance.random() < 0.95 else 'input.action.name == "read"'
        return text.replace("C", f"input.subject.claims.{name}")

    def body() -> str:
        return "; ".join(condition() for _ in range(chance.choice([1, 1, 2, 2, 3])))

    def claim() -> str:
        return f"input.subject.claims.{chance.choice(NAMES)}"

    texts = [f"package {package}", "default allow := false", _HELPERS]
    texts += [f"members contains x if {{ some x in {claim()} }}", f"members contains {claim()}"]
    texts += [f"shared contains x if {{ some x in {claim()}; x in {claim()} }}"]
    texts += [f"paired[x] := y if {{ some x in {claim()}; some y in {claim()}; x != y }}"]
    texts += [f'table[{claim()}] := "{chance.choice(NAMES)}" if is_string({claim()})', 'table.a := "one" if false']
    texts += [f'chosen := "a" if {{ {claim()} == "a" }} else := "b" if {{ {claim()} == "b" }}']
    texts += [f"only := {claim()} if {claim()} != null", 'only := "a" if "read" in input.subject.scopes']
    texts += [f"granted if {{ {body()} }}" for _ in range(chance.choice([1, 2, 2, 3]))]
    denial = chance.random()
    texts += [f"denied if {{ {body()} }}"] if denial < 0.6 else ["denied if false"]
    ending = chance.choice(["granted; not denied", "granted; not denied", "not denied", "granted"])
    texts.append(f"allow if {{ {ending} }}")
    texts.append(decision(chance, body, claim))
    return "\n\n".join(texts) + "\n"


def everything(schema: Mapping[str, Any]) -> list[Any]:
    """Every value that a schema permits."""
    key = json.dumps(schema, sort_keys=True, default=list)
    if key not in _VALUES:
        found = (value for one in alternatives(schema) for value in _of_one_type(one))
        _VALUES[key] = [value for value in found if conforms(schema, value)]
    return _VALUES[key]


def _of_one_type(schema: Mapping[str, Any]) -> Iterator[Any]:
    """What may be a value of a schema that is no union; all that is one is there."""
    if "items" in schema:
        items = everything(schema["items"])
        yield from (list(one) for size in range(4) for one in itertools.product(items, repeat=size))
    elif "pattern" in schema:
        yield from ("".join(one) for size in range(4) for one in itertools.product("abcA /", repeat=size))
    elif is_map(schema):
        held = {name: everything(schema["additionalProperties"]) for name in ("a", "b", "c", "on")}
        yield from _objects(held)
    elif "properties" in schema:
        yield from _objects({name: everything(one) for name, one in schema["properties"].items()})
    else:
        yield from ["a", "b", "c", "true", "false", None, True, False, *range(5)]


def _objects(held: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Every object with some of the members that are given with their values."""
    choices = [[(), *((name, value) for value in values)] for name, values in held.items()]
    for chosen in itertools.product(*choices):
        yield dict(pair for pair in chosen if pair)


_VALUES: dict[str, list[Any]] = {}
Key = tuple[frozenset[str], str]


def tokens(one: Contract) -> list[tuple[frozenset[str], dict[str, Any]]]:
    """Every token that a contract permits."""
    found = []
    for size in range(len(one.scopes) + 1):
        for scopes in map(frozenset, itertools.combinations(one.scopes, size)):
            choices = []
            for name, spec in one.claims.items():
                there = released(one, name, scopes)
                values = [((name, value),) for value in everything(spec.schema)] if there else []
                choices.append([*values, *([()] if not there or not spec.required else [])])
            found += [(scopes, dict(sum(chosen, ()))) for chosen in itertools.product(*choices)]
    return found


def key_of(scopes: frozenset[str], claims: Mapping[str, Any]) -> Key:
    return scopes, json.dumps(claims, sort_keys=True)


@dataclass
class Table:
    """What OPA decides: by policy and token, one bit a request. obligations: of each request, where a
    policy demands any.
    """

    folder: Path
    opa: Opa
    known: dict[tuple[int, Key], int] = field(default_factory=dict)
    obligations: dict[tuple[int, Key], tuple[int, ...]] = field(default_factory=dict)
    _seen: Duties = field(default_factory=Duties)

    def decide(self, policies: int, contracts: Sequence[Contract]) -> None:
        """Every token of every contract with every request, by every policy."""
        wanted = {key_of(*token): (one, token) for one in contracts for token in tokens(one)}
        inputs = []
        for one, (scopes, claims) in wanted.values():
            for properties in PROPERTIES:
                request = AccessRequest("", Action("read"), Resource("item", "1", properties))
                inputs.append(policy_input(one, Principal("u_1", "client", claims, tuple(sorted(scopes))), request))
        texts = [json.dumps(one) for one in inputs]
        server = BatchServer(self.opa.executable, str(self.folder))
        try:
            for number in range(policies):
                verdicts = self._of_policy(server, number, texts)
                for place, key in enumerate(wanted):
                    chosen = verdicts[place * len(PROPERTIES) : (place + 1) * len(PROPERTIES)]
                    self.known[number, key] = sum(one.allow << bit for bit, one in enumerate(chosen))
                    if any(one.allow and one.obligations for one in chosen):
                        self.obligations[number, key] = tuple(map(self._seen.mask, chosen))
        finally:
            server.close()

    def _of_policy(self, server: BatchServer, number: int, texts: list[str]) -> list[Verdict]:
        return [
            verdict
            for start in range(0, len(texts), 250)
            for verdict in self._chunk(server, number, texts[start : start + 250])
        ]

    def _chunk(self, server: BatchServer, number: int, texts: list[str]) -> list[Verdict]:
        (answer,) = server.decide(f"batch/p{number}/results", [f'{{"inputs": [{",".join(texts)}]}}'])
        if answer is not None:
            return [read_result(one, "d", "") for one in answer["result"]]
        singles = server.decide(f"shop/p{number}/decision", texts)
        return [read_result(one or {}, "result", "") for one in singles]

    def obliges(self, number: int, key: Key) -> bool:
        return (number, key) in self.obligations

    def masks(self, number: int, key: Key) -> tuple[int, ...]:
        return self.obligations.get((number, key), (0,) * len(PROPERTIES))

    def allows(self, number: int, scopes: frozenset[str], claims: Mapping[str, Any]) -> int:
        return self.known[number, key_of(scopes, claims)]


@dataclass
class Batch:
    """A few contracts and policies, with what OPA decides. permits: the requests of each contract, one bit each."""

    contracts: list[Contract]
    policies: list[Policy]
    table: Table
    permits: list[int]
    _related: dict[tuple[int, int], list[tuple[Key, Key]]] = field(default_factory=dict)

    def forms(self, old: int, new: int) -> set[str]:
        """Which forms of schemas are new to the proof here: `map`, `union`, `null`."""
        schemas = [spec.schema for one in (old, new) for spec in self.contracts[one].claims.values()]
        return {form for one in schemas for form in forms_of(one)}

    def related(self, old: int, new: int) -> list[tuple[Key, Key]]:
        """Every pair of tokens of one principal under two of the contracts."""
        if (old, new) not in self._related:
            pairs = related_tokens(self.contracts[old], self.contracts[new])
            self._related[old, new] = [(key_of(*one), key_of(*other)) for one, other in pairs]
        return self._related[old, new]


def forms_of(schema: Mapping[str, Any]) -> set[str]:
    """The forms in a schema and its parts."""
    found = set().union(*map(forms_of, parts(schema)))
    found |= {"map"} if is_map(schema) else set()
    found |= {"union"} if len(alternatives(schema)) > 1 else set()
    return found | ({"null"} if conforms(schema, None) else set())


def make_batch(chance: random.Random, opa: Opa, folder: Path) -> Batch:
    """Raises EngineUnavailable where OPA plans the policies not."""
    contracts = [contract(chance, f"{number + 1}.0.0") for number in range(CONTRACTS)]
    files: dict[str, bytes] = {}
    for number in range(POLICIES):
        files[f"p{number}.rego"] = policy(chance, f"shop.p{number}").encode()
        files[f"b{number}.rego"] = (
            f"package batch.p{number}\n\nresults := [r | some x in input.inputs; "
            f'r := {{"d": d | d := data.shop.p{number}.decision with input as x}}]\n'
        ).encode()
    roles = {
        "roles": {"a": "high", "b": chance.choice(["low", "high"])},
        "list": chance.choice([["a"], ["b", 1], ["a", "c", True]]),
    }
    files["data.json"] = json.dumps({"shop": {"docs": roles}}).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    kept = {name: content for name, content in files.items() if not name.startswith("b")}
    policies = [Policy(build_plan(opa, _only(kept, number), f"shop/p{number}/decision")) for number in range(POLICIES)]
    table = Table(folder, opa)
    table.decide(POLICIES, contracts)
    return Batch(contracts, policies, table, [_permits(one) for one in contracts])


def _only(files: Mapping[str, bytes], number: int) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name in (f"p{number}.rego", "data.json")}


def _permits(one: Contract) -> int:
    """The requests that a contract permits, one bit each."""
    good = [not request_faults(one, Action("read"), Resource("item", "1", p), {}) for p in PROPERTIES]
    return sum(fine << bit for bit, fine in enumerate(good))


def truth(batch: Batch, chosen: tuple[int, int, int, int], *, duties: bool = True) -> tuple[bool, bool]:
    """Whether anybody gains and whether anybody loses access: every related pair of tokens is looked at. duties: with
    allows that lose or gain an obligation.
    """
    old, new, policy_before, policy_after = chosen
    known, masks = batch.table.known, (batch.permits[old], batch.permits[new])
    gains = loses = False
    for one, other in batch.related(old, new):
        before = known[policy_before, one] & masks[0]
        after = known[policy_after, other] & masks[1]
        gains = gains or bool(after & ~before)
        loses = loses or bool(before & ~after)
        if (
            duties
            and before & after
            and (batch.table.obliges(policy_before, one) or batch.table.obliges(policy_after, other))
        ):
            masks_of = batch.table.masks(policy_before, one), batch.table.masks(policy_after, other)
            lost, gained = turned(*masks_of, before & after)
            gains, loses = gains or lost, loses or gained
        if gains and loses:
            break
    return gains, loses


Pair = tuple[tuple[frozenset[str], dict[str, Any]], tuple[frozenset[str], dict[str, Any]]]


def related_tokens(old: Contract, new: Contract) -> Iterator[Pair]:
    """Every pair of tokens of one principal, claim by claim."""
    steps = claim_steps(old, new)
    for before, after in itertools.product(_subsets(old.scopes), _subsets(new.scopes)):
        if not related_scopes(old, new, before, after):
            continue
        choices = []
        for step in steps:
            there = released(old, step.name_before, before), released(new, step.name_after, after)
            ones = [*everything(step.before.schema), ABSENT] if step.before and there[0] else [ABSENT]
            others = [*everything(step.after.schema), ABSENT] if step.after and there[1] else [ABSENT]
            pairs = itertools.product(ones, others)
            choices.append([pair for pair in pairs if related_claim(step, *pair, released=there)])
        for chosen in itertools.product(*choices):
            one = {s.name_before: pair[0] for s, pair in zip(steps, chosen, strict=True) if pair[0] is not ABSENT}
            other = {s.name_after: pair[1] for s, pair in zip(steps, chosen, strict=True) if pair[1] is not ABSENT}
            yield (before, one), (after, other)


def _subsets(scopes: Mapping[str, Any]) -> list[frozenset[str]]:
    return [frozenset(c) for size in range(len(scopes) + 1) for c in itertools.combinations(scopes, size)]


class Confirmed(Exception):
    """A witness, which OPA's decisions confirm: one is enough here."""


class Differs(Exception):
    """An exact model of the solver that OPA decides differently."""


class TableConfirming(Confirming):
    """What confirms a point, with OPA's decisions looked up in the table."""

    def __init__(self, batch: Batch, chosen: tuple[int, int, int, int]) -> None:
        self._batch, self._chosen = batch, chosen
        self._contracts = batch.contracts[chosen[0]], batch.contracts[chosen[1]]

    def confirmed(self, scenario: Scenario, *, widening: bool, obligation: bool = False) -> bool:
        bit = PROPERTIES.index(dict(scenario.resource.properties))
        allowed = []
        for side, token in enumerate((scenario.before, scenario.after)):
            mask = self._batch.table.allows(self._chosen[2 + side], token.scopes, token.claims)
            allowed.append(bool(mask & self._batch.permits[self._chosen[side]] & (1 << bit)))
        if not obligation:
            return allowed == [not widening, widening]
        keys = (key_of(token.scopes, token.claims) for token in (scenario.before, scenario.after))
        masks = [self._batch.table.masks(self._chosen[2 + side], key) for side, key in enumerate(keys)]
        return all(allowed) and turned(masks[0], masks[1], 1 << bit)[0 if widening else 1]

    def mismatch(self, question: Question, assignment: Assignment) -> ModelMismatch:
        raise Differs

    def related(self, scenario: Scenario, *, widening: bool) -> bool:
        before, after = scenario.before, scenario.after
        return related(*self._contracts, (before.scopes, before.claims), (after.scopes, after.claims))

    def witness(self, scenario: Scenario, *, widening: bool, obligation: bool = False) -> Any:
        raise Confirmed

    def input_of(self, scenario: Scenario) -> Mapping[str, Any]:
        return {}

    def fails(self, scenario: Scenario, side: int) -> bool:
        return False


class TableProver(Prover):
    """The prover with what confirms by the table, and without its own trial against OPA."""

    def __init__(self, batch: Batch, chosen: tuple[int, int, int, int], calls: Any, solver: Solver) -> None:
        self._looked_at = 1 if sum(chosen) % 2 else 3
        self._contracts = batch.contracts[chosen[0]], batch.contracts[chosen[1]]
        self._policies = batch.policies[chosen[2]], batch.policies[chosen[3]]
        self._confirming = TableConfirming(batch, chosen)
        self._calls = calls
        self._solver = solver
        self._clock = time.monotonic
        self._questions = {}

    def _question(
        self, request_of: int, limit: TimeLimit, full: frozenset[str] = frozenset(), *, generous: bool = True
    ) -> Question:
        """Without the trial: what is asked of OPA here is asked of the table."""
        key = request_of, full, generous
        if key not in self._questions:
            # With one element to begin with, it is the count of needed elements that decides how many are looked at.
            asked = encode(
                *(self._contracts, self._policies, self._calls),
                request_of=request_of,
                looked_at=self._looked_at,
                full=full,
                generous=generous,
            )
            self._questions[key] = asked
        return self._questions[key]


class RememberedCalls:
    """OPA's answers about constants, kept from pair to pair."""

    def __init__(self, opa: Opa) -> None:
        self._calls = BuiltinCalls(opa)
        self._known: dict[str, CallResult] = {}

    def __call__(self, name: str, rows: Sequence[Sequence[Any]], *, relation: bool = False) -> list[CallResult]:
        keys = [f"{name} {row!r}" for row in rows]
        fresh = {key: row for key, row in zip(keys, rows, strict=True) if key not in self._known}
        if fresh:
            self._known.update(zip(fresh, self._calls(name, list(fresh.values()), relation=relation), strict=True))
        return [self._known[key] for key in keys]


@dataclass
class Figures:
    """What a run found. pairs: (policies, contracts) pairs, each asked in both directions; by_duty: those in which only
    obligations turn in a direction; forms: answers where a claim has a map, a union of types or null.
    """

    pairs: int = 0
    by_duty: int = 0
    batches: int = 0
    unplanned: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    forms: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def line(self, seconds: float) -> str:
        asked = sum(self.answers.values()) or 1
        share = self.answers[UNKNOWN] / asked
        return (
            f"{self.pairs} pairs, {dict(self.answers)}, unknown {share:.2%}, faults {len(self.faults)}, "
            f"{self.pairs / seconds:.1f} pairs/s"
        )


def run(seed: int, pairs: int, opa: Opa, *, talk: bool = False, a_batch: int = PAIRS_A_BATCH) -> Figures:
    """Fuzz. seed: of everything that is drawn; a_batch: pairs of the same contracts and policies."""
    figures = Figures()
    calls = RememberedCalls(opa)
    start = time.monotonic()
    with Solver(seconds=4.0) as solver:
        while figures.pairs < pairs:
            chance = random.Random(f"{seed} {figures.batches}")
            figures.batches += 1
            with tempfile.TemporaryDirectory(prefix="entitlements-fuzz-") as folder:
                try:
                    batch = make_batch(chance, opa, Path(folder))
                except EngineUnavailable:
                    figures.unplanned += 1
                    continue
                for _ in range(min(a_batch, pairs - figures.pairs)):
                    _one_pair(batch, _drawn(chance), figures, calls, solver, f"seed {seed} batch {figures.batches - 1}")
            if talk:
                print(figures.line(time.monotonic() - start), flush=True)
                if figures.batches % 20 == 0:
                    print(figures.unknown.most_common(20), figures.faults, flush=True)
    return figures


def _drawn(chance: random.Random) -> tuple[int, int, int, int]:
    old, new = chance.sample(range(CONTRACTS), 2) if chance.random() < 0.8 else [chance.randrange(CONTRACTS)] * 2
    before = chance.randrange(POLICIES)
    return old, new, before, before if chance.random() < 0.5 else chance.randrange(POLICIES)


def _one_pair(
    batch: Batch, chosen: tuple[int, int, int, int], figures: Figures, calls: Any, solver: Solver, named: str
) -> None:
    exists = truth(batch, chosen)
    prover = TableProver(batch, chosen, calls, solver)
    figures.pairs += 1
    figures.by_duty += exists != truth(batch, chosen, duties=False)
    for widening, happens in ((True, exists[0]), (False, exists[1])):
        where = f"{named} pair {chosen} {'widening' if widening else 'narrowing'}"
        try:
            proof = prover.prove(widening=widening)
            answer, reason = proof.answer, proof.reason
        except Confirmed:
            answer, reason = REFUTED, ""
        except Differs:
            answer, reason = "mismatch", ""
        figures.answers[answer] += 1
        figures.forms.update((form, answer) for form in batch.forms(*chosen[:2]))
        if answer == UNKNOWN:
            figures.unknown[" ".join(part for part in reason.split() if ".rego" not in part)] += 1
        elif answer == "mismatch" or happens != (answer == REFUTED):
            figures.faults.append(f"{where}: {answer} {reason}, though happens: {happens}")
            print(figures.faults[-1], file=sys.stderr, flush=True)


def main(seed: int, pairs: int) -> None:
    """Print the figures; end with status 1 where the proof was wrong."""
    opa = Opa(Path(__file__).resolve().parents[2] / ".tools" / "opa")
    start = time.monotonic()
    figures = run(seed, pairs, opa, talk=True)
    print(f"seed {seed}: {figures.line(time.monotonic() - start)}, {figures.unplanned} batches not planned")
    for reason, times in figures.unknown.most_common():
        print(f"  {times:6} unknown: {reason}")
    for fault in figures.faults:
        print(fault)
    sys.exit(bool(figures.faults))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
