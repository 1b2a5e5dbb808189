"""Where our reading of a policy could differ from OPA's: letters beyond ASCII, long decimals, odd numbers; and how a
difference is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.engine import BatchEngine, Opa
from entitlements.engine.builtin_calls import BuiltinCalls
from entitlements.engine.plan_build import build_plan
from entitlements.proof import PROVED, REFUTED, UNKNOWN
from entitlements.proof.symbolic.encode import Policy, encode
from entitlements.proof.symbolic.self_check import ModelMismatch, check_against_opa
from entitlements.proof.symbolic.terms.string_terms import lower, upper
from tests.integration.proof.test_traps import TEXT, Case, access, must, with_claims

NAME = "input.subject.claims.name"


def asked(folder: Path, opa: Opa, schema: dict[str, Any], before: str, after: str) -> tuple[str, str, str]:
    one = with_claims(name=must(schema))
    rules = [f"allow if {rule}".replace("NAME", NAME) for rule in (before, after)]
    found = access(Case("case", "", one, one, *rules), folder, opa)
    return found.no_new_access.answer, found.no_lost_access.answer, found.no_new_access.reason


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ('NAME == "\u00c9mile"', 'startswith(lower(NAME), "\u00e9mile")', (REFUTED, PROVED)),
        ('lower(NAME) == "\u00e9"', 'NAME in {"\u00e9", "\u00c9"}', (PROVED, PROVED)),
        ('lower(NAME) == "k"', 'NAME in {"k", "K"}', (PROVED, REFUTED)),
        ('upper(NAME) == "\u03a3"', 'NAME in {"\u03c3", "\u03c2", "\u03a3"}', (PROVED, PROVED)),
    ],
)
def test_case_of_letters_beyond_ascii_is_exact(
    before: str, after: str, wanted: tuple[str, str], opa: Opa, tmp_path: Path
) -> None:
    assert asked(tmp_path, opa, TEXT, before, after)[:2] == wanted


def test_every_letter_has_the_case_that_opa_gives_it(opa: Opa) -> None:
    letters = [chr(number) for number in range(0x30000) if not 0xD800 <= number < 0xE000]
    calls = BuiltinCalls(opa)
    for name, ours in (("lower", lower), ("upper", upper)):
        (found,) = calls(name, [["".join(letters)]])
        rows = zip(letters, found.value, map(ours, letters), strict=True)
        assert [row for row in rows if row[1] != row[2]] == []


@pytest.mark.parametrize("digits", ["0.1234567890123456789", "0.30000000000000000001"])
def test_a_decimal_of_too_many_digits_is_no_mismatch(digits: str, opa: Opa, tmp_path: Path) -> None:
    schema = {"type": "number", "minimum": 0, "maximum": 1}
    new, lost, reason = asked(tmp_path, opa, schema, "NAME == 2", f"NAME == {digits}")
    assert new in (PROVED, UNKNOWN)
    assert lost == PROVED
    assert "defect" not in reason


@pytest.mark.parametrize(("text", "value"), [("+1", "1"), ("1_0", "10"), (".5", "0.5"), ("1.", "1"), ("01", "1")])
def test_a_number_in_a_spelling_that_json_has_not_is_followed(text: str, value: str, opa: Opa, tmp_path: Path) -> None:
    found = asked(tmp_path, opa, {"enum": [text, "7"]}, f"NAME == {json.dumps(text)}", f"to_number(NAME) == {value}")
    assert found[:2] == (PROVED, PROVED)


def test_a_difference_names_the_innermost_rule_and_its_line(opa: Opa, tmp_path: Path) -> None:
    contract = with_claims(name=must({"enum": ["a", "b"]}))
    head = f"package shop.authz\n\ndefault allow := false\n\nallow if known\n\nknown if {NAME} == "
    policy = Policy(build_plan(opa, {"shop/authz/authz.rego": f'{head}"a"\n'.encode()}, contract.decision_path))
    question = encode((contract, contract), (policy, policy), BuiltinCalls(opa), request_of=1)
    (tmp_path / "shop/authz").mkdir(parents=True)
    (tmp_path / "shop/authz/authz.rego").write_text(f'{head}"b"\n')
    with BatchEngine(opa, tmp_path, contract.decision_path) as engine, pytest.raises(ModelMismatch) as raised:
        check_against_opa(question, (engine, engine))
    assert "`data.shop.authz.known` at `shop/authz/authz.rego:7` has another value" in raised.value.message


DUTY = """package shop.authz

decision := {{"allow": true, "obligations": duties}}

duties contains {{"id": "step_up", "level": {level}}} if {{
	input.subject.claims.name == "{name}"
}}
"""


@pytest.mark.parametrize(
    ("walked", "decided"),
    [
        ({"level": 2, "name": "a"}, {"level": 1, "name": "a"}),
        ({"level": 2, "name": "a"}, {"level": 2, "name": "b"}),
        ({"level": 2, "name": "nobody"}, {"level": 2, "name": "a"}),
        ({"level": 2, "name": "a"}, {"level": 2, "name": "nobody"}),
    ],
)
def test_obligations_that_differ_from_those_of_opa_fail_the_trial(
    walked: dict[str, Any], decided: dict[str, Any], opa: Opa, tmp_path: Path
) -> None:
    contract = with_claims(name=must({"enum": ["a", "b"]}))
    path = "shop/authz/decision"
    policy = Policy(build_plan(opa, {"shop/authz/authz.rego": DUTY.format(**walked).encode()}, path))
    question = encode((contract, contract), (policy, policy), BuiltinCalls(opa), request_of=1)
    (tmp_path / "shop/authz").mkdir(parents=True)
    (tmp_path / "shop/authz/authz.rego").write_text(DUTY.format(**decided))
    with BatchEngine(opa, tmp_path, path) as engine, pytest.raises(ModelMismatch) as raised:
        check_against_opa(question, (engine, engine))
    assert "other obligations" in raised.value.message
    assert "`data.shop.authz.duties`" in raised.value.message


def test_obligations_as_opa_gives_them_pass_the_trial(opa: Opa, tmp_path: Path) -> None:
    contract = with_claims(name=must({"enum": ["a", "b"]}))
    path = "shop/authz/decision"
    text = DUTY.format(level=2, name="a")
    policy = Policy(build_plan(opa, {"shop/authz/authz.rego": text.encode()}, path))
    question = encode((contract, contract), (policy, policy), BuiltinCalls(opa), request_of=1)
    (tmp_path / "shop/authz").mkdir(parents=True)
    (tmp_path / "shop/authz/authz.rego").write_text(text)
    with BatchEngine(opa, tmp_path, path) as engine:
        check_against_opa(question, (engine, engine))
