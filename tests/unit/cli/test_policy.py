"""`policy check`, `prove` and `reachable`, `contract explain` and `verify` as their users see them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.engine import Opa

ROOT = Path(__file__).resolve().parents[3]
HISTORY = ROOT / "examples" / "history"
RECORD = json.loads((ROOT / "entitlements" / "schemas" / "record.json").read_text())
CONTRACT = """\
contract: shop
version: 1.0.0
issuer: https://login.example.com
audience: https://shop.example.com
policy: {package: shop.authz, rule: allow}
tokens:
  access_token: {profile: rfc9068, algorithms: [ES256], max_lifetime: 600}
claims:
  role: {required: true, schema: {enum: [user, admin]}}
  suspended: {required: true, schema: {type: boolean}}
  locale: {schema: {type: string}}
request:
  actions: [read, write]
  resources: {item: {properties: {owner: {type: string}}}}
"""
POLICY = """\
package shop.authz

default allow := false

allow if {
	input.subject.claims.suspended == false
	input.action.name == "read"
}

allow if {
	input.subject.claims.role == "admin"
	input.subject.claims.suspended == false
}

allow if input.subject.claims.role == "root"
"""
INVARIANT = """\
package shop.authz_invariant

violation contains "suspended_is_allowed" if {
	data.shop.authz.allow
	input.subject.claims.suspended
}

violation contains "user_writes" if {
	data.shop.authz.allow
	input.action.name == "write"
}
"""


class Project:
    """A folder with one contract and one policy, in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contracts, self.policies = folder / "contracts", folder / "policies"
        (self.contracts / "shop").mkdir(parents=True)
        (self.contracts / "shop" / "1.0.0.yaml").write_text(CONTRACT)
        self.write("policies", POLICY)

    def write(self, place: str, policy: str, name: str = "authz.rego") -> Path:
        """Write a file of the policy's package below a folder."""
        path = self.folder / place / "shop" / "authz" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(policy)
        return path

    def run(self, *arguments: str) -> Result:
        environment = {
            "ENTITLEMENTS_CONTRACTS": str(self.contracts),
            "ENTITLEMENTS_POLICIES": str(self.policies),
        }
        result = CliRunner().invoke(main, [*arguments], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result


@pytest.fixture
def project(tmp_path: Path, opa: Opa, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    return Project(tmp_path)


STEPS = {
    "equivalent": (POLICY.replace("== false", "!= true"), 0),
    "stricter": (POLICY.replace('== "read"', '== "list"'), 0),
    "wider": (POLICY + '\nallow if input.action.name == "read"\n', 3),
    "different": (POLICY.replace('== "read"', '== "write"'), 3),
}


@pytest.mark.parametrize("word", STEPS)
def test_a_change_of_policies_is_told_in_one_word(project: Project, word: str) -> None:
    policy, code = STEPS[word]
    new = project.write("new", policy)
    result = project.run("policy", "check", str(project.policies), str(new.parents[2]))
    assert (result.exit_code, f"shop 1.0.0: {word}" in result.stdout) == (code, True), result.output


@pytest.mark.parametrize("word", ["stricter", "wider"])
def test_policies_are_held_against_a_ceiling(project: Project, word: str) -> None:
    policy, code = STEPS[word]
    ceiling = project.write("ceiling", POLICY)
    project.write("policies", policy)
    result = project.run("policy", "check", "--ceiling", str(ceiling.parents[2]))
    assert (result.exit_code, f"shop 1.0.0: {word}" in result.stdout) == (code, True), result.output


@pytest.mark.parametrize("given", [[], ["policies"], ["policies", "policies", "--ceiling", "policies"]])
def test_what_is_compared_has_to_be_named(project: Project, given: list[str]) -> None:
    folders = [str(project.policies) if one == "policies" else one for one in given]
    result = project.run("policy", "check", *folders)
    assert (result.exit_code, "name both OLD and NEW, or --ceiling alone" in result.output) == (2, True)


def test_a_change_of_policies_as_json_has_both_answers(project: Project) -> None:
    new = project.write("new", STEPS["wider"][0])
    result = project.run("policy", "check", str(project.policies), str(new.parents[2]), "--format", "json")
    (found,) = json.loads(result.stdout)
    assert (found["change"], found["contract"]["name"]) == ("wider", "shop")
    assert found["access"]["no_new_access"]["witnesses"][0]["claims_after"]["suspended"] is True
    assert found["access"]["no_lost_access"]["answer"] == "proved"


def test_each_violation_is_proved_to_be_never_or_shown(project: Project) -> None:
    project.write("policies", INVARIANT, "authz_invariant.rego")
    result = project.run("policy", "prove", "--format", "json")
    found = {one["violation"]: one for one in json.loads(result.stdout)}
    assert result.exit_code == 3
    assert found["suspended_is_allowed"]["answer"] == "proved"
    shown: Any = found["user_writes"]
    assert (shown["answer"], shown["input"]["action"]["name"]) == ("refuted", "write")
    assert shown["input"]["subject"]["claims"]["role"] == "admin"


def test_an_invariant_that_holds_exits_with_nothing_to_say_against_it(project: Project) -> None:
    project.write("policies", INVARIANT.partition('violation contains "user')[0], "authz_invariant.rego")
    result = project.run("policy", "prove")
    assert (result.exit_code, "suspended_is_allowed: never" in result.stdout) == (0, True), result.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("package shop.authz\n", "must be of the package of a policy"),
        ("package other_invariant\n\nviolation contains 1 if true\n", "no contract has a policy of the package"),
        ("package shop.authz_invariant\n\nviolation contains 1 if\n", "do not compile"),
        ("package shop.authz_invariant\n\nother := 1\n", "decision rule"),
    ],
)
def test_what_is_no_invariant_is_refused_with_a_reason(project: Project, text: str, words: str) -> None:
    project.write("policies", text, "authz_invariant.rego")
    result = project.run("policy", "prove")
    assert (result.exit_code, words in result.output) == (2, True), result.output


def test_a_violation_without_a_constant_name_is_no_proof(project: Project) -> None:
    text = "package shop.authz_invariant\n\nviolation contains input.subject.claims.locale if data.shop.authz.allow\n"
    project.write("policies", text, "authz_invariant.rego")
    result = project.run("policy", "prove")
    assert (result.exit_code, "no constant string" in result.output) == (4, True), result.output


LONG = """\
package shop.authz_invariant

violation contains "many_tags" if count(input.subject.claims.tags) > 5

violation contains "never" if {
	data.shop.authz.allow
	1 == 2
}
"""


def test_a_long_list_that_is_counted_is_not_taken_for_a_short_one(project: Project) -> None:
    """What was looked at holds three elements: nothing is left of the first violation, and that proves nothing."""
    text = CONTRACT.replace(
        "claims:\n", "claims:\n  tags: {schema: {type: array, items: {type: string}, maxItems: 50}}\n"
    )
    (project.contracts / "shop" / "1.0.0.yaml").write_text(text)
    project.write("policies", LONG, "authz_invariant.rego")
    found = {
        one["violation"]: one["answer"] for one in json.loads(project.run("policy", "prove", "--format", "json").stdout)
    }
    assert found["many_tags"] != "proved"
    policy = POLICY + "\nallow if count(input.subject.claims.tags) > 5\n"
    project.write("policies", policy)
    (reach,) = json.loads(project.run("policy", "reachable", "--format", "json").stdout)
    answers = {rule["line"]: rule["answer"] for rule in reach["rules"]}
    assert answers[17] != "never"
    assert {one["claim"]: one["answer"] for one in reach["claims"]}["tags"] != "nothing"


def test_every_violation_is_told_even_if_nothing_is_left_of_it(project: Project) -> None:
    project.write(
        "policies",
        LONG.partition('violation contains "many')[0] + "violation" + LONG.rpartition("violation")[2],
        "authz_invariant.rego",
    )
    result = project.run("policy", "prove")
    assert (result.exit_code, "never: never" in result.stdout) == (0, True), result.output


APART = """\
package shop.authz_invariant

violation contains "not_followed" if {
	data.shop.authz.allow
	some one in [x | walk(input.subject, [_, x])]
	one == "x"
}

violation contains "never" if {
	data.shop.authz.allow
	input.subject.claims.suspended == true
}

# Of a claim that may be missing.
violation contains "shown" if {
	data.shop.authz.allow
	{
		"admin": true,
	}[input.subject.claims.role]
}

violation contains "may_fail" if {
	count(input.subject.claims.role) > 20
	input.subject.claims.role + 1 == 2
}
"""


def test_what_is_not_followed_of_one_violation_says_nothing_of_the_others(project: Project) -> None:
    project.write("policies", APART, "authz_invariant.rego")
    result = project.run("policy", "prove", "--format", "json")
    found = {one["violation"]: one["answer"] for one in json.loads(result.stdout)}
    assert found["never"] == "proved"
    assert found["shown"] == "refuted"
    assert found["not_followed"] == "unknown"
    assert list(found) == ["not_followed", "never", "shown", "may_fail"]


def test_an_invariant_is_no_part_of_what_is_served(project: Project) -> None:
    from entitlements.engine import policy_digest

    before = policy_digest(project.policies)
    project.write("policies", INVARIANT, "authz_invariant.rego")
    assert policy_digest(project.policies) == before


def test_rules_that_never_fire_and_claims_that_change_nothing_are_told(project: Project) -> None:
    result = project.run("policy", "reachable", "--format", "json")
    (found,) = json.loads(result.stdout)
    answers = {(rule["rule"], rule["line"]): rule["answer"] for rule in found["rules"]}
    assert answers == {("allow", 5): "fires", ("allow", 10): "fires", ("allow", 15): "never"}
    assert {one["claim"]: one["answer"] for one in found["claims"]} == {
        "role": "decides",
        "suspended": "decides",
        "locale": "nothing",
    }


def test_an_unknown_contract_is_a_usage_error_that_names_the_known_ones(project: Project) -> None:
    result = project.run("policy", "reachable", "--contract", "shops")
    assert (result.exit_code, "only shop" in result.output) == (2, True)


@pytest.fixture
def history(tmp_path: Path, opa: Opa, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    shutil.copytree(HISTORY, tmp_path / "history")
    monkeypatch.setenv("ENTITLEMENTS_CONTRACTS", str(tmp_path / "history" / "contracts"))
    monkeypatch.setenv("ENTITLEMENTS_POLICIES", str(tmp_path / "history" / "policies-1"))
    return tmp_path / "history"


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["contract", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_witness_is_walked_through_the_policy_line_by_line(history: Path) -> None:
    pair = ("tickets@1.1.0", "tickets@2.0.0")
    document = json.loads(run("check", *pair, "--format", "json").stdout)
    mark = document["access"]["no_new_access"]["witnesses"][0]["fingerprint"]
    told = run("explain", mark, *pair).stdout
    assert "contractors_excluded → allowed" in told
    assert '-   16  reasons contains "contractors_excluded"' in told
    assert "=    9  allow if count(reasons) == 0" in told
    finding = document["findings"][0]["fingerprint"]
    assert "enum_value_removed" in run("explain", finding, *pair).stdout
    assert run("explain", "0" * 16, *pair).exit_code == 2


def test_a_record_says_what_was_found_and_verifies(history: Path, tmp_path: Path) -> None:
    pair = ("tickets@1.1.0", "tickets@2.0.0")
    options = ("--policies-old", str(history / "policies-1"), "--policies", str(history / "policies-2"))
    run("check", *pair, *options, "--record", str(tmp_path / "r"), "--queries")
    record = tmp_path / "r" / "tickets-1.1.0-2.0.0.json"
    document = json.loads(record.read_text())
    jsonschema_rs.Draft202012Validator(RECORD).validate(document)
    assert document["no_new_access"]["answer"] == "proved"
    assert "(check-sat)" in (tmp_path / "r" / "tickets-1.1.0-2.0.0-1.smt2").read_text()
    same = run("verify", str(record), *options)
    assert (same.exit_code, "same" in same.stdout) == (0, True), same.output
    absent = run("verify", str(record))
    assert (absent.exit_code, "name them with --policies" in absent.output) == (2, True)
    document["no_new_access"]["answer"] = "refuted"
    record.write_text(json.dumps(document))
    other = run("verify", str(record), *options)
    assert (other.exit_code, "no_new_access.answer" in other.stdout) == (3, True)
    record.write_text("{")
    assert run("verify", str(record)).exit_code == 2


def test_the_lock_names_the_record_of_its_check(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (history / "contracts" / "tickets" / "approvals.yaml").unlink()
    assert run("lock", "--pin", "tickets=1.0.0").exit_code == 0
    assert run("lock", "--pin", "tickets=1.1.0").exit_code == 0
    record = history / "contracts" / "tickets" / "1.1.0.proof.json"
    jsonschema_rs.Draft202012Validator(RECORD).validate(json.loads(record.read_text()))
    assert run("verify").exit_code == 0
    assert run("lock", "--pin", "tickets=1.1.0").exit_code == 0
    assert "record: sha256:" in (history / "contracts" / "contracts.lock").read_text()
    record.write_text(record.read_text().replace("proved", "refuted"))
    changed = run("verify")
    assert (changed.exit_code, "not the one that contracts.lock names" in changed.output) == (2, True)
