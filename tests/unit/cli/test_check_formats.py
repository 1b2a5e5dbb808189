"""What CI servers read of `contract check`: SARIF, JUnit and annotations, of reports and of errors."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from entitlements.checking.junit import junit_error
from entitlements.errors import StartupFault
from tests.tickets import Project, git

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "entitlements" / "schemas" / "check.json").read_text())
REMOVED = ("tickets@1.1.0", "tickets@2.0.0")
AUDITOR = ("tickets@2.0.0", "tickets@2.1.0")
STEPS: dict[str, tuple[str, ...]] = {"widened": REMOVED, "approved": AUDITOR, "same": ("tickets@1.0.0",) * 2}

# What SARIF 2.1.0 demands of the objects that are written here, section by section.
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LOCATION = {  # 3.28 to 3.30, 3.4
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {"uri": {"format": "uri-reference"}},
                },
                "region": {"type": "object", "properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        }
    },
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "level": {"enum": ["none", "note", "warning", "error"]},
        "run": {  # 3.14
            "type": "object",
            "required": ["tool", "results", "invocations"],
            "properties": {
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "tool": {
                    "required": ["driver"],
                    "properties": {
                        "driver": {  # 3.19
                            "required": ["name", "rules"],
                            "properties": {"rules": {"uniqueItems": True, "items": {"$ref": "#/$defs/rule"}}},
                        }
                    },
                },
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                "invocations": {"type": "array", "items": {"$ref": "#/$defs/invocation"}},
            },
        },
        "rule": {  # 3.49
            "type": "object",
            "required": ["id", "shortDescription", "fullDescription", "help"],
            "properties": {
                "shortDescription": TEXT,
                "fullDescription": TEXT,
                "help": TEXT,
                "defaultConfiguration": {"properties": {"level": {"$ref": "#/$defs/level"}}},
            },
        },
        "result": {  # 3.27
            "type": "object",
            "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
            "properties": {
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": TEXT,
                "locations": {"type": "array", "minItems": 1, "items": LOCATION},
                "partialFingerprints": {
                    "minProperties": 1,
                    "propertyNames": {"pattern": "/v[1-9][0-9]*$"},
                    "additionalProperties": {"type": "string", "minLength": 1},
                },
            },
        },
        "invocation": {  # 3.20
            "type": "object",
            "required": ["executionSuccessful"],
            "properties": {
                "executionSuccessful": {"type": "boolean"},
                "exitCode": {"type": "integer"},
                "toolExecutionNotifications": {  # 3.58
                    "type": "array",
                    "items": {
                        "required": ["message", "level"],
                        "properties": {
                            "message": TEXT,
                            "level": {"$ref": "#/$defs/level"},
                            "descriptor": {"anyOf": [{"required": ["id"]}, {"required": ["index"]}]},
                            "locations": {"items": LOCATION},
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def sarif(text: str) -> Any:
    """The one run of a log that obeys SARIF."""
    document = json.loads(text)
    jsonschema_rs.validator_for(SARIF).validate(document)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    # 3.27.6: where both are there, the index has to name the rule of that id.
    assert [rules[one["ruleIndex"]]["id"] for one in run["results"]] == [one["ruleId"] for one in run["results"]]
    assert len({rule["id"] for rule in rules}) == len(rules)
    return run


def place(result: Any) -> tuple[str, int]:
    where = result["locations"][0]["physicalLocation"]
    return unquote(where["artifactLocation"]["uri"]).rpartition("/")[2], where["region"]["startLine"]


@pytest.mark.parametrize("step", STEPS)
def test_sarif_obeys_the_rules_of_the_standard(project: Project, step: str) -> None:
    run = sarif(project.check(*STEPS[step], "--format", "sarif").stdout)
    assert run["invocations"][0]["executionSuccessful"] is True


def test_a_sarif_result_has_the_fingerprint_and_the_changed_line_of_its_witness(project: Project) -> None:
    run = sarif(project.check(*REMOVED, "--format", "sarif").stdout)
    (witness,) = project.json(*REMOVED)["access"]["no_new_access"]["witnesses"]
    (found,) = [one for one in run["results"] if one["ruleId"] == "no_new_access"]
    assert found["partialFingerprints"]["entitlements/v1"] == witness["fingerprint"]
    line = (project.contracts / "tickets/2.0.0.yaml").read_text().splitlines()[place(found)[1] - 1]
    assert (place(found)[0], "enum" in line) == ("2.0.0.yaml", True)


def test_sarif_tells_an_approval_that_cannot_stand_at_its_line(project: Project) -> None:
    project.approvals.write_text(project.approvals.read_text().replace("2099-12-31", "2020-01-01", 1))
    run = sarif(project.check("tickets@1.0.0", "tickets@1.1.0", "--format", "sarif").stdout)
    (found,) = [one for one in run["results"] if one["ruleId"] == "approval_expired"]
    assert (found["level"], place(found)[0]) == ("error", "approvals.yaml")


def test_a_sarif_uri_is_one_for_any_name_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "ä %41 #?:x"
    folder.mkdir()
    run = sarif(Project(folder).check(*REMOVED, "--format", "sarif").stdout)
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"file:///[A-Za-z0-9._~/%-]+", uri)
    assert unquote(uri) == f"file://{folder}/contracts/tickets/2.0.0.yaml"


# The attributes that the schema of Jenkins' xUnit plugin (junit-10.xsd) permits, and those that it demands.
DEMANDED = {"testsuites": set(), "testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}}
PERMITTED = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {
        *DEMANDED["testsuite"],
        *["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
    },
    "testcase": {"name", "time", "classname", "group"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "system-out": set(),
}
CHILDREN = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "error", "system-out"}}


def junit(text: str) -> ElementTree.Element:
    """The root of a document that Jenkins accepts, whose counts are right."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        assert DEMANDED.get(element.tag, set()) <= set(element.attrib) <= PERMITTED[element.tag], element.tag
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        if time := element.get("time"):
            assert re.fullmatch(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?", time)
        if element.tag in ("testsuites", "testsuite"):
            for name, of in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
                assert element.get(name) == str(len([*element.iter(of)])), name
    for suite in root:
        names = [case.get("name") for case in suite]
        assert len(names) == len({*names}), names
        assert all((case.get("classname") or "").startswith("contract") for case in suite)
    assert all(one.get("type") and one.get("message") for one in [*root.iter("failure"), *root.iter("error")])
    return root


@pytest.mark.parametrize("step", STEPS)
def test_junit_is_what_the_schema_of_jenkins_accepts(project: Project, step: str) -> None:
    root = junit(project.check(*STEPS[step], "--format", "junit").stdout)
    assert [one.get("type") for one in root.iter("failure")] == (
        ["refuted"] if step != "same" else []
    ) or step == "approved"


def test_junit_tells_an_answer_that_is_not_known_as_an_error(project: Project) -> None:
    versions = {name: f"level: {{schema: {{type: integer, minimum: 0, maximum: {name}}}}}" for name in ("900", "800")}
    files = [
        project.copy_as(f"{name}.yaml", "suspended:\n", f"{text}\n  suspended:\n") for name, text in versions.items()
    ]
    policy = project.folder / "policies/tickets/authz/authz.rego"
    odd = 'crypto.sha256(sprintf("%d", [input.subject.claims.level])) == "x"'
    policy.write_text(f'{policy.read_text()}\nreasons contains "odd" if {odd}\n')
    result = project.check(*files, "--method", "enumerate", "--budget", "100", "--format", "junit")
    root = junit(result.stdout)
    assert [one.get("type") for one in root.iter("error")] == ["unknown"]
    assert result.exit_code in (3, 4)


def test_junit_holds_what_xml_cannot(project: Project) -> None:
    text = junit_error(StartupFault("contract_invalid", "`\x00\x1b[1m\ufffe\ud800` ]]> <&>"))
    (found,) = junit(text).iter("error")
    assert found.text == "`\\x00\\x1b[1m\\ufffe\\ud800` ]]> <&>"


def no_base(project: Project) -> list[str]:
    git(project.folder, "init", "-q")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "first")
    return ["--against", "git:no-such-branch"]


def no_contract(project: Project) -> list[str]:
    (project.contracts / "tickets/2.1.0.yaml").write_text("contract: tickets\n")
    return []


def no_option(project: Project) -> list[str]:
    return ["tickets@1.0.0"]


ERRORS = {
    no_base: ("base_unreadable", "the base cannot be read"),
    no_contract: ("contract_invalid", "2.1.0.yaml"),
    no_option: ("usage_error", "name both OLD and NEW"),
}


@pytest.mark.parametrize("form", ["json", "markdown", "junit", "sarif", "github"])
@pytest.mark.parametrize("break_it", ERRORS, ids=lambda one: one.__name__)
def test_an_error_is_told_once_in_the_chosen_format(project: Project, break_it: Any, form: str) -> None:
    code, said = ERRORS[break_it]
    result = project.run("check", *break_it(project), "--format", form)
    assert (result.exit_code, result.stderr) == (2, "")
    assert said in result.stdout
    if form == "json":
        jsonschema_rs.validator_for(SCHEMA).validate(json.loads(result.stdout))
        assert json.loads(result.stdout)["error"]["code"] in (code, "contracts_invalid")
    elif form == "junit":
        assert [*junit(result.stdout).iter("error")]
    elif form == "sarif":
        (invocation,) = sarif(result.stdout)["invocations"]
        told = {one["descriptor"]["id"] for one in invocation["toolExecutionNotifications"]}
        assert (told, invocation["executionSuccessful"], invocation["exitCode"]) == ({code}, False, 2)
    elif form == "github":
        lines = result.stdout.strip().splitlines()
        assert all(line.startswith("::error ") and f"title={code}::" in line for line in lines)
        assert len({*lines}) == len(lines)


def test_a_shallow_clone_is_told_to_fetch_the_whole_history(project: Project, tmp_path: Path) -> None:
    git(project.folder, "init", "-q")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "first")
    git(project.folder, "commit", "-qm", "second", "--allow-empty")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{project.folder}", str(clone)], check=True)
    project.folder, project.contracts = clone, clone / "contracts"
    result = project.run("check", "--against", "git:HEAD~1", "--format", "github")
    assert result.exit_code == 2
    assert "`fetch-depth: 0`" in result.stdout
    assert "`fetch-depth: 0`" not in project.run("check", "--against", "git:HEAD").output


def test_a_report_is_written_in_other_formats_too(project: Project, tmp_path: Path) -> None:
    files = {form: tmp_path / f"check.{form}" for form in ("sarif", "junit", "text")}
    options = [part for form, file in files.items() for part in ("--write", f"{form}={file}")]
    result = project.check(*REMOVED, "--format", "github", *options)
    assert (result.exit_code, result.stdout.startswith("::")) == (3, True)
    sarif(files["sarif"].read_text())
    junit(files["junit"].read_text())
    assert "does not pass" in files["text"].read_text()
    assert project.run("check", "tickets@1.0.0", "--format", "github", *options).exit_code == 2
    assert "name both OLD and NEW" in files["text"].read_text()


@pytest.mark.parametrize("wrong", ["sarif", "sarif=", "pdf=x", "=x", "sarif=/nowhere/x"])
def test_a_report_that_cannot_be_written_is_exit_2(project: Project, wrong: str) -> None:
    assert project.check(*REMOVED, "--write", wrong).exit_code == 2
