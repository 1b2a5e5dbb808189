"""The JSON Schemas in the package accept what the loader accepts, and refuse what it refuses where a schema can."""

from __future__ import annotations

import copy
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from entitlements.cli import main
from entitlements.contract import load_contract, parse_contract
from entitlements.contract.approvals import load_approvals
from entitlements.contract.keywords import BY_TYPE, OF_ANY_TYPE
from entitlements.contract.lock import parse_lock
from entitlements.errors import ContractsInvalid
from entitlements.schema_files import NAMES, schema_text

ROOT = Path(__file__).resolve().parents[2]
WRITER: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "schemas.py"))
CONTRACTS = sorted([*ROOT.glob("contracts/*/[0-9]*.yaml"), *ROOT.glob("examples/*/contracts/*/[0-9]*.yaml")])
APPROVALS = sorted([*ROOT.glob("contracts/*/approvals.yaml"), *ROOT.glob("examples/*/contracts/*/approvals.yaml")])
BASE: dict[str, Any] = yaml.safe_load((ROOT / "contracts/orders/1.0.0.yaml").read_text())
Edit = Callable[[Any], object]


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema_text(name)))


def loads(document: Any) -> bool:
    """Whether the loader takes the document."""
    try:
        parse_contract(json.dumps(document), Path("orders/1.0.0.yaml"), named=False)
    except ContractsInvalid:
        return False
    return True


def edited(edit: Edit) -> Any:
    document = copy.deepcopy(BASE)
    edit(document)
    return document


def put(path: str, value: Any) -> Edit:
    *folders, last = path.split(".")

    def edit(document: Any) -> None:
        for name in folders:
            document = document[name]
        document[last] = value

    return edit


def claim(schema: Any) -> Edit:
    return put("claims.extra", {"schema": schema})


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid_and_printed_by_the_command(name: str) -> None:
    Draft202012Validator.check_schema(json.loads(schema_text(name)))
    assert CliRunner().invoke(main, ["schema", name]).stdout == schema_text(name)


def test_package_has_just_the_schemas_that_are_named() -> None:
    assert sorted(file.stem for file in (ROOT / "entitlements/schemas").iterdir()) == [*NAMES]


@pytest.mark.parametrize("name", sorted(WRITER["documents"]()))
def test_schema_is_derived_from_the_shape_that_loads(name: str) -> None:
    assert WRITER["text"](WRITER["documents"]()[name]) == schema_text(name), "run `make reference`"


@pytest.mark.parametrize("file", CONTRACTS, ids=lambda file: "/".join(file.parts[-4:]))
def test_every_contract_of_the_repository_validates(file: Path) -> None:
    load_contract(file)
    validator("contract").validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("file", APPROVALS, ids=lambda file: "/".join(file.parts[-4:]))
def test_every_approval_of_the_repository_validates(file: Path) -> None:
    assert load_approvals(file.parent.parent, file.parent.name)
    validator("approvals").validate(yaml.safe_load(file.read_text()))


def test_the_lock_of_the_repository_validates() -> None:
    text = (ROOT / "contracts/contracts.lock").read_text()
    parse_lock(text, Path("contracts.lock"))
    validator("lock").validate(yaml.safe_load(text))
    assert not validator("lock").is_valid({**yaml.safe_load(text), "more": 1})


MAP: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^a"},
    "additionalProperties": {"type": "string"},
    "maxProperties": 2,
}
CLOSED: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
UNION: dict[str, Any] = {"type": ["array", "string"], "items": {"type": "string"}, "maxItems": 2, "maxLength": 3}
REFUSED: dict[str, Edit] = {
    "an unknown member": put("more", 1),
    "no issuer": lambda document: document.pop("issuer"),
    "a name in capitals": put("contract", "Orders"),
    "a version with two parts": put("version", "1.0"),
    "an issuer without TLS": put("issuer", "http://login.example.com"),
    "an issuer with a query": put("issuer", "https://login.example.com?a"),
    "an audience with whitespace": put("audience", "a b"),
    "a symmetric algorithm": put("tokens.access_token.algorithms", ["HS256"]),
    "an algorithm twice": put("tokens.access_token.algorithms", ["ES256", "ES256"]),
    "an unknown profile": put("tokens.access_token.profile", "another"),
    "a lifetime as a string": put("tokens.access_token.max_lifetime", "3600"),
    "a lifetime of nothing": put("tokens.access_token.max_lifetime", 0),
    "an unknown rule for other claims": put("undeclared_claims", "keep"),
    "a system package": put("policy.package", "system.authz"),
    "a claim without a schema": put("claims.extra", {}),
    "a sensitivity that there is not": put("claims.extra", {"schema": {"type": "boolean"}, "sensitivity": "low"}),
    "required as a string": put("claims.extra", {"schema": {"type": "boolean"}, "required": "yes"}),
    "a consumer of another kind": put("consumers", [{"name": "a", "kind": "other"}]),
    "no type and no values": claim({"description": "anything"}),
    "an unknown keyword": claim({"type": "string", "contains": 1}),
    "a keyword of another type": claim({"type": "integer", "pattern": "a"}),
    "a keyword without a type": claim({"enum": ["a"], "maxLength": 3}),
    "a union of types": claim({"type": ["integer", "number"]}),
    "a union of one type": claim({"type": ["string"]}),
    "a union with one type twice": claim({"type": ["string", "string"]}),
    "a union with an array without a bound": claim({"type": ["array", "null"], "items": {"type": "string"}}),
    "a map without names": claim({"type": "object", "maxProperties": 1, "additionalProperties": {"type": "string"}}),
    "a map with properties": claim({**MAP, "properties": {"a": {"type": "string"}}}),
    "a closed object with names": claim({**CLOSED, "propertyNames": {"pattern": "^a"}}),
    "an array without a bound": claim({"type": "array", "items": {"type": "string"}}),
    "an array without items": claim({"type": "array", "maxItems": 3}),
    "an array with too many items": claim({"type": "array", "items": {"type": "string"}, "maxItems": 1001}),
    "an object without properties": claim({"type": "object"}),
    "an open object": claim({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True}),
    "an empty enum": claim({"enum": []}),
    "null in an enum": claim({"enum": [None]}),
    "a negative length": claim({"type": "string", "maxLength": -1}),
    "a multiple of nothing": claim({"type": "integer", "multipleOf": 0}),
    "an unknown format": claim({"type": "string", "format": "colour"}),
    "a faulty schema inside": claim({"type": "array", "maxItems": 1, "items": {"type": "text"}}),
}


@pytest.mark.parametrize("edit", REFUSED.values(), ids=REFUSED.keys())
def test_malformed_contract_is_refused_by_loader_and_schema(edit: Edit) -> None:
    assert loads(BASE)
    document = edited(edit)
    assert not loads(document)
    assert not validator("contract").is_valid(document)


GOOD_VALUES: dict[str, Any] = {
    **{"type": "string", "pattern": "^a$", "minLength": 1, "maxLength": 9, "format": "email", "description": "prose"},
    **{"minimum": 1, "maximum": 9, "exclusiveMinimum": 0, "exclusiveMaximum": 10, "multipleOf": 2},
    **{"items": {"type": "string"}, "minItems": 1, "maxItems": 9, "uniqueItems": True, "enum": ["a"], "const": "a"},
    **{"properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False},
    **{"propertyNames": {"pattern": "^a$"}, "maxProperties": 9},
}
NEEDED: dict[str, dict[str, Any]] = {
    "array": {"items": {"type": "string"}, "maxItems": 9},
    "object": {"properties": {"a": {"type": "string"}}},
}
KEYWORDS = [(kind, keyword) for kind, known in sorted(BY_TYPE.items()) for keyword in sorted(known)]


@pytest.mark.parametrize(("kind", "keyword"), KEYWORDS, ids=[f"{kind}-{keyword}" for kind, keyword in KEYWORDS])
def test_every_keyword_is_accepted_by_loader_and_schema(kind: str, keyword: str) -> None:
    needed = MAP if keyword in ("propertyNames", "maxProperties") else {"type": kind, **NEEDED.get(kind, {})}
    document = edited(claim({**needed, keyword: GOOD_VALUES[keyword]}))
    assert loads(document)
    validator("contract").validate(document)
    wrong = edited(claim({**needed, keyword: None}))
    assert not loads(wrong)
    assert not validator("contract").is_valid(wrong)


@pytest.mark.parametrize("schema", [MAP, {**MAP, "type": ["null", "object"]}, UNION], ids=str)
def test_maps_and_unions_are_accepted_by_loader_and_schema(schema: dict[str, Any]) -> None:
    document = edited(claim(schema))
    assert loads(document)
    validator("contract").validate(document)


def test_schema_knows_the_keywords_of_the_loader_and_no_other() -> None:
    known = json.loads(schema_text("contract"))["$defs"]["value"]["properties"].keys()
    assert known == GOOD_VALUES.keys() == OF_ANY_TYPE.union(*BY_TYPE.values())


def test_draft_in_a_file_names_its_schema_and_keeps_its_digest(tmp_path: Path) -> None:
    sample = json.dumps({"iss": "https://login.example.com", "aud": "https://a.example", "plan": "free"})
    file = tmp_path / "contracts" / "documents" / "1.0.0.yaml"
    done = CliRunner().invoke(main, ["contract", "init", "documents", "--out", str(file)], input=sample)
    assert done.exit_code == 0
    first, _, rest = file.read_text().partition("\n")
    assert first == "# yaml-language-server: $schema=../contract.schema.json"
    assert (file.parent / first.partition("=")[2]).resolve().read_text() == schema_text("contract")
    assert parse_contract(rest, file).ref == load_contract(file).ref
    validator("contract").validate(yaml.safe_load(file.read_text()))


def test_approvals_name_their_schema_where_it_is_there(tmp_path: Path) -> None:
    import datetime

    from entitlements.contract import Approval, write_approval

    (tmp_path / "shop").mkdir()
    today = datetime.date(2026, 1, 1)
    given = [Approval(f"{number:016x}", "1.0.0", "1.1.0", "meant", "jane", today) for number in range(2)]
    assert not write_approval(tmp_path, "shop", given[0], today).read_text().startswith("#")
    (tmp_path / "approvals.schema.json").write_text(schema_text("approvals"))
    text = write_approval(tmp_path, "shop", given[1], today).read_text()
    assert text.startswith("# yaml-language-server: $schema=../approvals.schema.json\n")
    assert len(load_approvals(tmp_path, "shop")) == 2
    validator("approvals").validate(yaml.safe_load(text))
    assert not validator("approvals").is_valid({"approvals": [{"fingerprint": "*"}]})
