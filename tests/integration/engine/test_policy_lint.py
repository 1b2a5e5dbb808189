"""What compiles and must not be locked or served: references out of the release, `system`, odd data; file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.engine import Opa, check_policies, read_policies
from entitlements.errors import StartupFault

HEAD = "package shop.authz\n\ndefault allow := false\n\n"
GOOD = HEAD + "allow if input.action in data.shop.plans.read\n"
DATA = '{"read": ["view"]}'


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def faults(opa: Opa, folder: Path, files: dict[str, str | bytes]) -> list[str]:
    """What is reported, without the folder; the same to whoever checks and to whoever reads."""
    write(folder, {"shop/authz/authz.rego": GOOD, "shop/plans/data.json": DATA, **files})
    told = []
    for ask in (
        lambda: check_policies(folder, decision_paths=["shop/authz/allow"], opa=opa),
        lambda: read_policies(opa, folder),
    ):
        try:
            ask()
            told.append([])
        except StartupFault as fault:
            told.append([str(one).removeprefix(f"{folder}/") for one in fault.faults])
    assert told[0] == told[1]
    return told[0]


@pytest.mark.parametrize(
    "rule",
    [
        "allow if data.shop.plans[input.kind]",
        "allow if data.shop.authz.helper\n\nhelper if input.action",
        "import_me if plans.read",
        "allow if input.x with data.shop.plans as {}",
    ],
)
def test_references_into_the_release_are_fine(opa: Opa, tmp_path: Path, rule: str) -> None:
    head = HEAD.replace("\n\ndefault", "\n\nimport data.shop.plans\n\ndefault") if "plans.read" in rule else HEAD
    assert faults(opa, tmp_path, {"shop/authz/authz.rego": head + rule + "\n"}) == []


def test_an_alias_of_a_folder_above_packages_is_followed(opa: Opa, tmp_path: Path) -> None:
    head = HEAD.replace("\n\ndefault", "\n\nimport data.shop as s\n\ndefault")
    assert faults(opa, tmp_path, {"shop/authz/authz.rego": head + "allow if s.plans.read\n"}) == []
    told = faults(opa, tmp_path, {"shop/authz/authz.rego": head + "allow if s[input.x]\n"})
    assert told[0].startswith("shop/authz/authz.rego:7: what is read of `data.shop` is not known before it runs")


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        (
            "allow if data.users[input.x]",
            "`data.users` is in no package and no data document of this folder: put it into",
        ),
        ("allow if data[input.x]", "what is read of `data` is not known before it runs: name a package or document"),
        ("allow if walk(data, [_, input.x])", "what is read of `data` is not known before it runs"),
        ("allow if data.shop[input.x].read", "what is read of `data.shop` is not known before it runs"),
        ("allow if input.x with data.users as input.users", "`data.users` is in no package"),
        ("allow if input.x with input.y as data.users", "`data.users` is in no package"),
        ('allow if data["system"].authz', "`data.system.authz` is in no package"),
        ("allow if {\n\td := data\n\td.users[input.x]\n}", "what is read of `data` is not known before it runs"),
    ],
)
def test_a_reference_out_of_the_release_is_told_with_its_line(opa: Opa, tmp_path: Path, rule: str, part: str) -> None:
    told = faults(opa, tmp_path, {"shop/authz/authz.rego": HEAD + rule + "\n"})
    assert told[0].startswith(("shop/authz/authz.rego:5: ", "shop/authz/authz.rego:6: "))
    assert part in told[0]


@pytest.mark.parametrize(
    ("files", "part"),
    [
        (
            {"system/authz/a.rego": "package system.authz\n\nallow := true\n"},
            "system/authz/a.rego:1: the package `system`",
        ),
        ({"x/a.rego": "package system\n\nmain := 1\n"}, "x/a.rego:1: the package `system` is OPA's own interface"),
        ({"system/data.json": '{"x": 1}'}, "system/data.json:1: `data.system` belongs to OPA itself"),
        ({"data.json": '{"system": {"x": 1}}'}, "data.json:1: `data.system` belongs to OPA itself"),
        ({"a.rego": "package shop.other\n\nx := 1\n"}, "move the file to `shop/other/a.rego`"),
        ({"shop/plans/data.json": "{\n"}, "shop/plans/data.json:2: the text is not valid JSON"),
        ({"shop/plans/data.json": ""}, "shop/plans/data.json:1: the text is not valid JSON"),
        ({"shop/plans/data.json": '{"a": 1,\n "b": {"c": 1,\n "c": 2}}'}, "shop/plans/data.json:3: an object names a"),
        ({"shop/plans/data.json": b'{"a":\n"\xff"}'}, "shop/plans/data.json:2: the text is not valid UTF-8"),
        ({"shop/plans/data.json": '{\n"a": 9007199254740993}'}, "shop/plans/data.json:2: a number is beyond the exact"),
        ({"shop/plans/data.json": '{\n"a": 1e-400}'}, "shop/plans/data.json:1: a number is too small for a double"),
        ({"shop/plans/data.json": "[1]"}, "shop/plans/data.json:1: a data document must be an object"),
        ({"shop/plans/data.yaml": "a: 1\nb: [\n"}, "shop/plans/data.yaml:3: not readable as YAML"),
        ({"shop/plans/data.yaml": "a: &x 1\nb: *x\n"}, "shop/plans/data.yaml:1: not readable as YAML: anchors"),
        ({"shop/plans/data.yaml": "a: 1\na: 2\n"}, "shop/plans/data.yaml:2: a: the key `a` stands twice"),
        ({"shop/plans/data.yaml": "a: 0o7\n"}, "shop/plans/data.yaml:1: `0o7` is ambiguous"),
        ({"shop/plans/data.yaml": "a: 1.12345678901234567891\n"}, "the number has more digits than a double holds"),
        ({"shop/plans/data.yaml": "read: x\n"}, "`data.shop.plans.read` stands in `shop/plans/data.json` too"),
        ({"shop/data.json": '{"plans": 1}'}, "stands in"),
        ({"shop/authz/data.json": '{"allow": true}'}, "shop/authz/authz.rego:3: the rule `allow` has a value in"),
    ],
)
def test_what_cannot_be_locked_is_told_with_file_and_line(
    opa: Opa, tmp_path: Path, files: dict[str, str | bytes], part: str
) -> None:
    told = faults(opa, tmp_path, files)
    assert any(part.replace(": a: the key", ": the key") in one for one in told), told


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ('http.send({"method": "get", "url": "http://x"}).body', "the network"),
        ("time.now_ns() > 1", "the clock"),
        ('rand.intn("x", 3) > 1', "chance"),
        ("opa.runtime().env", "the process"),
    ],
)
def test_a_forbidden_builtin_is_called_forbidden_with_the_reason(
    opa: Opa, tmp_path: Path, call: str, reason: str
) -> None:
    (told,) = faults(opa, tmp_path, {"shop/authz/authz.rego": HEAD + f"allow if {call}\n"})
    name = call.partition("(")[0]
    assert told.startswith(f"shop/authz/authz.rego:5: `{name}` is forbidden because it asks {reason}: ")
