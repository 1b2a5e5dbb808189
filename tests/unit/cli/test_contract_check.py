"""`contract check`, `approve`, `usage` and `lock` as their users see them: on the terminal, in files, by exit codes."""

from __future__ import annotations

import datetime
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import jsonschema_rs
import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.engine import Opa
from tests.tickets import HISTORY, Project, git

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "entitlements" / "schemas" / "check.json").read_text())
FORMATS = ["text", "json", "markdown", "junit", "sarif", "github"]
REMOVED = ("tickets@1.1.0", "tickets@2.0.0")
AUDITOR = ("tickets@2.0.0", "tickets@2.1.0")


def in_days(days: int) -> str:
    return (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=days)).isoformat()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_history_is_proved_refuted_proved_after_the_fix_and_approved(project: Project) -> None:
    added = project.json("tickets@1.0.0", "tickets@1.1.0")
    removed = project.json(*REMOVED)
    fixed = project.json(*REMOVED, *project.between(1, 2))
    meant = project.json(*AUDITOR, *project.between(2, 3))
    told = [(one["access"]["no_new_access"]["answer"], one["passes"]) for one in (added, removed, fixed, meant)]
    assert told == [("proved", True), ("refuted", False), ("proved", True), ("refuted", True)]
    assert removed["access"]["no_lost_access"]["answer"] == "proved"


def test_a_witness_names_tokens_request_claim_and_rule(project: Project) -> None:
    (witness,) = project.json(*REMOVED)["access"]["no_new_access"]["witnesses"]
    assert witness["claims_before"] == {"roles": ["contractor"], "suspended": False}
    assert witness["claims_after"] == {"roles": [], "suspended": False}
    assert witness["scopes_before"] == witness["scopes_after"] == ["tickets:read"]
    assert (witness["request"]["action"], witness["request"]["resource"]["type"]) == ("read", "ticket")
    assert witness["changed"] == ["roles"]
    file = "tickets/authz/authz.rego"
    named = f"differs first: {file}:16 reasons; grants: {file}:9 allow; no longer denies: {file}:16 reasons"
    assert witness["rule"] == named
    assert witness["reasons_before"] == ["contractors_excluded"]
    assert witness["confirmed"] is True


def test_a_finding_names_file_line_and_readers(project: Project) -> None:
    findings = project.json(*REMOVED)["findings"]
    (removed,) = [one for one in findings if one["id"] == "enum_value_removed"]
    assert removed["file"].endswith("contracts/tickets/1.1.0.yaml")
    assert removed["line"] == 15
    assert removed["compatibility"] == "breaking"
    assert removed["approved"] is True
    assert any("negated" in reader for reader in removed["readers"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["tickets@1.0.0", "tickets@1.1.0"],
        [*REMOVED],
        [*AUDITOR],
        ["tickets@1.0.0", "tickets@1.0.0"],
        ["tickets@2.1.0", "tickets@1.0.0"],
        [*AUDITOR, "--budget", "100"],
        [],
    ],
    ids=lambda arguments: " ".join(arguments) or "newest",
)
def test_json_is_as_its_schema_says(project: Project, arguments: list[str]) -> None:
    jsonschema_rs.validator_for(SCHEMA).validate(project.json(*arguments))


def test_the_schema_itself_is_one_and_refuses_an_unconfirmed_witness(project: Project, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        check_jsonschema(["--check-metaschema", str(ROOT / "entitlements" / "schemas" / "check.json")])
    assert ended.value.code in (0, None)
    document = project.json(*REMOVED)
    document["access"]["no_new_access"]["witnesses"][0]["confirmed"] = False
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validator_for(SCHEMA).validate(document)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_tells_the_witness_and_exits_with_3(project: Project, form: str) -> None:
    result = project.check(*REMOVED, "--format", form)
    assert result.exit_code == 3
    assert "contractors_excluded" in result.stdout
    assert "tickets/authz/authz.rego:16" in result.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_has_colours_where_nobody_looks(project: Project, form: str) -> None:
    assert "\x1b" not in project.check(*REMOVED, "--format", form).stdout


def test_junit_counts_what_fails(project: Project) -> None:
    suite = ElementTree.fromstring(project.check(*REMOVED, "--format", "junit").stdout).find("testsuite")
    assert suite is not None
    failing = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failing == ["nobody gains access"]
    assert suite.get("failures") == "1"
    passing = ElementTree.fromstring(project.check("tickets@1.0.0", "tickets@1.1.0", "--format", "junit").stdout)
    assert [suite.get("failures") for suite in passing] == ["0"]


def test_sarif_is_valid_by_its_shape_and_places_findings(project: Project) -> None:
    document = json.loads(project.check(*REMOVED, "--format", "sarif").stdout)
    (run,) = document["runs"]
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert document["version"] == "2.1.0"
    assert {result["ruleId"] for result in run["results"]} <= known
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels["no_new_access"] == "error"
    assert levels["enum_value_removed"] == "note"  # it is approved
    places = [result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in run["results"]]
    assert min(places) >= 1


def test_github_annotations_are_one_line_each(project: Project) -> None:
    lines = project.check(*REMOVED, "--format", "github").stdout.strip().splitlines()
    assert all(line.startswith(("::error ", "::notice ", "::warning ")) for line in lines)
    assert any("line=15,title=enum_value_removed" in line for line in lines)


def test_a_namespaced_claim_is_a_claim_like_any_other(project: Project) -> None:
    for version in ("1.1.0", "2.0.0"):
        file = project.contracts / f"tickets/{version}.yaml"
        file.write_text(file.read_text().replace("roles", "https://example.com/roles"))
    policy = project.folder / "policies/tickets/authz/authz.rego"
    policy.write_text(policy.read_text().replace("claims.roles", 'claims["https://example.com/roles"]'))
    report = project.json(*REMOVED)
    (witness,) = report["access"]["no_new_access"]["witnesses"]
    assert witness["changed"] == ["https://example.com/roles"]
    (removed,) = [one for one in report["findings"] if one["id"] == "enum_value_removed"]
    assert removed["line"] == 15


def test_without_a_witness_a_sample_is_unknown_and_exits_with_4(project: Project) -> None:
    old = project.copy_as(
        "old.yaml", "suspended:\n", "level: {schema: {type: integer, minimum: 0, maximum: 900}}\n  suspended:\n"
    )
    new = project.copy_as(
        "new.yaml", "suspended:\n", "level: {schema: {type: integer, minimum: 0, maximum: 800}}\n  suspended:\n"
    )
    policy = project.folder / "policies/tickets/authz/authz.rego"
    policy.write_text(policy.read_text() + '\nreasons contains "odd" if input.subject.claims.level * 7 % 11 == 3\n')
    result = project.check(old, new, "--method", "enumerate", "--budget", "100", "--format", "json")
    answer = json.loads(result.stdout)["access"]["no_new_access"]
    assert (answer["answer"], answer["approved"]) in (("unknown", False), ("refuted", False))
    assert answer["coverage"].startswith("sampled ")
    assert result.exit_code in (3, 4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tickets@9.9.9", "tickets@1.0.0"], "9.9.9"),
        (["tickets@1.0.0"], "name both OLD and NEW"),
        ([*REMOVED, "--against", "git:HEAD"], "--against takes no OLD and NEW"),
        (["--against", "HEAD"], "git:REF"),
        (["--against", "git:"], "git:REF"),
        (["--against", "git:HEAD"], "the base cannot be read"),
        ([*REMOVED, "--decision", "allow"], "package/rule"),
        ([*REMOVED, "--policies", "/nowhere"], "/nowhere"),
    ],
    ids=["no_version", "one_side", "both_ways", "no_kind", "no_ref", "no_repository", "no_rule", "no_folder"],
)
def test_what_cannot_be_compared_is_exit_2_and_never_no_changes(
    project: Project, arguments: list[str], said: str
) -> None:
    result = project.run("check", *arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "passes" not in result.output


def test_policies_that_do_not_compile_are_exit_2_with_file_and_line(project: Project) -> None:
    (project.folder / "policies/tickets/authz/authz.rego").write_text("package tickets.authz\n\nallow if {\n")
    result = project.check(*REMOVED)
    assert result.exit_code == 2
    assert "authz.rego:" in result.output


def test_a_decision_that_no_policy_makes_is_no_proof(project: Project) -> None:
    result = project.check(*REMOVED, "--decision", "tickets.authz/no_such_rule", "--format", "json")
    assert result.exit_code != 0


def test_against_a_commit_compares_contracts_and_policies_with_it(project: Project) -> None:
    for name in ("2.0.0", "2.1.0"):
        (project.contracts / f"tickets/{name}.yaml").rename(project.folder / name)
    project.approvals.unlink()
    git(project.folder, "init", "-q")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "first")
    assert project.run("check", "--against", "git:HEAD").exit_code == 0
    (project.folder / "2.0.0").rename(project.contracts / "tickets/2.0.0.yaml")
    widened = project.run("check", "--against", "git:HEAD")
    assert widened.exit_code == 3
    assert "tickets 1.1.0 → 2.0.0" in widened.output
    project.use(2)
    fixed = project.json("--against", "git:HEAD")
    assert fixed["access"]["no_new_access"]["answer"] == "proved"
    assert fixed["policies"]["old"] != fixed["policies"]["new"]


def test_a_contract_that_is_gone_is_not_one_without_changes(project: Project) -> None:
    git(project.folder, "init", "-q")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "first")
    shutil.copytree(project.contracts / "tickets", project.contracts / "desk")
    for file in (project.contracts / "desk").iterdir():
        file.write_text(file.read_text().replace("contract: tickets", "contract: desk"))
    shutil.rmtree(project.contracts / "tickets")
    result = project.run("check", "--against", "git:HEAD")
    assert result.exit_code == 2
    assert "every version of the contract `tickets` is gone" in result.output


def test_a_base_that_git_leaves_out_of_an_archive_is_read_all_the_same(project: Project) -> None:
    (project.folder / ".gitattributes").write_text("contracts/** export-ignore\n")
    git(project.folder, "init", "-q")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "first")
    (project.contracts / "tickets").rename(project.contracts / "desk")
    for file in (project.contracts / "desk").iterdir():
        file.write_text(file.read_text().replace("contract: tickets", "contract: desk"))
    result = project.run("check", "--against", "git:HEAD")
    assert result.exit_code == 2
    assert "every version of the contract `tickets` is gone" in result.output


def test_policies_outside_of_the_repository_need_their_old_ones_named(project: Project) -> None:
    git(project.contracts, "init", "-q")
    git(project.contracts, "add", ".")
    git(project.contracts, "commit", "-qm", "first")
    refused = project.run("check", "--against", "git:HEAD")
    assert refused.exit_code == 2
    assert "is not in the repository" in refused.output
    named = project.run("check", "--against", "git:HEAD", *project.between(1, 1))
    assert "tickets 2.1.0 → 2.1.0" in named.output


@pytest.mark.parametrize("form", FORMATS)
def test_where_nothing_can_be_compared_every_format_is_whole(project: Project, form: str) -> None:
    for version in ("1.1.0", "2.0.0", "2.1.0"):
        (project.contracts / f"tickets/{version}.yaml").unlink()
    result = project.run("check", "--format", form)
    assert result.exit_code == 0
    assert "there is nothing to compare" in result.stderr
    if form in ("json", "sarif"):
        json.loads(result.stdout)
    if form == "json":
        jsonschema_rs.validator_for(SCHEMA).validate(json.loads(result.stdout))
    if form == "junit":
        ElementTree.fromstring(result.stdout)


def asked_witness(project: Project) -> str:
    (witness,) = project.json(*REMOVED)["access"]["no_new_access"]["witnesses"]
    return str(witness["fingerprint"])


def approve(project: Project, fingerprint: str, **changed: str) -> Result:
    options = {
        "contract": "tickets",
        "from": "1.1.0",
        "to": "2.0.0",
        "reason": "ticket 7: contractors may read",
        "by": "jane@example.com",
        "expires": in_days(30),
    } | changed
    return project.run(
        "approve", fingerprint, *(part for key, value in options.items() for part in (f"--{key}", value))
    )


def test_an_approval_lets_a_witness_pass_and_is_told(project: Project) -> None:
    (witness,) = project.json(*REMOVED)["access"]["no_new_access"]["witnesses"]
    result = approve(project, witness["fingerprint"])
    assert result.exit_code == 0
    assert str(project.approvals) in result.output
    checked = project.check(*REMOVED)
    assert checked.exit_code == 0
    assert "refuted, approved" in checked.output
    assert "[approved]" in checked.output
    entries = yaml.safe_load(project.approvals.read_text())["approvals"]
    assert len(entries) == 3  # what stood there is kept


@pytest.mark.parametrize("text", ["y", "null", "1e3", "a: b # c", "'", '"\\', "zwei\nZeilen", "日本 😀", "{}", " x "])
def test_an_approval_keeps_its_words_as_they_were_given(project: Project, text: str) -> None:
    assert approve(project, asked_witness(project), reason=text, by=text).exit_code == 0
    last = yaml.safe_load(project.approvals.read_text())["approvals"][-1]
    assert (last["reason"], last["by"]) == (text, text)
    assert project.check(*REMOVED).exit_code == 0


@pytest.mark.parametrize(
    ("fingerprint", "changed", "said"),
    [
        ("28eaa8be76780ec1", {}, "approved already"),
        ("0f3c2a91d4b7e685", {"contract": "nothing"}, "there is no contract `nothing`"),
        ("0f3c2a91d4b7e685", {"expires": "2020-01-01"}, "--expires lies in the past"),
        ("0f3c2a91d4b7e685", {"expires": "soon"}, "soon"),
        ("28eaa8be76780ec1", {"expires": in_days(36_600)}, "`max_days` in gate.yaml"),
        ("0f3c2a91d4b7e685", {}, "nothing asks for `0f3c2a91d4b7e685`"),
        ("28eaa8be76780ec1", {"from": "2.0.0", "to": "2.1.0"}, "nothing asks for `28eaa8be76780ec1`"),
    ],
    ids=["twice", "no_contract", "past", "no_date", "too_far", "unasked", "of_another_step"],
)
def test_an_approval_that_means_nothing_is_not_written(
    project: Project, fingerprint: str, changed: dict[str, str], said: str
) -> None:
    before = project.approvals.read_text()
    result = approve(project, fingerprint, **changed)
    assert result.exit_code == 2
    assert said in result.output
    assert project.approvals.read_text() == before


def test_how_far_ahead_an_approval_may_expire_is_the_projects_word(project: Project) -> None:
    witness = asked_witness(project)
    (project.contracts / "gate.yaml").write_text("approvals: {max_days: 20}\n")
    refused = approve(project, witness, expires=in_days(22))
    assert (refused.exit_code, "max_days" in refused.output) == (2, True)
    assert approve(project, witness, expires=in_days(20)).exit_code == 0


@pytest.mark.parametrize(
    ("fingerprint", "changed"),
    [
        ("*", {}),
        ("0f3c", {}),
        ("0f3c2a91d4b7e685", {"from": "1"}),
        ("0f3c2a91d4b7e685", {"from": "3.0.0"}),
        ("0f3c2a91d4b7e685", {"reason": ""}),
    ],
    ids=["wildcard", "prefix", "no_version", "backwards", "no_reason"],
)
def test_an_approval_that_would_not_load_is_not_written(
    project: Project, fingerprint: str, changed: dict[str, str]
) -> None:
    before = project.approvals.read_text()
    result = approve(project, fingerprint, **changed)
    assert result.exit_code == 2
    assert project.approvals.read_text() == before
    assert project.check("tickets@1.0.0", "tickets@1.1.0").exit_code == 0


def rewrite(project: Project, old: str, new: str) -> None:
    text = project.approvals.read_text()
    assert old in text
    project.approvals.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("expires: '2099-12-31'", "expires: '2020-01-01'", 3, "expired on 2020-01-01"),
        ("28eaa8be76780ec1", "28eaa8be76780ec0", 3, "matches no finding of this step"),
        ("to: 2.0.0", "to: 9.9.9", 3, "names the version 9.9.9, which is not there"),
        ("28eaa8be76780ec1", "'*'", 2, "never a wildcard"),
        ("28eaa8be76780ec1", "28eaa8be", 2, "never a wildcard"),
        ("from: 1.1.0", "from: 2.1.0", 2, "does not go forward"),
        ("reason: contractors", "reason: ' ' #", 2, "must not be blank"),
        (
            "approvals:\n",
            "approvals:\n- {fingerprint: 28eaa8be76780ec1, from: 1.1.0, to: 2.0.0, reason: a, by: b, "
            "expires: '2099-01-01'}\n",
            2,
            "twice",
        ),
    ],
    ids=["expired", "unmatched", "no_version", "wildcard", "prefix", "backwards", "blank", "twice"],
)
def test_an_approval_that_cannot_stand_fails_the_check(
    project: Project, old: str, new: str, code: int, said: str
) -> None:
    rewrite(project, old, new)
    result = project.check(*REMOVED, *project.between(1, 2))
    assert result.exit_code == code
    assert said in result.output


def test_an_expired_approval_of_another_step_fails_the_check_too(project: Project) -> None:
    rewrite(project, "2099-12-31", "2020-01-01")
    result = project.check("tickets@1.0.0", "tickets@1.1.0")
    assert result.exit_code == 3
    assert "expired on 2020-01-01" in result.output


def test_text_tells_what_each_approval_covers(project: Project) -> None:
    found = project.check(*REMOVED, *project.between(1, 2)).output
    assert (
        "approval  28eaa8be76780ec1 covers enum_value_removed claims.roles.schema.items.enum; "
        "by security@example.com until 2099-12-31: contractors left; nothing reads the value any more"
    ) in found
    meant = project.check(*AUDITOR, *project.between(2, 3)).output
    assert "covers a witness against `nobody gains access`: roles changes; by security@example.com" in meant


def test_usage_tells_claim_rule_file_line_and_how(project: Project) -> None:
    rows = json.loads(project.run("usage", "--format", "json").stdout)
    assert {"claim": "roles", "rule": "reasons", "how": "membership"}.items() <= next(
        row for row in rows["reads"] if row["claim"] == "roles" and "negated" not in row["how"]
    ).items()
    assert all(":" in row["place"] for row in rows["reads"])
    assert rows["undeclared"] == []


def test_usage_of_one_claim_tells_nothing_of_others(project: Project) -> None:
    rows = json.loads(project.run("usage", "suspended", "--format", "json").stdout)
    assert {row["claim"] for row in rows["reads"]} == {"suspended"}


def test_a_claim_that_policies_read_and_no_contract_declares_is_an_error(project: Project) -> None:
    policy = project.folder / "policies/tickets/authz/authz.rego"
    policy.write_text(policy.read_text() + '\nreasons contains "x" if input.subject.claims.departement == "a"\n')
    result = project.run("usage")
    assert result.exit_code == 3
    assert "the claim `departement` is declared by no contract" in result.output


def add_rule(project: Project, text: str) -> None:
    policy = project.folder / "policies/tickets/authz/authz.rego"
    policy.write_text(f"{policy.read_text()}\n{text}\n")


def test_a_registered_claim_is_not_among_the_claims_that_a_policy_may_read(project: Project) -> None:
    add_rule(project, 'reasons contains "x" if input.subject.claims.sub == "root"')
    assert "the claim `sub` is declared by no contract" in project.run("usage").output


@pytest.mark.parametrize(
    ("claim", "advice"),
    [
        ("sub", "read `input.subject.id`"),
        ("client_id", "read `input.subject.client_id`"),
        ("scope", "read `input.subject.scopes`"),
        *((name, "the service checks it") for name in ("aud", "nbf", "jti")),
        ("iss", "read `input.subject.issuer`"),
    ],
)
def test_usage_names_the_right_place_of_a_registered_claim(project: Project, claim: str, advice: str) -> None:
    add_rule(project, f'reasons contains "x" if input.subject.claims.{claim} == "root"')
    result = project.run("usage")
    assert result.exit_code == 3
    assert f"the claim `{claim}` is declared by no contract: a registered claim is never" in result.output
    assert advice in result.output


@pytest.mark.parametrize("claim", ["exp", "iat"])
def test_usage_says_how_a_policy_may_see_a_time_of_the_token(project: Project, claim: str) -> None:
    add_rule(project, f'reasons contains "x" if input.subject.claims.{claim} > 0')
    result = project.run("usage")
    assert result.exit_code == 3
    assert (
        f"declared by no contract: policies see it where the contract declares `{claim}` and `time: " in result.output
    )


def test_a_name_that_stands_for_something_else_in_another_rule_is_no_claim(project: Project) -> None:
    add_rule(project, 'reasons contains "a" if {\n\tc := input.subject.claims\n\tc.locale == "xx"\n}')
    add_rule(project, 'reasons contains "b" if {\n\tc := input.resource.properties\n\tc.nothing == true\n}')
    add_rule(project, "held := input.subject.claims\n\nis_odd(held) if held.odd == true")
    add_rule(project, 'reasons contains "c" if is_odd({"odd": true})')
    result = project.run("usage")
    assert result.exit_code == 0, result.output
    assert "locale" in result.output
    assert "nothing" not in result.output
    assert "odd" not in result.output.replace("is_odd", "")


def test_a_helper_may_read_no_more_than_the_contract_of_its_decision_declares(project: Project) -> None:
    add_rule(project, 'reasons contains "x" if data.lib.roles.bad')
    lib = project.folder / "policies/lib/roles"
    lib.mkdir(parents=True)
    (lib / "roles.rego").write_text('package lib.roles\n\nbad if input.subject.claims.desk == "x"\n')
    other = (project.contracts / "tickets/2.1.0.yaml").read_text().replace("contract: tickets", "contract: desk")
    (project.contracts / "desk").mkdir()
    text = other.replace("tickets.authz", "desk.authz").replace(
        "  suspended:", "  desk: {schema: {type: boolean}}\n  suspended:", 1
    )
    (project.contracts / "desk/2.1.0.yaml").write_text(text)
    result = project.run("usage")
    assert result.exit_code == 3
    assert "lib/roles/roles.rego:3: the claim `desk` is declared by no contract\n" in result.output


def test_during_a_rollout_a_policy_may_read_what_the_older_version_declares(locked: Project) -> None:
    for version in ("1.0.0", "1.1.0"):
        assert version in {file.stem for file in locked.contracts.glob("tickets/*.yaml")}
    text = (locked.contracts / "tickets/1.1.0.yaml").read_text()
    newer = text.replace("1.1.0", "2.0.0").replace("locale", "language")
    (locked.contracts / "tickets/2.0.0.yaml").write_text(newer)
    add_rule(locked, 'reasons contains "x" if input.subject.claims.locale == "xx"')
    assert locked.run("usage").exit_code == 0
    (locked.contracts / "contracts.lock").unlink()
    assert "the claim `locale` is declared by no contract" in locked.run("usage").output


def read_what_only_the_older_version_declares(project: Project) -> None:
    """Version 2.0.0 no longer has `locale`, which a rule of the policies still reads."""
    text = (project.contracts / "tickets/1.1.0.yaml").read_text()
    newer = text.replace("1.1.0", "2.0.0").replace("locale", "language")
    (project.contracts / "tickets/2.0.0.yaml").write_text(newer)
    add_rule(project, 'reasons contains "x" if input.subject.claims.locale == "xx"')


def test_a_claim_that_only_versions_declare_that_are_not_served_is_an_error_of_usage(project: Project) -> None:
    for name in ("2.0.0", "2.1.0"):
        hide(project, name)
    read_what_only_the_older_version_declares(project)
    result = project.run("usage")
    assert result.exit_code == 3
    assert "the claim `locale` is declared by no contract: only older versions do (tickets=1.1.0)" in result.output
    assert "`entitlements contract lock --also tickets=1.1.0`" in result.output


def test_a_rollout_ends_only_once_no_policy_reads_what_the_older_version_declared(locked: Project) -> None:
    read_what_only_the_older_version_declares(locked)
    alone = locked.run("lock", "--dry-run")
    assert alone.exit_code == 2
    assert "the claim `locale` is declared by no contract that is served: only older versions do" in alone.output
    beside = locked.run("lock", "--dry-run", "--also", "tickets=1.1.0")
    assert "locale` is declared by no contract" not in beside.output


def test_a_renamed_claim_is_told_with_the_rules_that_read_its_new_name(project: Project) -> None:
    old = project.copy_as("old.yaml", "roles", "groups")
    new = project.copy_as("new.yaml", "  roles:\n", "  roles:\n    renamed_from: groups\n")
    findings = project.json(old, new)["findings"]
    (renamed,) = [one for one in findings if one["id"] == "claim_renamed"]
    assert any("reasons" in reader for reader in renamed["readers"])


def test_a_scope_is_told_with_its_line_and_the_rules_that_read_scopes(project: Project) -> None:
    new = project.copy_as("new.yaml", "scopes:\n", "scopes:\n  tickets:close: {description: Close., claims: []}\n")
    findings = project.json("tickets@1.0.0", new)["findings"]
    (added,) = [one for one in findings if one["id"] == "scope_added"]
    lines = Path(new).read_text().splitlines()
    assert "tickets:close" in lines[added["line"] - 1]
    assert added["readers"]


def test_a_rule_that_may_read_everything_is_a_reader_of_every_claim(project: Project) -> None:
    add_rule(project, 'reasons contains "x" if count(input.subject) == 99')
    findings = project.json(*REMOVED)["findings"]
    (removed,) = [one for one in findings if one["id"] == "enum_value_removed"]
    last = len((project.folder / "policies/tickets/authz/authz.rego").read_text().splitlines())
    assert any(f"authz.rego:{last} " in reader for reader in removed["readers"])


def test_a_claim_that_nobody_reads_is_told(project: Project) -> None:
    result = project.run("usage")
    assert result.exit_code == 0
    assert "no policy reads" in result.output


def lock_at(project: Project, version: str, policies: int) -> Result:
    project.use(policies)
    return project.run("lock", "--pin", f"tickets={version}", "--policies-old", str(project.folder / "locked"))


def remember(project: Project) -> None:
    """Keep the policies that were locked, as the last release would."""
    shutil.rmtree(project.folder / "locked", ignore_errors=True)
    shutil.copytree(project.folder / "policies", project.folder / "locked")


@pytest.fixture
def locked(project: Project) -> Project:
    """A project whose lock pins 1.1.0 and the first policies."""
    for name in ("2.0.0", "2.1.0"):
        hide(project, name)
    remember(project)
    assert lock_at(project, "1.1.0", 1).exit_code == 0
    remember(project)
    return project


def bring(project: Project, name: str) -> None:
    (project.folder / name).rename(project.contracts / f"tickets/{name}.yaml")
    approve_what_is_there(project)


def hide(project: Project, name: str) -> None:
    (project.contracts / f"tickets/{name}.yaml").rename(project.folder / name)
    approve_what_is_there(project)


def approve_what_is_there(project: Project) -> None:
    """The approvals of the history, of steps between versions that are there, until a day that a lock accepts."""
    entries = yaml.safe_load((HISTORY / "contracts/tickets/approvals.yaml").read_text())["approvals"]
    there = {file.stem for file in project.contracts.glob("tickets/*.yaml")}
    kept = [entry | {"expires": in_days(300)} for entry in entries if {entry["from"], entry["to"]} <= there]
    project.approvals.write_text(yaml.safe_dump({"approvals": kept}))


def test_lock_writes_a_step_that_is_proved(locked: Project) -> None:
    bring(locked, "2.0.0")
    result = lock_at(locked, "2.0.0", 2)
    assert result.exit_code == 0, result.output
    pin = yaml.safe_load((locked.contracts / "contracts.lock").read_text())["audiences"]["https://tickets.example.com"]
    assert (pin["version"], pin["check"], pin["approved"]) == ("2.0.0", "proved", False)


def test_lock_writes_an_approved_widening_as_what_it_is(locked: Project) -> None:
    bring(locked, "2.0.0")
    assert lock_at(locked, "2.0.0", 2).exit_code == 0
    remember(locked)
    bring(locked, "2.1.0")
    assert lock_at(locked, "2.1.0", 3).exit_code == 0
    pin = yaml.safe_load((locked.contracts / "contracts.lock").read_text())["audiences"]["https://tickets.example.com"]
    assert (pin["version"], pin["check"], pin["approved"]) == ("2.1.0", "refuted", True)


def test_lock_refuses_a_widening_with_its_witness_and_writes_nothing(locked: Project) -> None:
    bring(locked, "2.0.0")
    before = (locked.contracts / "contracts.lock").read_bytes()
    result = lock_at(locked, "2.0.0", 1)
    assert result.exit_code == 3
    assert "contractors_excluded → allowed" in result.output
    assert (locked.contracts / "contracts.lock").read_bytes() == before


def test_lock_finds_the_old_policies_in_the_release_where_no_folder_has_them(locked: Project) -> None:
    shutil.rmtree(locked.folder / "locked")
    shutil.copytree(locked.folder / "policies-2", locked.folder / "locked")
    result = lock_at(locked, "1.1.0", 3)
    assert result.exit_code == 0, result.output
    assert "compared with" in result.output


def test_a_refused_lock_cannot_be_had_in_two_steps(locked: Project) -> None:
    """What was refused once is compared with the last lock again, not with the files of the refusal."""
    bring(locked, "2.0.0")
    assert lock_at(locked, "2.0.0", 1).exit_code == 3
    assert lock_at(locked, "2.0.0", 1).exit_code == 3


CONTRACTORS = """package tickets.authz

default decision := false

decision if "contractor" in input.subject.claims.roles

decision if "agent" in input.subject.claims.roles
"""


def first_lock(project: Project, version: str, rego: str) -> None:
    """A first lock of one version under one policy."""
    for number in (1, 2):
        (project.folder / f"policies-{number}/tickets/authz/authz.rego").write_text(rego)
    for other in ("2.1.0", "2.0.0") if version == "1.1.0" else ("2.1.0",):
        hide(project, other)
    project.use(1)
    remember(project)
    result = lock_at(project, version, 1)
    assert result.exit_code == 0, result.output
    remember(project)


def test_an_older_version_that_was_not_served_is_checked_before_it_is_accepted(project: Project) -> None:
    first_lock(project, "2.0.0", CONTRACTORS)
    locked = (project.contracts / "contracts.lock").read_bytes()
    result = project.run("lock", "--also", "tickets=1.1.0")
    assert result.exit_code == 3, result.output
    assert '"contractor"' in result.output
    assert (project.contracts / "contracts.lock").read_bytes() == locked


def test_an_older_version_that_lets_nobody_in_is_accepted_beside(project: Project) -> None:
    first_lock(project, "2.0.0", CONTRACTORS.replace("contractor", "customer"))
    result = project.run("lock", "--also", "tickets=1.1.0")
    assert result.exit_code == 0, result.output
    pin = yaml.safe_load((project.contracts / "contracts.lock").read_text())["audiences"]["https://tickets.example.com"]
    assert pin["also"] == ["1.1.0"]


def test_during_a_rollout_changed_policies_are_checked_under_both_versions(project: Project) -> None:
    first_lock(project, "1.1.0", CONTRACTORS.replace("contractor", "customer"))
    bring(project, "2.0.0")
    result = project.run("lock", "--also", "tickets=1.1.0", "--policies-old", str(project.folder / "locked"))
    assert result.exit_code == 0, result.output
    project.use(2)
    policy = project.folder / "policies/tickets/authz/authz.rego"
    # Only tokens of the older version can name a contractor.
    policy.write_text(policy.read_text() + '\ndecision if "contractor" in input.subject.claims.roles\n')
    result = project.run("lock", "--also", "tickets=1.1.0", "--policies-old", str(project.folder / "locked"))
    assert result.exit_code == 3, result.output
    assert "tickets 1.1.0 → 1.1.0, with changed policies" in result.output


def test_a_version_that_is_not_older_cannot_be_accepted_beside(project: Project) -> None:
    result = project.run("lock", "--pin", "tickets=1.0.0", "--also", "tickets=2.0.0")
    assert result.exit_code == 2
    assert "not older than 1.0.0" in result.output


def test_another_audience_does_not_hide_a_change_of_policies(project: Project) -> None:
    first_lock(project, "1.1.0", CONTRACTORS.replace("contractor", "customer"))
    text = (project.contracts / "tickets/1.1.0.yaml").read_text()
    moved = text.replace("version: 1.1.0", "version: 2.0.0").replace("https://tickets.", "https://desk.")
    (project.contracts / "tickets/2.0.0.yaml").write_text(moved)
    result = lock_at(project, "2.0.0", 2)
    (found,) = re.findall(r"audience_changed .*\[([0-9a-f]{16})\]", result.output)
    assert approve(project, found).exit_code == 0
    policy = project.folder / "policies/tickets/authz/authz.rego"
    policy.write_text(CONTRACTORS)
    result = project.run("lock", "--pin", "tickets=2.0.0", "--policies-old", str(project.folder / "locked"))
    assert result.exit_code == 3, result.output
    assert "with changed policies" in result.output
    assert "refuted" in result.output


def test_usage_warns_of_what_nothing_needs_and_strict_makes_it_an_error(tmp_path: Path, opa: Opa) -> None:
    shop, authz = tmp_path / "contracts" / "shop", tmp_path / "policies" / "shop" / "authz"
    shop.mkdir(parents=True)
    authz.mkdir(parents=True)
    (shop / "1.0.0.yaml").write_text(
        "contract: shop\nversion: 1.0.0\nissuer: https://login.example.com\naudience: https://shop.example.com\n"
        "policy: {package: shop.authz, rule: allow}\n"
        "tokens:\n  access_token: {profile: rfc9068, algorithms: [ES256], max_lifetime: 600}\n"
        "claims:\n  role: {schema: {enum: [a, b]}}\n  team: {schema: {enum: [x]}}\n  unit: {schema: {enum: [x]}}\n"
        "scopes:\n  read: {description: Read., claims: []}\n  write: {description: Write., claims: []}\n"
        "consumers:\n  - {name: api, kind: first-party, relies_on: [team]}\n"
    )
    policy = (
        "package shop.authz\n\ndefault allow := false\n\n"
        'allow if {\n\tinput.subject.claims.role == "a"\n\t"read" in input.subject.scopes\n}\n'
    )
    (authz / "authz.rego").write_text(policy)
    folders = {name: str(tmp_path / name.lower().partition("_")[2]) for name in ("X_CONTRACTS", "X_POLICIES")}
    environment = {name.replace("X_", "ENTITLEMENTS_"): value for name, value in folders.items()}
    environment["ENTITLEMENTS_OPA_BIN"] = str(opa)
    found = CliRunner().invoke(main, ["contract", "usage", "--format", "json"], env=environment)
    assert [one["path"] for one in json.loads(found.stdout)["unused"]] == ["claims.unit", "scopes.write"]
    assert found.exit_code == 0
    assert CliRunner().invoke(main, ["contract", "usage", "--strict"], env=environment).exit_code == 3
