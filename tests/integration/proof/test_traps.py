"""Every trap that a proof about Rego can fall into, with a widening that it would hide and a near miss that is proved.

All through the check itself, with real OPA: what is refuted carries witnesses that OPA confirmed.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entitlements.contract import Contract, parse_contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, UNKNOWN, Access, Effort, Side, compare_access
from tests.shop import SHOP

BASE: dict[str, Any] = {
    **SHOP,
    "claims": {"role": {"required": True, "schema": {"enum": ["user", "guest"]}}},
    "scopes": {"read": {"claims": []}, "admin": {"claims": []}},
    "request": {
        "actions": ["read"],
        "resources": {"item": {"properties": {"state": {"enum": ["open", "shut"]}}}},
        "context": {"properties": {}},
    },
}
ELSEWHERE = "https://new.example.com"
WITHIN = "proved_within_bounds"
TEXT = {"type": "string", "maxLength": 20}
GOLD = {"enum": ["gold", "free"]}
LEVEL = {"type": "integer", "minimum": 0, "maximum": 5}
FLAG = {"type": "boolean"}
TAGS = {"type": "array", "items": TEXT, "maxItems": 20}
PAIR = {"type": "array", "items": TEXT, "maxItems": 2}
ROLES = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 3}
DUTIES = {**ROLES, "uniqueItems": True}
PARTS = {"type": "object", "properties": {"kind": GOLD, "on": FLAG}, "required": ["kind"]}


def contract(**parts: Any) -> Contract:
    document = {name: part for name, part in (copy.deepcopy(BASE) | parts).items() if part is not None}
    return parse_contract(json.dumps(document), Path("shop.yaml"), named=False)


def must(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "schema": schema}


def may(schema: dict[str, Any]) -> dict[str, Any]:
    return {"schema": schema}


def with_claims(**claims: Any) -> Contract:
    return contract(claims={**BASE["claims"], **claims})


def untyped(**claims: Any) -> Contract:
    return contract(claims={**BASE["claims"], **claims}, request=None)


@dataclass(frozen=True)
class Case:
    """Contracts and policies of one question. want: the answer about new access; after: the other policy, if any."""

    name: str
    want: str
    old: Contract
    new: Contract
    rule: str
    after: str = ""
    data: str = "{}"
    data_after: str = ""
    default: bool = True


def access(case: Case, folder: Path, opa: Opa, *, seconds: float = 20) -> Access:
    sides = []
    changed = case.after or case.data_after
    for one, text, data, name in (
        (case.old, case.rule, case.data, "before"),
        (case.new, case.after or case.rule, case.data_after or case.data, "after"),
    ):
        place = folder / (name if changed else "same")
        (place / "shop/authz").mkdir(parents=True, exist_ok=True)
        default = "default allow := false\n\n" if case.default else ""
        imports, _, rest = text.rpartition("---\n")
        (place / "shop/authz/authz.rego").write_text(f"package shop.authz\n\n{imports}\n{default}{rest}\n")
        (place / "tables").mkdir(exist_ok=True)
        (place / "tables/data.json").write_text(data)
        sides.append(Side(one, place, one.decision_path))
    return compare_access(*sides, opa=opa, effort=Effort(budget=300, seconds=seconds))


def held(case: Case, folder: Path, opa: Opa) -> None:
    found = access(case, folder, opa).no_new_access
    assert found.answer == case.want, found.reason
    if case.want == REFUTED:
        assert found.witnesses


def cases(*listed: Case) -> pytest.MarkDecorator:
    assert len({case.name for case in listed}) == len(listed)
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name.replace(" ", "-")) for case in listed])


def optional(name: str, schema: dict[str, Any]) -> tuple[Contract, Contract]:
    """A claim that was required and becomes optional."""
    return with_claims(**{name: must(schema)}), with_claims(**{name: may(schema)})


def same(**claims: Any) -> tuple[Contract, Contract]:
    one = with_claims(**claims)
    return one, one


def same_untyped(**claims: Any) -> tuple[Contract, Contract]:
    one = untyped(**claims)
    return one, one


@cases(
    Case("not equal is undefined for an absent claim", PROVED, *optional("plan", GOLD), 'allow if input.subject.claims.plan != "free"'),
    Case("the negation of equal is not", REFUTED, *optional("plan", GOLD), 'allow if not input.subject.claims.plan == "free"'),
    Case("equal to false needs the claim", PROVED, *optional("banned", FLAG), "allow if input.subject.claims.banned == false"),
    Case("not does not need the claim", REFUTED, *optional("banned", FLAG), "allow if not input.subject.claims.banned"),
    Case("equal to false where not was", PROVED, *same(banned=may(FLAG)), "allow if not input.subject.claims.banned", "allow if input.subject.claims.banned == false"),
    Case("not where equal to false was", REFUTED, *same(banned=may(FLAG)), "allow if input.subject.claims.banned == false", "allow if not input.subject.claims.banned"),
    Case("a helper that is undefined", REFUTED, *optional("plan", GOLD), 'allow if not free\n\nfree if input.subject.claims.plan == "free"'),
    Case("a default for a missing claim", REFUTED, *optional("plan", GOLD), 'allow if object.get(input.subject.claims, "plan", "gold") == "gold"'),
    Case("a harmless default", PROVED, *optional("plan", GOLD), 'allow if object.get(input.subject.claims, "plan", "free") == "gold"'),
)  # fmt: skip
def test_trap_1_undefined_is_not_false(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


NEW_NOT = "import future.keywords.not\n---\n"


@cases(
    Case("argument of a function", PROVED, *optional("plan", GOLD), 'allow if not f(input.subject.claims.plan)\n\nf("free")'),
    Case("argument of a function, new", REFUTED, *optional("plan", GOLD), NEW_NOT + 'allow if not f(input.subject.claims.plan)\n\nf("free")'),
    Case("argument of a built-in", PROVED, *optional("plan", GOLD), 'allow if not startswith(input.subject.claims.plan, "f")'),
    Case("argument of a built-in, new", REFUTED, *optional("plan", GOLD), NEW_NOT + 'allow if not startswith(input.subject.claims.plan, "f")'),
    Case("member of a list", PROVED, *optional("roles", ROLES), 'allow if not "a" in input.subject.claims.roles'),
    Case("member of a list, new", REFUTED, *optional("roles", ROLES), NEW_NOT + 'allow if not "a" in input.subject.claims.roles'),
    Case("key of data", PROVED, *optional("plan", GOLD), "allow if not data.tables.m[input.subject.claims.plan]", data='{"m": {"free": true}}'),
    Case("key of data, new", REFUTED, *optional("plan", GOLD), NEW_NOT + "allow if not data.tables.m[input.subject.claims.plan]", data='{"m": {"free": true}}'),
    Case("key of data in a helper", REFUTED, *optional("plan", GOLD), 'allow if not listed\n\nlisted if data.tables.m[input.subject.claims.plan]', data='{"m": {"free": true}}'),
    Case("the new negation instead", REFUTED, *same(plan=may(GOLD)), 'allow if not f(input.subject.claims.plan)\n\nf("free")', NEW_NOT + 'allow if not f(input.subject.claims.plan)\n\nf("free")'),
    Case("the old negation instead", PROVED, *same(plan=may(GOLD)), NEW_NOT + 'allow if not f(input.subject.claims.plan)\n\nf("free")', 'allow if not f(input.subject.claims.plan)\n\nf("free")'),
)  # fmt: skip
def test_trap_2_an_undefined_argument_within_a_negation(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


def more(name: str, *schemas: dict[str, Any], **kept: Any) -> tuple[Contract, Contract]:
    """A claim that may hold more than before."""
    old, new = schemas
    return with_claims(**{name: must(old)}, **kept), with_claims(**{name: must(new)}, **kept)


ZERO, BIT = {"enum": [0]}, {"enum": [0, 1]}
IS_ONE = "input.subject.claims.n == 1"
LONG_LISTS = same(tags=must(TAGS))
NOBODY = 'allow if input.subject.claims.role == "nobody"'
CYCLE = json.dumps({"next": {f"n{i}": f"n{(i + 1) % 13}" for i in range(13)}})
CLOSED = """allow if {
	"n0" in input.subject.claims.tags
	every one in input.subject.claims.tags {
		data.tables.next[one] in input.subject.claims.tags
	}
}"""


@cases(
    Case("fewer than", REFUTED, *LONG_LISTS, "allow if count(input.subject.claims.tags) < 3", "allow if count(input.subject.claims.tags) < 4"),
    Case("fewer than, cut short", REFUTED, *LONG_LISTS, "allow if count(input.subject.claims.tags) < 13", "allow if count(input.subject.claims.tags) < 15"),
    Case("fewer than, harmless", PROVED, *LONG_LISTS, "allow if count(input.subject.claims.tags) < 4", "allow if count(input.subject.claims.tags) < 3"),
    Case("fewer than, complete", PROVED, *same(tags=must({**TAGS, "maxItems": 6})), "allow if count(input.subject.claims.tags) < 4", "allow if count(input.subject.claims.tags) < 3"),
    Case("longer than is looked at", REFUTED, *more("n", ZERO, BIT, tags=must(TAGS)), f"allow if {{\n\tcount(input.subject.claims.tags) > 15\n\t{IS_ONE}\n}}"),
    Case("longer than is looked at, negated", REFUTED, *more("n", ZERO, BIT, tags=must(TAGS)), f"allow if {{\n\tnot short\n\t{IS_ONE}\n}}\n\nshort if count(input.subject.claims.tags) < 15"),
    Case("an index that is not looked at", WITHIN, *more("n", ZERO, BIT, tags=must(TAGS)), f'allow if {{\n\tinput.subject.claims.tags[15] == "x"\n\t{IS_ONE}\n}}'),
    Case("a maximum that is raised", REFUTED, *more("tags", {**TAGS, "maxItems": 3}, TAGS), "allow if count(input.subject.claims.tags) > 3"),
    Case("a maximum that is raised far", REFUTED, *more("tags", {**TAGS, "maxItems": 12}, TAGS), "allow if count(input.subject.claims.tags) > 12"),
    Case("only iterated", PROVED, *more("n", ZERO, BIT, tags=must(TAGS)), 'allow if {\n\tinput.subject.claims.role == "user"\n\t"x" in input.subject.claims.tags\n}'),
    Case("only iterated by two policies", PROVED, *LONG_LISTS, 'allow if "x" in input.subject.claims.tags', 'allow if {\n\tsome one in input.subject.claims.tags\n\tone == "x"\n\tinput.subject.claims.role == "user"\n}'),
    Case("only iterated, one more", REFUTED, *LONG_LISTS, 'allow if "x" in input.subject.claims.tags', 'allow if input.subject.claims.tags[_] in {"x", "y"}'),
    Case("four at once", REFUTED, *LONG_LISTS, 'allow if input.subject.claims.role == "x"', 'allow if {\n\tevery one in ["a", "b", "c", "d"] {\n\t\tone in input.subject.claims.tags\n\t}\n}'),
    Case("negated iteration", PROVED, *LONG_LISTS, 'allow if not "x" in input.subject.claims.tags', 'allow if {\n\tnot "x" in input.subject.claims.tags\n\tnot "y" in input.subject.claims.tags\n}'),
    Case("negated iteration dropped", REFUTED, *LONG_LISTS, 'allow if {\n\tnot "x" in input.subject.claims.tags\n\tnot "y" in input.subject.claims.tags\n}', 'allow if not "x" in input.subject.claims.tags'),
    Case("a set made of a long list", WITHIN, *LONG_LISTS, "allow if count({x | some x in input.subject.claims.tags}) < 4", "allow if count({x | some x in input.subject.claims.tags}) < 3"),
    Case("a sum over a long list", WITHIN, *same(tags=must({"type": "array", "items": LEVEL, "maxItems": 20})), "allow if sum(input.subject.claims.tags) < 90", "allow if sum(input.subject.claims.tags) < 95"),
)  # fmt: skip
def test_trap_3_a_list_that_is_cut_short(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


LEVELS = {"type": "array", "items": LEVEL, "maxItems": 3}
NUMBERS = {"type": "array", "items": {"type": "integer"}, "maxItems": 3}
WORDS = {"type": "array", "items": TEXT, "maxItems": 3}
SUMMED = "allow if sum(input.subject.claims.ns) > 9"


@cases(
    Case("a sum of more", REFUTED, *more("ns", LEVELS, {**LEVELS, "maxItems": 4}), "allow if sum(input.subject.claims.ns) > 15"),
    Case("a sum that is not reached", PROVED, *more("ns", LEVELS, {**LEVELS, "maxItems": 4}), "allow if sum(input.subject.claims.ns) > 20"),
    Case("a larger sum", PROVED, *same(ns=must(NUMBERS)), SUMMED, "allow if sum(input.subject.claims.ns) > 10"),
    Case("a smaller sum", REFUTED, *same(ns=must(NUMBERS)), SUMMED, "allow if sum(input.subject.claims.ns) > 8"),
    Case("the sum of a set", REFUTED, *same(ns=must(NUMBERS)), SUMMED, "allow if sum({n | some n in input.subject.claims.ns}) > 9"),
    Case("the greatest", PROVED, *same(ns=must(NUMBERS)), "allow if {\n\tsome n in input.subject.claims.ns\n\tn > 3\n}", "allow if max(input.subject.claims.ns) > 4"),
    Case("the least", REFUTED, *same(ns=must(NUMBERS)), "allow if min(input.subject.claims.ns) > 3", "allow if max(input.subject.claims.ns) > 3"),
    Case("the greatest of none", REFUTED, *same(ns=must(NUMBERS)), "allow if min(input.subject.claims.ns) < 9", "allow if not large\n\nlarge if max(input.subject.claims.ns) > 8"),
    Case("sorted", REFUTED, *same(ws=must(WORDS)), 'allow if input.subject.claims.ws[0] == "a"', 'allow if sort(input.subject.claims.ws)[0] == "a"'),
    Case("sorted, the same", PROVED, *same(ws=must(WORDS)), 'allow if "a" in input.subject.claims.ws', 'allow if sort(input.subject.claims.ws)[0] == "a"'),
    Case("sorted members", PROVED, *same(ws=must(DUTIES)), 'allow if "a" in input.subject.claims.ws', 'allow if sort(input.subject.claims.ws)[0] == "a"'),
    Case("sorted members that may repeat", REFUTED, *same(ws=must(ROLES)), "allow if false", 'allow if sort(input.subject.claims.ws)[1] == "a"'),
    Case("a part of a list", PROVED, *same(ws=must(WORDS)), 'allow if input.subject.claims.ws[1] == "a"', 'allow if array.slice(input.subject.claims.ws, 1, 3) == ["a"]'),
    Case("a part of a list, longer", REFUTED, *same(ws=must(WORDS)), 'allow if array.slice(input.subject.claims.ws, 1, 3) == ["a"]', 'allow if array.slice(input.subject.claims.ws, 1, 2) == ["a"]'),
    Case("lists in order", REFUTED, *same(ws=must(WORDS)), 'allow if input.subject.claims.ws[0] > "b"', 'allow if input.subject.claims.ws > ["b"]'),
    Case("lists in order, the same", PROVED, *same(ws=must(WORDS)), 'allow if input.subject.claims.ws >= ["b"]', 'allow if input.subject.claims.ws[0] > "b"'),
    Case("sets in order", REFUTED, *same(ws=must(WORDS)), 'allow if {x | some x in input.subject.claims.ws} > {"b", "c"}', 'allow if {x | some x in input.subject.claims.ws} > {"b"}'),
    Case("objects in order", REFUTED, *same(part=must(PARTS)), 'allow if input.subject.claims.part > {"kind": "gold", "on": false}', 'allow if input.subject.claims.part > {"kind": "gold"}'),
    Case("a remainder", PROVED, *same(n=must({"type": "integer"})), "allow if input.subject.claims.n % 2 == 0", "allow if input.subject.claims.n % 4 == 0"),
    Case("a remainder, the other way", REFUTED, *same(n=must({"type": "integer"})), "allow if input.subject.claims.n % 4 == 0", "allow if input.subject.claims.n % 2 == 0"),
    Case("a remainder below zero", REFUTED, *same(n=must({"type": "integer"})), "allow if input.subject.claims.n % 2 == 1", "allow if input.subject.claims.n % 2 != 0"),
    Case("a quotient", REFUTED, *same(n=must({**LEVEL, "maximum": 50})), "allow if input.subject.claims.n / 10 == 3", "allow if input.subject.claims.n / 10 in {3, 4}"),
    Case("a size", REFUTED, *same(n=must({"type": "integer"})), "allow if input.subject.claims.n > 3", "allow if abs(input.subject.claims.n) > 3"),
    Case("a size, the same", PROVED, *same(n=must({"type": "integer", "minimum": -99, "maximum": 99})), "allow if abs(input.subject.claims.n) > 3", "allow if input.subject.claims.n > 3"),
)  # fmt: skip
def test_built_ins_on_open_lists_and_numbers(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


@pytest.mark.parametrize("source", ["input.subject.claims.tags", "tagset"])
def test_trap_3_every_and_some_over_the_same_list_are_never_complete(source: str, opa: Opa, tmp_path: Path) -> None:
    """Only a list with all thirteen names passes: more than are looked at."""
    rule = CLOSED.replace("input.subject.claims.tags", source)
    rule += "\n\ntagset contains one if some one in input.subject.claims.tags"
    # The solver finds no answer, in any time: a list that is taken to be complete has one soon.
    case = Case("", WITHIN, *LONG_LISTS, NOBODY, rule, data=CYCLE)
    assert access(case, tmp_path, opa, seconds=4).no_new_access.answer != PROVED


def typed(properties: dict[str, Any], required: tuple[str, ...] = (), **rest: Any) -> Contract:
    resources = {"item": {"properties": properties, "required": [*required]}}
    return contract(request={**BASE["request"], "resources": resources, **rest})


USER = 'allow if input.subject.claims.role == "user"'


@cases(
    Case("a number of an untyped property", PROVED, *same_untyped(), 'allow if startswith(input.resource.properties.name, "a")', 'allow if {\n\tis_string(input.resource.properties.name)\n\tstartswith(input.resource.properties.name, "ab")\n}'),
    Case("to_number of any text", REFUTED, *same(code=must({"enum": ["1", "x"]})), "allow if not one\n\none if to_number(input.subject.claims.code) == 1", 'allow if not one\n\none if input.subject.claims.code == "1"'),
    Case("to_number that fails denies", PROVED, *same(code=must({"enum": ["1", "x"]})), 'allow if not one\n\none if input.subject.claims.code == "1"', "allow if not one\n\none if to_number(input.subject.claims.code) == 1"),
    Case("division by zero", REFUTED, *same(n=must(LEVEL)), "allow if not big\n\nbig if 10 / input.subject.claims.n > 4", "allow if not big\n\nbig if {\n\tinput.subject.claims.n > 0\n\t10 / input.subject.claims.n > 4\n}"),
    Case("division by zero denies", PROVED, *same(n=must(LEVEL)), "allow if not big\n\nbig if {\n\tinput.subject.claims.n > 0\n\t10 / input.subject.claims.n > 4\n}", "allow if not big\n\nbig if 10 / input.subject.claims.n > 4"),
    Case("modulo zero", REFUTED, *more("n", {"enum": [0]}, BIT), "allow if not odd\n\nodd if 3 % input.subject.claims.n == 1"),
    Case("a type that fails after", UNKNOWN, *more("n", LEVEL, TEXT), "allow if not big\n\nbig if input.subject.claims.n + 1 > 3"),
    Case("a type that failed before", REFUTED, *more("n", TEXT, LEVEL), "allow if not big\n\nbig if input.subject.claims.n + 1 > 3"),
)  # fmt: skip
def test_trap_4_errors_of_built_ins_are_no_decision(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


@pytest.mark.parametrize("name", ["startswith", "endswith"])
def test_trap_4_an_error_that_opa_never_comes_to_is_no_mismatch(name: str, opa: Opa, tmp_path: Path) -> None:
    call = f'{name}(input.resource.properties.name, "a")'
    guards = ("", "is_string(input.resource.properties.name)\n\t")
    rules = [f"allow if not found\n\nfound if {{\n\t{guard}{call}\n}}" for guard in guards]
    answers = access(Case("", UNKNOWN, *same_untyped(), *rules), tmp_path, opa)
    assert {answers.no_new_access.answer, answers.no_lost_access.answer} <= {PROVED, UNKNOWN}


CONFLICT = 'allow := true if input.subject.claims.role == "user"\n\nallow := false if input.subject.claims.n == 1'
NO_CONFLICT = 'allow := true if {\n\tinput.subject.claims.role == "user"\n\tnot input.subject.claims.n == 1\n}'


@cases(
    Case("a conflict goes", REFUTED, *same(n=must(BIT)), CONFLICT, 'allow := true if input.subject.claims.role == "user"'),
    Case("a conflict comes", PROVED, *same(n=must(BIT)), 'allow := true if input.subject.claims.role == "user"', CONFLICT),
    Case("a conflict is told before", PROVED, *same(n=must(BIT)), CONFLICT, NO_CONFLICT),
    Case("a conflict of a claim that goes", REFUTED, *more("n", {"enum": [1]}, ZERO), CONFLICT),
    Case("a conflict of a claim that comes", PROVED, *more("n", ZERO, {"enum": [1]}), CONFLICT),
    Case("a conflict of a helper", REFUTED, *same(n=must(BIT)), "allow if level == 1\n\nlevel := 1 if input.subject.claims.role == \"user\"\n\nlevel := 2 if input.subject.claims.n == 1", "allow if level == 1\n\nlevel := 1 if input.subject.claims.role == \"user\"\n\nlevel := 2 if {\n\tinput.subject.claims.n == 1\n\tinput.subject.claims.role == \"guest\"\n}"),
    Case("a conflict of a function", REFUTED, *same(n=must(BIT)), "allow if f(input.subject.claims.n) == 1\n\nf(x) := 1 if x >= 0\n\nf(x) := 2 if x == 1", "allow if f(input.subject.claims.n) == 1\n\nf(x) := 1 if x >= 0"),
    Case("an else instead of a conflict", REFUTED, *same(n=must(BIT)), CONFLICT, 'allow := true if input.subject.claims.role == "user"\n\nelse := false if input.subject.claims.n == 1'),
)  # fmt: skip
def test_trap_5_rules_that_conflict(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


SCALARS = {"enum": [True, 0, "1", "x"]}


@cases(
    Case("a text is greater than any number", REFUTED, *more("n", {"type": "integer", "minimum": 0, "maximum": 2}, {"enum": ["1"]}), "allow if input.subject.claims.n >= 3"),
    Case("a boolean is smaller than any number", REFUTED, *more("n", {"type": "integer", "minimum": 3, "maximum": 5}, FLAG), "allow if input.subject.claims.n < 0"),
    Case("a boolean is not greater", PROVED, *more("n", {"type": "integer", "minimum": 0, "maximum": 2}, FLAG), "allow if input.subject.claims.n >= 3"),
    Case("a list is greater than any text", REFUTED, *same_untyped(), 'allow if input.context.x == ["y"]', 'allow if {\n\tinput.context.x > "zzz"\n\tis_array(input.context.x)\n}'),
    Case("null is smaller than all", REFUTED, *same_untyped(), "allow if input.context.x == 1", "allow if input.context.x < false"),
    Case("between numbers only", PROVED, *same_untyped(), "allow if input.context.x > 2", "allow if {\n\tinput.context.x > 2\n\tinput.context.x < 5\n}"),
    Case("mixed constants", PROVED, *same(n=must(SCALARS)), 'allow if input.subject.claims.n > 5', 'allow if input.subject.claims.n in {"1", "x"}'),
    Case("mixed constants, one more", REFUTED, *same(n=must(SCALARS)), 'allow if input.subject.claims.n >= "2"', 'allow if input.subject.claims.n in {"1", "x"}'),
)  # fmt: skip
def test_trap_6_types_have_an_order(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


ODD = {"enum": [0, "", "false", False]}


@cases(
    Case("zero and the empty text hold", REFUTED, *more("n", {"enum": [False]}, ODD), "allow if input.subject.claims.n"),
    Case("null holds", REFUTED, *same_untyped(), "allow if input.context.x == true", "allow if {\n\tinput.context.x\n\tis_null(input.context.x)\n}"),
    Case("only true", PROVED, *more("n", {"enum": [False]}, ODD), "allow if input.subject.claims.n == true"),
    Case("the decision of a text is none", PROVED, *more("n", {"enum": [False]}, ODD), "allow := input.subject.claims.n", default=False),
    Case("the decision of a boolean is one", REFUTED, *more("n", {"enum": [False]}, FLAG), "allow := input.subject.claims.n", default=False),
    Case("a decision of one", PROVED, *more("n", ZERO, BIT), "allow := input.subject.claims.n", default=False),
    Case("not of a text", PROVED, *more("n", {"enum": [True]}, {"enum": ["", "no", 0]}), "allow if not input.subject.claims.n"),
    Case("not of false", REFUTED, *more("n", {"enum": [True]}, FLAG), "allow if not input.subject.claims.n"),
)  # fmt: skip
def test_trap_7_only_false_and_undefined_fail(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


HUGE = 9007199254740993
NUMBER = {"type": "number", "minimum": 0, "maximum": 5}
WHOLE = {"type": "integer", "minimum": 0}


@cases(
    Case("1 is 1.0", PROVED, *same(n=must(NUMBER)), "allow if input.subject.claims.n == 1", "allow if input.subject.claims.n == 1.0"),
    Case("1 is no text", REFUTED, *same(n=must({"enum": ["1", 1]})), 'allow if input.subject.claims.n == "1"', "allow if input.subject.claims.n == 1"),
    Case("beyond doubles", REFUTED, *same(n=must(WHOLE)), f"allow if input.subject.claims.n == {HUGE - 1}", f"allow if input.subject.claims.n == {HUGE}"),
    Case("beyond doubles, the same", PROVED, *same(n=must(WHOLE)), f"allow if input.subject.claims.n >= {HUGE}", f"allow if input.subject.claims.n > {HUGE - 1}"),
    Case("beyond doubles, newly", REFUTED, *more("n", {**WHOLE, "maximum": 9}, WHOLE), f"allow if input.subject.claims.n == {HUGE}"),
    Case("no whole number between", PROVED, *same(n=must(WHOLE)), "allow if input.subject.claims.n == 1", "allow if {\n\tinput.subject.claims.n > 0\n\tinput.subject.claims.n < 2\n}"),
    Case("a number between", REFUTED, *same(n=must(NUMBER)), "allow if input.subject.claims.n == 1", "allow if {\n\tinput.subject.claims.n > 0\n\tinput.subject.claims.n < 2\n}"),
    Case("modulo of whole numbers", REFUTED, *same(n=must(LEVEL)), "allow if input.subject.claims.n % 2 == 0", "allow if input.subject.claims.n % 3 == 0"),
    Case("modulo, harmless", PROVED, *same(n=must(LEVEL)), "allow if input.subject.claims.n % 2 == 0", "allow if input.subject.claims.n % 4 == 0"),
    Case("a multiple", PROVED, *same(n=must({"type": "integer", "minimum": 0, "maximum": 1000, "multipleOf": 5})), "allow if input.subject.claims.n >= 5", "allow if input.subject.claims.n > 0"),
    Case("no multiple", REFUTED, *same(n=must({"type": "integer", "minimum": 0, "maximum": 1000})), "allow if input.subject.claims.n >= 5", "allow if input.subject.claims.n > 0"),
    Case("a fraction in an enumeration", REFUTED, *more("n", {"enum": [0.5]}, {"enum": [0.5, 1.5]}), "allow if input.subject.claims.n > 1"),
)  # fmt: skip
def test_trap_8_numbers(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


@cases(
    Case("a list in another order", REFUTED, *same(roles=must(DUTIES)), 'allow if input.subject.claims.roles == ["a", "b"]', 'allow if input.subject.claims.roles == ["b", "a"]'),
    Case("a set in another order", PROVED, *same(roles=must(DUTIES)), 'allow if {x | some x in input.subject.claims.roles} == {"a", "b"}', 'allow if {x | some x in input.subject.claims.roles} == {"b", "a"}'),
    Case("duplicates count", REFUTED, *same(roles=must(ROLES)), 'allow if count(input.subject.claims.roles) == 1', "allow if count({x | some x in input.subject.claims.roles}) == 1"),
    Case("without duplicates", PROVED, *same(roles=must(DUTIES)), 'allow if count(input.subject.claims.roles) == 1', "allow if count({x | some x in input.subject.claims.roles}) == 1"),
    Case("a list that may repeat", REFUTED, *more("roles", DUTIES, ROLES), "allow if count(input.subject.claims.roles) > count({x | some x in input.subject.claims.roles})"),
    Case("a list that may no longer repeat", PROVED, *more("roles", ROLES, DUTIES), "allow if count(input.subject.claims.roles) > count({x | some x in input.subject.claims.roles})"),
    Case("the first item", REFUTED, *same(roles=must(ROLES)), 'allow if input.subject.claims.roles[0] == "a"', 'allow if input.subject.claims.roles[_] == "a"'),
    Case("the first item instead", PROVED, *same(roles=must(ROLES)), 'allow if input.subject.claims.roles[_] == "a"', 'allow if input.subject.claims.roles[0] == "a"'),
    Case("joined in order", REFUTED, *same(roles=must(DUTIES)), 'allow if concat(",", input.subject.claims.roles) == "a,b"', 'allow if concat(",", {x | some x in input.subject.claims.roles}) == "a,b"'),
    Case("1 and 1.0 in a set", PROVED, *same_untyped(), "allow if false", "allow if {\n\tinput.context.x == 1\n\tcount({input.context.x, 1.0}) == 2\n}"),
)  # fmt: skip
def test_trap_9_sets_are_no_lists(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


EVERY = 'allow if {\n\tevery one in input.subject.claims.roles {\n\t\tone != "a"\n\t}\n}'


@cases(
    Case("every over an absent list", PROVED, *optional("roles", {**ROLES, "minItems": 1}), EVERY),
    Case("every over an empty list", REFUTED, *more("roles", {**ROLES, "items": {"enum": ["a"]}, "minItems": 1}, {**ROLES, "items": {"enum": ["a"]}}), EVERY),
    Case("not some over an absent list", REFUTED, *optional("roles", ROLES), 'allow if not some_a\n\nsome_a if "a" in input.subject.claims.roles'),
    Case("every instead of not some", PROVED, *same(roles=may(ROLES)), 'allow if not some_a\n\nsome_a if "a" in input.subject.claims.roles', EVERY),
    Case("not some instead of every", REFUTED, *same(roles=may(ROLES)), EVERY, 'allow if not some_a\n\nsome_a if "a" in input.subject.claims.roles'),
    Case("not some over what is no list", REFUTED, *more("roles", {**ROLES, "items": {"enum": ["a"]}, "minItems": 1}, {"enum": ["a"]}), 'allow if not some_a\n\nsome_a if input.subject.claims.roles[_] == "a"'),
)  # fmt: skip
def test_trap_10_every_over_nothing(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


OPEN = more("n", ZERO, BIT)[0], more("n", ZERO, BIT)[1]
OPEN_ZERO, OPEN_BIT = untyped(n=must(ZERO)), untyped(n=must(BIT))
USER_TWICE = 'allow if {\n\tinput.subject.claims.role == "user"\n\tinput.context.x == 1\n}'
ITEM = 'allow if {\n\tinput.action.name == "read"\n\tinput.resource.type == "item"\n\tnot input.action.properties\n\tinput.subject.claims.role == "user"\n}'


@cases(
    Case("members that are iterated", UNKNOWN, OPEN_ZERO, OPEN_BIT, f"allow if {{\n\tsome k, v in input.context\n\tv == 7\n\t{IS_ONE}\n}}"),
    Case("members that are counted", UNKNOWN, OPEN_ZERO, OPEN_BIT, f"allow if {{\n\tcount(input.context) > 3\n\t{IS_ONE}\n}}"),
    Case("a key that is not constant", UNKNOWN, OPEN_ZERO, OPEN_BIT, f"allow if {{\n\tinput.context[input.resource.id] == 7\n\t{IS_ONE}\n}}"),
    Case("an open list", REFUTED, OPEN_ZERO, OPEN_BIT, f'allow if {{\n\t"x" in input.context.tags\n\t{IS_ONE}\n}}'),
    Case("a long open list", REFUTED, OPEN_ZERO, OPEN_BIT, f"allow if {{\n\tcount(input.context.tags) > 5\n\t{IS_ONE}\n}}"),
    Case("an open list of objects", UNKNOWN, OPEN_ZERO, OPEN_BIT, f'allow if {{\n\tinput.context.tags[_].k == "x"\n\t{IS_ONE}\n}}'),
    Case("a whole object", UNKNOWN, OPEN_ZERO, OPEN_BIT, f'allow if {{\n\tinput.context == {{"a": 1}}\n\t{IS_ONE}\n}}'),
    Case("named members", PROVED, OPEN_ZERO, OPEN_ZERO, 'allow if input.context.x == 1', USER_TWICE),
    Case("named members, one more", REFUTED, OPEN_ZERO, OPEN_ZERO, USER_TWICE, "allow if input.context.x == 1"),
    Case("a name with a dot is no path", REFUTED, OPEN_ZERO, OPEN_ZERO, 'allow if input.context["a.b"] == "x"', 'allow if input.context.a.b == "x"'),
    Case("a path is no name with a dot", REFUTED, OPEN_ZERO, OPEN_ZERO, 'allow if input.context.a.b == "x"', 'allow if input.context["a.b"] == "x"'),
    Case("properties of an action", PROVED, OPEN_ZERO, OPEN_ZERO, "allow if input.action.properties", "allow if input.action.properties.x"),
    Case("empty properties of an action are none", PROVED, OPEN_ZERO, OPEN_ZERO, "allow if not input.action.properties", "allow if {\n\tnot input.action.properties\n\tinput.subject.claims.role == \"user\"\n}"),
    Case("a request that is no longer typed", REFUTED, contract(), contract(request=None), ITEM),
    Case("a request that is typed now", PROVED, contract(request=None), contract(), ITEM),
    Case("a longer list in a request", REFUTED, typed({"tags": {**TAGS, "maxItems": 12}}), typed({"tags": TAGS}), USER),
    Case("a shorter list in a request", PROVED, typed({"tags": TAGS}), typed({"tags": {**TAGS, "maxItems": 12}}), USER),
    Case("a property that is no longer required", REFUTED, typed({"state": TEXT}, ("state",)), typed({"state": TEXT}), USER),
    Case("a property that is required now", PROVED, typed({"state": TEXT}), typed({"state": TEXT}, ("state",)), USER),
    Case("a property that is retyped", REFUTED, typed({"state": {"enum": [1]}}), typed({"state": {"enum": [True]}}), USER),
    Case("an action more", REFUTED, contract(), typed({}, actions=["read", "write"], resources=BASE["request"]["resources"]), USER),
    Case("an action less", PROVED, typed({}, actions=["read", "write"], resources=BASE["request"]["resources"]), contract(), USER),
    Case("an action more that policy refuses", PROVED, contract(), typed({}, actions=["read", "write"], resources=BASE["request"]["resources"]), 'allow if input.action.name == "read"'),
    Case("a type of resource more", REFUTED, contract(), typed({}, resources={**BASE["request"]["resources"], "other": {"properties": {}}}), USER),
    Case("a type of resource less", PROVED, typed({}, resources={**BASE["request"]["resources"], "other": {"properties": {}}}), contract(), USER),
    Case("a context member more", REFUTED, contract(), typed({}, context={"properties": {"x": FLAG}}, resources=BASE["request"]["resources"]), USER),
)  # fmt: skip
def test_trap_11_what_the_contract_leaves_open(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


@cases(
    Case("a replaced claim", REFUTED, *same(n=must(BIT)), "allow if one with input.subject.claims.n as 0\n\none if input.subject.claims.n == 1", "allow if one with input.subject.claims.n as 1\n\none if input.subject.claims.n == 1"),
    Case("a replaced claim, the same", PROVED, *same(n=must(BIT)), "allow if input.subject.claims.role == \"user\"", 'allow if user with input.subject.claims.n as 1\n\nuser if input.subject.claims.role == "user"'),
    Case("a missing parent", REFUTED, *same(n=must(BIT)), "allow if input.subject.claims.role == \"x\"", "allow if one with input.subject.claims.deep.er.n as 1\n\none if input.subject.claims.deep.er.n == 1"),
    Case("a function with a replaced input", REFUTED, *same(n=must(BIT)), "allow if {\n\tnot f(1)\n\tnot f(1) with input.subject.claims.n as 1\n}\n\nf(x) if input.subject.claims.n == x", "allow if {\n\tnot f(1)\n\tf(1) with input.subject.claims.n as 1\n}\n\nf(x) if input.subject.claims.n == x"),
    Case("replaced input as a whole", PROVED, *same(n=must(BIT)), 'allow if input.subject.claims.role == "user"', 'allow if {\n\tinput.subject.claims.role == "user"\n\tone with input as {"n": 1}\n}\n\none if input.n == 1'),
    Case("replaced data", REFUTED, *same(n=must(BIT)), "allow if open\n\nopen if data.tables.flag", "allow if open with data.tables.flag as true\n\nopen if data.tables.flag", data='{"flag": false}'),
    Case("a replaced function", REFUTED, *same(n=must(BIT)), "allow if f(input.subject.claims.n)\n\nf(x) if x == 2", "allow if f(input.subject.claims.n) with f as true\n\nf(x) if x == 2"),
)  # fmt: skip
def test_trap_12_with(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


TABLE = "allow if data.tables.grants[input.subject.claims.role]"


@cases(
    Case("a key that some value names", REFUTED, *same(), TABLE, data='{"grants": {"user": true}}', data_after='{"grants": {"user": true, "guest": true}}'),
    Case("a key that no value names", PROVED, *same(), TABLE, data='{"grants": {"user": true}}', data_after='{"grants": {"user": true, "root": true}}'),
    Case("a value that changes", REFUTED, *same(), TABLE, data='{"grants": {"user": false}}', data_after='{"grants": {"user": true}}'),
    Case("a value that changes without meaning", PROVED, *same(), TABLE, data='{"grants": {"user": 1}}', data_after='{"grants": {"user": 2}}'),
    Case("a key of open texts", REFUTED, *same(team=must(TEXT)), "allow if data.tables.grants[input.subject.claims.team]", data='{"grants": {"one": true}}', data_after='{"grants": {"two": true}}'),
    Case("a key longer than permitted", PROVED, *same(team=must(TEXT)), "allow if data.tables.grants[input.subject.claims.team]", data='{"grants": {"one": true}}', data_after=json.dumps({"grants": {"one": True, "x" * 21: True}})),
    Case("a list in data", REFUTED, *same(n=must(LEVEL)), "allow if input.subject.claims.n in data.tables.levels", data='{"levels": [1, 2]}', data_after='{"levels": [2, 3]}'),
    Case("an index into data", PROVED, *same(n=must({**LEVEL, "maximum": 1})), "allow if data.tables.levels[input.subject.claims.n]", data='{"levels": [true, true]}', data_after='{"levels": [true, true, true]}'),
)  # fmt: skip
def test_trap_13_data_is_part_of_the_change(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


TEAM = same(team=must(TEXT))
UNDECIDED = (UNKNOWN, REFUTED)


@cases(
    Case("the same call on both sides", PROVED, *more("n", ZERO, BIT, team=must(TEXT)), 'allow if {\n\tlower(input.subject.claims.team) == "red"\n\tinput.subject.claims.role == "user"\n}'),
    Case("one call more to pass", PROVED, *TEAM, 'allow if lower(input.subject.claims.team) == "red"', 'allow if {\n\tlower(input.subject.claims.team) == "red"\n\tinput.subject.claims.role == "user"\n}'),
    Case("a prefix", PROVED, *TEAM, 'allow if startswith(input.subject.claims.team, "re")', 'allow if startswith(input.subject.claims.team, "red")'),
    Case("a shorter prefix", REFUTED, *TEAM, 'allow if startswith(input.subject.claims.team, "red")', 'allow if startswith(input.subject.claims.team, "re")'),
    Case("a suffix and a prefix that overlap", REFUTED, *TEAM, 'allow if input.subject.claims.team == "redred"', 'allow if {\n\tstartswith(input.subject.claims.team, "red")\n\tendswith(input.subject.claims.team, "red")\n}'),
    Case("a part", PROVED, *TEAM, 'allow if contains(input.subject.claims.team, "e")', 'allow if endswith(input.subject.claims.team, "red")'),
    Case("a pattern", REFUTED, *TEAM, 'allow if regex.match("^re+d$", input.subject.claims.team)', 'allow if regex.match("^re*d$", input.subject.claims.team)'),
    Case("a tighter pattern", PROVED, *TEAM, 'allow if regex.match("^re*d$", input.subject.claims.team)', 'allow if regex.match("^re+d$", input.subject.claims.team)'),
    Case("a pattern that is not anchored", REFUTED, *TEAM, 'allow if regex.match("^red$", input.subject.claims.team)', 'allow if regex.match("red$", input.subject.claims.team)'),
    Case("a dot stands for no line feed", REFUTED, *TEAM, 'allow if regex.match("^.*$", input.subject.claims.team)', "allow if true"),
    Case("a pattern of the contract", PROVED, *same(team=must({"type": "string", "pattern": "^t_[a-z]{1,5}$"})), 'allow if input.subject.claims.role == "x"', 'allow if endswith(input.subject.claims.team, "_")'),
    Case("a pattern of the contract without an end", REFUTED, *same(team=must({"type": "string", "pattern": "^t_[a-z]{1,5}"})), 'allow if input.subject.claims.role == "x"', 'allow if endswith(input.subject.claims.team, "_")'),
    Case("joined texts", REFUTED, *TEAM, 'allow if concat("/", ["a", input.subject.claims.team]) == "a/b"', 'allow if concat("/", ["a", input.subject.claims.team]) == "a/c"'),
    Case("joined texts, the same", PROVED, *TEAM, 'allow if concat("/", ["a", input.subject.claims.team]) == "a/b"', 'allow if input.subject.claims.team == "b"'),
    Case("formatted texts", PROVED, *TEAM, 'allow if sprintf("a/%s", [input.subject.claims.team]) == "a/b"', 'allow if input.subject.claims.team == "b"'),
    Case("formatted texts, one more", REFUTED, *TEAM, 'allow if input.subject.claims.team == "b"', 'allow if startswith(sprintf("a/%s", [input.subject.claims.team]), "a/b")'),
    Case("relations of texts", REFUTED, *same_untyped(team=must(TEXT)), "allow if input.resource.id == input.subject.claims.team", "allow if startswith(input.resource.id, input.subject.claims.team)"),
    Case("upper case of constants", REFUTED, *more("plan", GOLD, {"enum": ["gold", "free", "GOLD"]}), 'allow if upper(input.subject.claims.plan) == input.subject.claims.plan'),
    Case("upper case of constants, harmless", PROVED, *more("plan", GOLD, {"enum": ["gold", "free", "GOLD"]}), 'allow if lower(input.subject.claims.plan) == input.subject.claims.plan'),
    Case("split of constants", REFUTED, *more("plan", {"enum": ["a:x"]}, {"enum": ["a:x", "b:x"]}), 'allow if split(input.subject.claims.plan, ":")[0] == "b"'),
    Case("the first piece", REFUTED, *TEAM, 'allow if input.subject.claims.team == "a/b"', 'allow if split(input.subject.claims.team, "/")[0] == "a"'),
    Case("the first piece, as a prefix", PROVED, *TEAM, 'allow if startswith(input.subject.claims.team, "a")', 'allow if split(input.subject.claims.team, "/")[0] == "a"'),
    Case("the second piece of two", PROVED, *TEAM, 'allow if endswith(input.subject.claims.team, "/b")', 'allow if ["a", "b"] == split(input.subject.claims.team, "/")'),
    Case("the second piece of some", REFUTED, *TEAM, 'allow if endswith(input.subject.claims.team, "/b")', 'allow if split(input.subject.claims.team, "/")[1] == "b"'),
    Case("any piece", PROVED, *TEAM, 'allow if contains(input.subject.claims.team, "adm")', 'allow if "admin" in split(input.subject.claims.team, " ")'),
    Case("any piece is no part of one", REFUTED, *TEAM, 'allow if "admin" in split(input.subject.claims.team, " ")', 'allow if contains(input.subject.claims.team, "admin")'),
    Case("some piece", PROVED, *TEAM, 'allow if {\n\tsome one in split(input.subject.claims.team, " ")\n\tone in {"a", "b"}\n}', 'allow if {\n\tsome one in split(input.subject.claims.team, " ")\n\tone == "a"\n}'),
    Case("some piece, one more", REFUTED, *TEAM, 'allow if "a" in split(input.subject.claims.team, " ")', 'allow if {\n\tsome one in split(input.subject.claims.team, " ")\n\tone in {"a", "b"}\n}'),
    Case("as many pieces", PROVED, *TEAM, 'allow if contains(input.subject.claims.team, ".")', 'allow if count(split(input.subject.claims.team, ".")) == 3'),
    Case("more pieces", REFUTED, *TEAM, 'allow if count(split(input.subject.claims.team, ".")) == 3', 'allow if count(split(input.subject.claims.team, ".")) in {3, 4}'),
    Case("pieces taken apart", PROVED, *same_untyped(team=must(TEXT)), 'allow if startswith(input.subject.claims.team, "a:")', 'allow if {\n\t[kind, id] := split(input.subject.claims.team, ":")\n\tkind == "a"\n\tid == input.resource.id\n}'),
    Case("a piece of a piece", PROVED, *TEAM, 'allow if contains(input.subject.claims.team, "@corp")', 'allow if split(split(input.subject.claims.team, "@")[1], ".")[0] == "corp"'),
    Case("a glob", REFUTED, *TEAM, 'allow if input.subject.claims.team == "red"', 'allow if glob.match("r*", [], input.subject.claims.team)'),
    Case("a glob that stops", PROVED, *TEAM, 'allow if startswith(input.subject.claims.team, "a/")', 'allow if glob.match("a/*/c", ["/"], input.subject.claims.team)'),
    Case("a glob that does not stop", REFUTED, *TEAM, 'allow if glob.match("a/*/c", ["/"], input.subject.claims.team)', 'allow if glob.match("a/*/c", null, input.subject.claims.team)'),
    Case("without a prefix", PROVED, *TEAM, 'allow if input.subject.claims.team in {"x-red", "red"}', 'allow if trim_prefix(input.subject.claims.team, "x-") == "red"'),
    Case("without a prefix, missed", REFUTED, *TEAM, 'allow if input.subject.claims.team == "x-red"', 'allow if trim_prefix(input.subject.claims.team, "x-") == "red"'),
    Case("any of some prefixes", REFUTED, *TEAM, 'allow if startswith(input.subject.claims.team, "a")', 'allow if strings.any_prefix_match(input.subject.claims.team, ["a", "b"])'),
    Case("lower case", REFUTED, *TEAM, 'allow if lower(input.subject.claims.team) == "red"', 'allow if lower(input.subject.claims.team) == "blue"'),
    Case("lower case, one more way", REFUTED, *TEAM, 'allow if input.subject.claims.team in {"red", "RED", "Red"}', 'allow if lower(input.subject.claims.team) == "red"'),
    Case("lower case, the same", PROVED, *TEAM, 'allow if lower(input.subject.claims.team) == "red"', 'allow if upper(input.subject.claims.team) == "RED"'),
    Case("lower case is not upper case for every letter", REFUTED, *TEAM, 'allow if upper(input.subject.claims.team) == "KEY"', 'allow if lower(input.subject.claims.team) == "key"'),
    Case("an upper letter is never there in lower case", PROVED, *TEAM, NOBODY, 'allow if startswith(lower(input.subject.claims.team), "Red")'),
    Case("the end in lower case", PROVED, *TEAM, 'allow if endswith(lower(input.subject.claims.team), "corp.com")', 'allow if endswith(lower(input.subject.claims.team), "@corp.com")'),
    Case("the end in lower case, longer", REFUTED, *TEAM, 'allow if endswith(lower(input.subject.claims.team), "@corp.com")', 'allow if endswith(lower(input.subject.claims.team), "corp.com")'),
    Case("a piece in lower case", PROVED, *TEAM, 'allow if endswith(lower(input.subject.claims.team), "@corp")', 'allow if {\n\tparts := split(lower(input.subject.claims.team), "@")\n\tcount(parts) == 2\n\tparts[1] == "corp"\n}'),
    Case("without spaces", REFUTED, *TEAM, 'allow if input.subject.claims.team == "red"', 'allow if trim_space(input.subject.claims.team) == "red"'),
    Case("without spaces, contained", PROVED, *TEAM, 'allow if contains(input.subject.claims.team, "red")', 'allow if trim(input.subject.claims.team, " .") == "red"'),
    Case("any piece in lower case", PROVED, *TEAM, 'allow if contains(lower(input.subject.claims.team), "admin")', 'allow if "admin" in split(lower(input.subject.claims.team), " ")'),
    Case("the first letter", REFUTED, *TEAM, 'allow if input.subject.claims.team == "red"', 'allow if substring(input.subject.claims.team, 0, 1) == "r"'),
    Case("the first letters", PROVED, *TEAM, 'allow if startswith(input.subject.claims.team, "re")', 'allow if substring(input.subject.claims.team, 0, 3) == "red"'),
    Case("beyond the end", REFUTED, *TEAM, 'allow if count(input.subject.claims.team) < 3', 'allow if substring(input.subject.claims.team, 3, -1) == ""'),
)  # fmt: skip
def test_trap_14_built_ins_on_open_texts(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


@pytest.mark.parametrize(
    ("rule", "after"),
    [
        (
            NOBODY,
            'allow if {\n\tinput.subject.claims.team == "\U0010ffff"\n\tnot startswith(input.subject.claims.team, "a")\n}',
        ),
        (
            NOBODY,
            'allow if {\n\tinput.subject.claims.team >= "\U0002ffff"\n\tnot startswith(input.subject.claims.team, "\U0002ffff")\n}',
        ),
        (
            'allow if lower(input.subject.claims.team) == "red"',
            'allow if regex.match("^[r][e][d]$", lower(input.subject.claims.team))',
        ),
        ('allow if input.subject.claims.team == "red"', r'allow if regex.match("^\\W+$", input.subject.claims.team)'),
        (
            'allow if input.subject.claims.team == "red"',
            'allow if replace(input.subject.claims.team, "x", "") == "red"',
        ),
        ('allow if input.subject.claims.team == "red"', 'allow if strings.reverse(input.subject.claims.team) == "der"'),
        ('allow if input.subject.claims.team == "3"', "allow if to_number(input.subject.claims.team) == 3"),
        (
            'allow if input.subject.claims.team == "10.0.0.1"',
            'allow if net.cidr_contains("10.0.0.0/8", input.subject.claims.team)',
        ),
        (
            'allow if input.subject.claims.team == "1.0.0"',
            'allow if semver.compare(input.subject.claims.team, "1.0.0") == 0',
        ),
    ],
)
def test_trap_14_a_built_in_that_is_not_followed_is_never_proved(
    rule: str, after: str, opa: Opa, tmp_path: Path
) -> None:
    found = access(Case("", UNKNOWN, *TEAM, rule, after), tmp_path, opa).no_new_access
    assert found.answer in UNDECIDED


def scoped(*scopes: str, **bound: list[str]) -> Contract:
    claims = {**BASE["claims"], "n": must(BIT)}
    return contract(claims=claims, scopes={name: {"claims": bound.get(name, [])} for name in scopes})


RENAMED = contract(
    claims={**BASE["claims"], "tier": {**must({"enum": ["gold", "free"]}), "renamed_from": "plan"}},
    version="2.0.0",
    removed=["plan"],
)


@cases(
    Case("a scope more", REFUTED, scoped("read"), scoped("read", "write"), 'allow if "write" in input.subject.scopes'),
    Case("a scope less", PROVED, scoped("read", "write"), scoped("read"), 'allow if "write" in input.subject.scopes'),
    Case("the first scope", REFUTED, scoped("read"), scoped("admin", "read"), 'allow if input.subject.scopes[0] == "admin"'),
    Case("the first scope, sorted", REFUTED, scoped("read", "write"), scoped("write"), 'allow if input.subject.scopes[0] == "write"'),
    Case("the second scope is never the first", PROVED, scoped("admin", "read"), scoped("admin", "read"), "allow if false", 'allow if input.subject.scopes[1] == "admin"'),
    Case("the number of scopes", REFUTED, scoped("read"), scoped("read", "write"), "allow if count(input.subject.scopes) == 2"),
    Case("a claim that a scope releases", REFUTED, scoped("read"), scoped("read", read=["n"]), "allow if not input.subject.claims.n == 0"),
    Case("a claim that a scope releases, read", PROVED, scoped("read"), scoped("read", read=["n"]), "allow if input.subject.claims.n == 0"),
    Case("a claim that another scope releases", REFUTED, scoped("read", "write", read=["n"]), scoped("read", "write", write=["n"]), "allow if input.subject.claims.n == 1"),
    Case("the version of the contract", REFUTED, contract(), contract(version="2.0.0"), 'allow if input.contract.version == "2.0.0"'),
    Case("another issuer", REFUTED, contract(), contract(issuer=ELSEWHERE), f'allow if input.subject.issuer == "{ELSEWHERE}"'),
    Case("another issuer, negated", REFUTED, contract(), contract(issuer=ELSEWHERE), f'allow if input.subject.issuer != "{SHOP["issuer"]}"'),
    Case("another issuer, by name", REFUTED, contract(), contract(issuer=ELSEWHERE), f'allow if object.get(input, ["subject", "issuer"], "") == "{ELSEWHERE}"'),
    Case("another issuer loses access only", PROVED, contract(), contract(issuer=ELSEWHERE), f'allow if input.subject.issuer == "{SHOP["issuer"]}"'),
    Case("another issuer that is not read", PROVED, contract(), contract(issuer=ELSEWHERE), 'allow if input.subject.claims.role == "user"'),
    Case("the issuer of both", PROVED, contract(), contract(version="2.0.0"), f'allow if input.subject.issuer == "{SHOP["issuer"]}"'),
    Case("the version is not read", PROVED, contract(), contract(version="2.0.0"), 'allow if input.contract.name == "shop"'),
    Case("a claim under another name", REFUTED, with_claims(plan=must(GOLD)), RENAMED, 'allow if input.subject.claims.tier == "gold"'),
    Case("a claim under another name, both", PROVED, with_claims(plan=must(GOLD)), RENAMED, 'allow if object.get(input.subject.claims, "tier", object.get(input.subject.claims, "plan", "")) == "gold"'),
    Case("a claim under another name, forgotten", REFUTED, with_claims(plan=must(GOLD)), RENAMED, 'allow if not input.subject.claims.plan == "free"'),
    Case("all claims", REFUTED, with_claims(n=may(BIT)), with_claims(), 'allow if input.subject.claims == {"role": "user"}'),
    Case("all claims, harmless", PROVED, with_claims(), with_claims(n=must(BIT)), 'allow if input.subject.claims == {"role": "user"}'),
    Case("the number of claims", REFUTED, with_claims(), with_claims(n=may(BIT)), "allow if count(input.subject.claims) == 2"),
    Case("the names of claims", REFUTED, with_claims(), with_claims(n=may(BIT)), 'allow if "n" in object.keys(input.subject.claims)'),
    Case("any claim", REFUTED, with_claims(), with_claims(n=may({"enum": ["x"]})), 'allow if {\n\tsome _, v in input.subject.claims\n\tv == "x"\n}'),
    Case("any claim, harmless", PROVED, with_claims(), with_claims(n=may({"enum": ["x"]})), 'allow if {\n\tsome _, v in input.subject.claims\n\tv == "user"\n}'),
    Case("a claim named by another", REFUTED, with_claims(key=must({"enum": ["n"]})), with_claims(key=must({"enum": ["n"]}), n=may(BIT)), "allow if input.subject.claims[input.subject.claims.key] == 1"),
    Case("a claim that is named like the request", REFUTED, *same(**{"resource.id": must(TEXT)}), 'allow if input.subject.claims["resource.id"] == input.resource.id', "allow if true"),
    Case("a claim that is named like a part of another", REFUTED, *same(**{"a.b": must(TEXT), "a": must({"type": "object", "properties": {"b": TEXT}, "required": ["b"]})}), 'allow if input.subject.claims["a.b"] == input.subject.claims.a.b', "allow if true"),
    Case("a list that is named like the request", REFUTED, *more("contexts", {**TAGS, "maxItems": 12}, TAGS), "allow if count(input.subject.claims.contexts) > 12"),
    Case("a property of an object claim", REFUTED, *more("part", PARTS, {**PARTS, "properties": {"kind": GOLD}}), "allow if not input.subject.claims.part.on"),
    Case("a property of an object claim, kept", PROVED, *more("part", PARTS, {**PARTS, "properties": {"kind": GOLD}}), 'allow if input.subject.claims.part.kind == "gold"'),
)  # fmt: skip
def test_trap_15_the_relation_and_the_shape_of_the_input(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


REASONED = 'decision := {"allow": true, "reasons": reasons} if input.subject.claims.role == "user"\n\nreasons contains input.subject.claims.code'
DECISION = contract(
    claims={**BASE["claims"], "code": must({"enum": ["fine", "no blanks here"]})},
    policy={"package": "shop.authz", "rule": "decision"},
)


@cases(
    Case("a malformed reason goes", REFUTED, DECISION, DECISION, REASONED, 'decision := {"allow": true} if input.subject.claims.role == "user"', default=False),
    Case("a malformed reason comes", PROVED, DECISION, DECISION, 'decision := {"allow": true} if input.subject.claims.role == "user"', REASONED, default=False),
    Case("a member that is not known", PROVED, DECISION, DECISION, "decision := {\"allow\": false}", 'decision := {"allow": true, "extra": 1}', default=False),
    Case("an allow that is no boolean", PROVED, DECISION, DECISION, "decision := {\"allow\": false}", 'decision := {"allow": "true"}', default=False),
    Case("an allow of a claim", REFUTED, DECISION, DECISION, "decision := {\"allow\": false}", 'decision := {"allow": input.subject.claims.role == "user"}', default=False),
)  # fmt: skip
def test_a_decision_that_is_an_object(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)
