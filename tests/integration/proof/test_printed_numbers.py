"""How a number of a base document is spelled is kept by OPA, and some built-ins tell spellings of one number apart."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from entitlements.engine import Opa
from entitlements.proof import PROVED, REFUTED
from tests.integration.proof.test_attacks import answer, contract

RARE = 'input.action.name == "read"\n\tinput.resource.id == "r1"\n\tinput.subject.id == "u7"'
OPEN = "input.resource.id"

PRINTING = {
    "json.marshal": f'json.marshal([data.shop.k, {OPEN}]) == "[{{old}},\\"r1\\"]"',
    "json.marshal of it alone": 'json.marshal(data.shop.k) == "{old}"',
    "json.marshal of a member": 'json.marshal(object.union({{"k": data.shop.k}}, {{}})) == `{{"k":{old}}}`',
    "in a function": "marshalled([data.shop.k]) == `[{old}]`",
    "a literal": "json.marshal({old}) == json.marshal({new})",
    "max": "json.marshal(max([data.shop.k])) == `{old}`",
    "to_number": "json.marshal(to_number(data.shop.k)) == `{old}`",
    "substring": f'substring({OPEN}, data.shop.k, 1) == "1"',
    "regex.find_n": f'regex.find_n("r", {OPEN}, data.shop.k) == ["r"]',
    "array.slice": '"y" in array.slice(["x", "y"], data.shop.k, 2)',
    "time.add_date": "time.add_date(0, data.shop.k, 0, 0) > 0",
    "sprintf": 'sprintf("%s|%v", [data.shop.k, 1]) != sprintf("%s|%v", [1.0, 1])',
}
SPELLINGS = [("1.0", "1e0"), ("1e0", "1.0"), ("1", "1e0"), ("1e0", "1"), ("1.50", "1.5"), ("1.5", "1.50")]


def _rules(condition: str) -> str:
    denied = f"denied if {{\n\t{condition}\n}}"
    return f"marshalled(x) := json.marshal(x)\n\n{denied}\n\nallow if {{\n\t{RARE}\n\tnot denied\n}}"


def _decides(opa: Opa, folder: Path, rules: str, spelling: str) -> bool:
    """Whether OPA itself allows the one request that the rules are about."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "p.rego").write_text(f"package shop.authz\n\nimport rego.v1\n\ndefault allow := false\n\n{rules}\n")
    (folder / "data.json").write_text(f'{{"shop": {{"k": {spelling}}}}}')
    query = (
        'data.shop.authz.allow with input as {"action": {"name": "read"},'
        ' "resource": {"id": "r1"}, "subject": {"id": "u7"}}'
    )
    command = [str(opa), "eval", "-d", "p.rego", "-d", "data.json", "--strict-builtin-errors", "--format", "raw", query]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "true"


@pytest.mark.parametrize("name", PRINTING)
@pytest.mark.parametrize(("old", "new"), SPELLINGS, ids=[" to ".join(pair) for pair in SPELLINGS])
def test_another_spelling_of_a_number_that_widens_access_is_never_proved(
    name: str, old: str, new: str, opa: Opa, tmp_path: Path
) -> None:
    """Whatever OPA makes of it: what is proved is true."""
    rules = _rules(PRINTING[name].format(old=old, new=new))
    for side, spelling in (("before", old), ("after", new)):
        (tmp_path / side / "shop").mkdir(parents=True)
        (tmp_path / side / "shop/data.json").write_text(f'{{"k": {spelling}}}')
    widens = [_decides(opa, tmp_path / f"eval-{spelling}", rules, spelling) for spelling in (old, new)]
    found = answer(contract(), contract(), tmp_path, opa, rules, rules + "\n")
    if widens == [False, True]:
        assert found.answer != PROVED
    else:
        assert found.answer != REFUTED


def test_some_spelling_does_widen_access_in_opa(opa: Opa, tmp_path: Path) -> None:
    """The test above is not empty."""
    rules = _rules(PRINTING["json.marshal of it alone"].format(old="1.0"))
    assert [_decides(opa, tmp_path / spelling, rules, spelling) for spelling in ("1.0", "1e0")] == [False, True]


def test_a_calculated_number_that_is_printed_is_not_taken_for_the_same_number_written_out(
    opa: Opa, tmp_path: Path
) -> None:
    """`0 / -7` is `-0` to OPA, equal to `0` and printed otherwise."""
    calculated = "0 / (count(input.resource.id) - 9)"
    before, after = _rules(f"{calculated} == 0"), _rules(f"n := {calculated}\n\tn == 0\n\tjson.marshal(n) == `0`")
    decides = [_decides(opa, tmp_path / f"eval{place}", rules, "1") for place, rules in enumerate((before, after))]
    assert decides == [False, True]
    assert answer(contract(), contract(), tmp_path, opa, before, after).answer != PROVED


@pytest.mark.parametrize("spelling", ["1", "1.5"])
def test_a_number_in_the_spelling_of_the_service_is_followed_when_it_is_printed(
    spelling: str, opa: Opa, tmp_path: Path
) -> None:
    (tmp_path / "same/shop").mkdir(parents=True)
    (tmp_path / "same/shop/data.json").write_text(f'{{"k": {spelling}}}')
    rules = _rules(f"json.marshal(data.shop.k) == `{spelling}`")
    assert answer(contract(), contract(version="1.1.0"), tmp_path, opa, rules).answer == PROVED
