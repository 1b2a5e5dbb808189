"""Claims that are maps, unions or null, through the check itself, with real OPA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from entitlements.contract import Contract
from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED, UNKNOWN

from .test_traps import Case, access, cases, contract, held, must, with_claims

ROLE: dict[str, Any] = {"enum": ["user", "owner"]}
ORG: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z]+$"},
    "additionalProperties": ROLE,
    "maxProperties": 2,
}
MORE = {**ORG, "additionalProperties": {"enum": ["user", "owner", "guest"]}}
LISTED = {"type": "array", "items": ORG, "maxItems": 2}
EITHER: dict[str, Any] = {"type": ["string", "integer"], "maxLength": 5, "minimum": 0, "maximum": 9}
TEXT: dict[str, Any] = {"type": "string", "maxLength": 5}
NULL: dict[str, Any] = {**TEXT, "type": ["string", "null"]}
ACME = "input.subject.claims.org.acme"
LEVEL = "input.subject.claims.level"
NEVER = "allow if false"
THREE = "allow if {\n\tinput.subject.claims.org.a\n\tinput.subject.claims.org.b\n\tinput.subject.claims.org.c\n}"
TWO = "allow if {\n\tinput.subject.claims.org.a\n\tinput.subject.claims.org.b\n}"
USER = 'allow if input.subject.claims.role == "user"'
NO_FIRST = "allow if {\n\tfalse\n\tinput.subject.claims.org[0].acme\n}"
ONE_OF = f'allow if {LEVEL} in {{1, "1"}}'
NULL_AND_TEXT = f'allow if {{\n\tis_null({LEVEL})\n\t{LEVEL} == ""\n}}'


def same(**claims: Any) -> tuple[Contract, Contract]:
    one = with_claims(**claims)
    return one, one


def more(name: str, *schemas: dict[str, Any]) -> tuple[Contract, Contract]:
    one, other = (with_claims(**{name: must(schema)}) for schema in schemas)
    return one, other


MAPS, EITHERS, NULLS = same(org=must(ORG)), same(level=must(EITHER)), same(level=must(NULL))


@cases(
    Case("a member by its name", PROVED, *MAPS, f"allow if {ACME}", f'allow if {ACME} == "owner"'),
    Case("a member by its name, one more", REFUTED, *MAPS, f'allow if {ACME} == "owner"', f"allow if {ACME}"),
    Case("a value that is not permitted", PROVED, *MAPS, NEVER, f'allow if {ACME} == "other"'),
    Case("a name that is not permitted", PROVED, *MAPS, NEVER, "allow if input.subject.claims.org.ACME"),
    Case("a member that is absent", REFUTED, *MAPS, f'allow if {ACME} == "user"', f'allow if not {ACME} == "owner"'),
    Case("a map that is too large", PROVED, *MAPS, NEVER, THREE),
    Case("a map that is large", REFUTED, *MAPS, NEVER, TWO),
    Case("a map that changes", REFUTED, *more("org", ORG, MORE), f'allow if not {ACME} == "owner"'),
    Case("a map that changes and is not read", PROVED, *more("org", ORG, MORE), USER),
    Case("a list of maps", UNKNOWN, *same(org=must(LISTED)), NEVER, NO_FIRST),
    Case("a string or a number", PROVED, *EITHERS, ONE_OF, f"allow if {LEVEL} == 1"),
    Case("a string, too", REFUTED, *EITHERS, f"allow if {LEVEL} == 1", ONE_OF),
    Case("a string is greater than any number", REFUTED, *EITHERS, f"allow if {LEVEL} == 9", f"allow if {LEVEL} > 8"),
    Case("no boolean", PROVED, *EITHERS, NEVER, f"allow if {LEVEL} == true"),
    Case("a number beyond the bound", PROVED, *EITHERS, NEVER, f"allow if {LEVEL} == 10"),
    Case("a string beyond the bound", PROVED, *EITHERS, NEVER, f'allow if {LEVEL} == "abcdef"'),
    Case("null is there", REFUTED, *NULLS, f"allow if is_string({LEVEL})", f"allow if is_null({LEVEL})"),
    Case("null is no string", PROVED, *NULLS, NEVER, NULL_AND_TEXT),
    Case("null comes", REFUTED, *more("level", TEXT, NULL), f"allow if is_null({LEVEL})"),
    Case("null goes", PROVED, *more("level", NULL, TEXT), f"allow if is_null({LEVEL})"),
)  # fmt: skip
def test_a_claim_of_another_form(case: Case, opa: Opa, tmp_path: Path) -> None:
    held(case, tmp_path, opa)


def test_a_walk_over_a_map_is_never_proved(opa: Opa, tmp_path: Path) -> None:
    """Only a member that the policies do not name is an owner's."""
    one = contract(claims={"org": must(ORG)})
    walk = 'allow if {\n\tsome name, role in input.subject.claims.org\n\tname != "acme"\n\trole == "owner"\n}'
    rules = [walk, "allow if count(input.subject.claims.org) > 1"]
    for rule in [*rules, 'allow if input.subject.claims.org == {"x": "user"}']:
        found = access(Case("", UNKNOWN, one, one, NEVER, rule), tmp_path / str(len(rule)), opa)
        assert found.no_new_access.answer != PROVED, rule
