"""What a person decides by: who may now do what, why, where, and the line that accepts it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.tickets import Project, git

REMOVED = ("tickets@1.1.0", "tickets@2.0.0")
AUDITOR = ("tickets@2.0.0", "tickets@2.1.0")
SAME = ("tickets@2.0.0", "tickets@2.0.0")
POLICY = "policies/tickets/authz/authz.rego"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def edit(project: Project, old: str, new: str) -> None:
    """Edit the policies that serve; those of before are `policies-1`."""
    file = project.folder / POLICY
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def check_edit(project: Project, *options: str) -> str:
    return project.check(*SAME, "--policies-old", str(project.folder / "policies-1"), *options).output


def test_a_sentence_tells_who_may_now_do_what(project: Project) -> None:
    assert (
        'a principal with `suspended` `false` and the scope `tickets:read`, whose `roles` goes from `["contractor"]` '
        "to `[]`, may now `read` a `ticket` with `internal` `false` (denied before: contractors_excluded)"
    ) in project.check(*REMOVED).output


def test_a_sentence_tells_who_may_no_longer_do_what_under_its_own_question(project: Project) -> None:
    gains, _, loses = project.check(*AUDITOR, *project.between(2, 3)).output.partition("nobody loses access: refuted")
    assert (gains.count("may now `"), gains.count("may no longer `")) == (1, 0)
    assert (loses.count("may now `"), loses.count("may no longer `")) == (0, 2)
    assert 'goes from `["agent"]` to `["auditor"]`, may no longer `close` a `ticket`' in loses


def test_lost_access_tells_the_rule_that_now_denies_from_the_one_that_no_longer_grants(project: Project) -> None:
    rule = 'reasons contains "closed" if input.action.name == "read"'
    edit(project, 'reasons contains "agents_only"', f'{rule}\n\nreasons contains "agents_only"')
    denies = 1 + (project.folder / POLICY).read_text().splitlines().index(rule)
    told = check_edit(project)
    assert f"now denies: tickets/authz/authz.rego:{denies} reasons" in told
    assert "no longer grants: tickets/authz/authz.rego:9 allow" in told
    assert "no longer denies" not in told.partition("nobody loses access")[2]


def test_an_obligation_that_goes_is_told_in_words(project: Project) -> None:
    for number in ("-1", ""):
        file = project.folder / f"policies{number}/tickets/authz/authz.rego"
        duties = '{"id": "step_up", "level": 2}' if number else '{"id": "step_up", "level": 1}'
        text = file.read_text().replace('"reasons": reasons}', '"reasons": reasons, "obligations": obligations}')
        file.write_text(f"{text}\nobligations := [{duties}]\n")
    assert (
        'may still `read` a `ticket` with `internal` `true`, with the obligation `{"id": "step_up", "level": 1}` '
        'in place of `{"id": "step_up", "level": 2}`'
    ) in check_edit(project)


def test_witnesses_of_one_cause_stand_together(project: Project) -> None:
    told = project.check(*AUDITOR, *project.between(2, 3)).output
    loses = told.partition("nobody loses access: refuted")[2]
    assert loses.count("before  {") == 1
    assert "of the same cause, 1 more:" in loses
    notes = project.check(*AUDITOR, *project.between(2, 3), "--format", "github").stdout.splitlines()
    (lost,) = [line for line in notes if "title=no_lost_access" in line]
    assert {"94409c521d396857", "a9c49e39b21a6740"} <= set(re.findall(r"[0-9a-f]{16}", lost))


def line_to_paste(told: str) -> list[str]:
    (line,) = lines_to_paste(told)
    return line


def lines_to_paste(told: str) -> list[list[str]]:
    lines = [line.strip() for line in told.splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith("entitlements contract approve ")]


def test_the_line_to_paste_approves_what_was_found_once_it_is_filled_in(project: Project) -> None:
    arguments = line_to_paste(project.check(*REMOVED).output)
    left_open = project.run(*arguments)
    assert (left_open.exit_code, "--reason is left open" in left_open.output) == (2, True)
    filled = ["because" if one == "…" else one for one in arguments]
    assert project.run(*filled).exit_code == 0
    assert project.check(*REMOVED).exit_code == 0
    assert "contract approve" not in project.check(*REMOVED).output


def test_the_line_to_paste_names_the_policies_that_were_compared(project: Project) -> None:
    options = project.between(2, 1)
    arguments = line_to_paste(project.check(*SAME, *options).output)
    assert arguments[-10:-6] == options
    assert project.run(*["because" if one == "…" else one for one in arguments]).exit_code == 0
    assert project.check(*SAME, *options).exit_code == 0


def test_the_line_to_paste_ends_within_what_the_project_allows(project: Project) -> None:
    (project.contracts / "gate.yaml").write_text("approvals: {max_days: 5}\n")
    # The approvals that the project has go beyond it, and no longer count.
    lines = lines_to_paste(project.check(*REMOVED).output)
    assert len(lines) > 1
    for arguments in lines:
        done = project.run(*["because" if one == "…" else one for one in arguments])
        assert done.exit_code == 0, done.output


def test_no_line_is_told_where_approve_could_not_ask_the_same(project: Project) -> None:
    new = project.copy_as("new.yaml", "suspended:\n", "level: {schema: {type: integer}}\n  suspended:\n")
    told = project.check(str(project.contracts / "tickets/1.1.0.yaml"), new)
    assert (told.exit_code, "contract approve" in told.output) == (3, False)


def annotation(told: str, title: str) -> tuple[str, int]:
    (found,) = re.findall(rf"^::[a-z]+ file=([^,]+),line=([0-9]+),title={title}::", told, re.MULTILINE)
    return found[0], int(found[1])


def test_an_annotation_of_changed_policies_stands_on_the_edited_line_that_matters(project: Project) -> None:
    edit(project, 'if "contractor" in', 'if "nobody" in')
    # An edit that changes nothing stands before it.
    edit(project, 'reasons contains "subject_suspended"', 'unused := 1\n\nreasons contains "subject_suspended"')
    options = ["--policies-old", str(project.folder / "policies-1"), "--format", "github"]
    told = project.check("tickets@1.1.0", "tickets@1.1.0", *options).output
    file, line = annotation(told, "no_new_access")
    found = (project.folder / POLICY).read_text().splitlines()[line - 1]
    assert (file, "contractors_excluded" in found) == (str(project.folder / POLICY), True)


def test_an_annotation_of_a_rule_that_is_gone_stands_where_it_was(project: Project) -> None:
    rule = 'reasons contains "subject_suspended" if not is_active\n\n'
    edit(project, rule, "")
    told = check_edit(project, "--format", "github")
    assert annotation(told, "no_new_access") == (str(project.folder / POLICY), 11)
    assert "differs first: `data.tickets.authz.reasons`, the old tickets/authz/authz.rego:11" in told.replace(
        "%0A", "\n"
    )


def test_an_annotation_of_a_changed_contract_names_the_rule_with_its_folder(project: Project) -> None:
    told = project.check(*REMOVED, "--format", "github").stdout
    assert annotation(told, "no_new_access") == (str(project.contracts / "tickets/2.0.0.yaml"), 15)
    assert f"differs first: `data.tickets.authz.reasons`, {project.folder / POLICY}:16" in told


def test_json_names_the_rule_whose_value_differs_first(project: Project) -> None:
    (witness,) = project.json(*REMOVED)["access"]["no_new_access"]["witnesses"]
    rule = {"rule": "data.tickets.authz.reasons", "file": "tickets/authz/authz.rego", "line": 16, "side": "after"}
    assert witness["differs_first"] == [rule]


@pytest.mark.parametrize("form", ["text", "markdown", "github"])
def test_what_is_unchanged_is_one_line_that_names_what_was_looked_at(project: Project, form: str) -> None:
    result = project.check(*SAME, "--format", form)
    assert result.exit_code == 0
    (line,) = [line for line in result.output.splitlines() if "unchanged, " in line]
    for named in ("tickets 2.0.0", "tickets/2.0.0.yaml", f"{project.folder}/policies", "nobody gains access: proved"):
        assert named in line
    if form != "markdown":
        assert result.output.strip() == line


def versions_but(project: Project, *names: str) -> None:
    """Take all versions of the contract away but these, and the approvals with them."""
    for file in (project.contracts / "tickets").iterdir():
        if file.stem not in names:
            file.unlink()


def test_a_first_version_is_one_line_that_names_what_was_looked_at_and_what_ran(project: Project) -> None:
    versions_but(project, "1.0.0")
    result = project.run("check")
    assert (result.exit_code, result.stdout) == (0, "")
    (line,) = result.stderr.splitlines()
    for named in ("tickets 1.0.0", "tickets/1.0.0.yaml", f"{project.folder}/policies", "no earlier version is there"):
        assert named in line
    assert "compile and have `data.tickets.authz.decision`" in line


def test_a_contract_that_the_base_does_not_have_is_told_beside_the_others(project: Project) -> None:
    versions_but(project, "1.0.0")
    git(project.folder, "init", "-q")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-qm", "first")
    (project.contracts / "desk").mkdir()
    text = (project.contracts / "tickets/1.0.0.yaml").read_text()
    text = text.replace("contract: tickets", "contract: desk").replace("https://tickets.", "https://desk.")
    (project.contracts / "desk/1.0.0.yaml").write_text(text)
    result = project.run("check", "--against", "git:HEAD")
    assert (result.exit_code, "tickets 1.0.0 → 1.0.0: unchanged" in result.stdout) == (0, True)
    (line,) = result.stderr.splitlines()
    assert "desk 1.0.0 is a first version" in line
    assert "git:HEAD does not have the contract" in line


def test_a_first_version_whose_policies_do_not_decide_is_exit_2(project: Project) -> None:
    versions_but(project, "1.0.0")
    file = project.contracts / "tickets/1.0.0.yaml"
    file.write_text(file.read_text().replace("rule: decision", "rule: verdict"))
    result = project.run("check")
    assert (result.exit_code, "verdict" in result.output) == (2, True)
    assert "nothing to compare" not in result.output


@pytest.mark.parametrize("there", [True, False], ids=["empty", "absent"])
def test_where_no_contract_is_found_the_check_is_exit_2(project: Project, there: bool) -> None:
    shutil.rmtree(project.contracts)
    if there:
        project.contracts.mkdir()
    result = project.run("check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert str(project.contracts) in result.stderr
