"""What the repository offers to those who work on it: workflows, templates, pages; each is valid, and true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(file for file in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if file.name != "config.yml")
SCHEMAS = [
    *((file, "vendor.github-workflows") for file in WORKFLOWS),
    *((file, "vendor.github-issue-forms") for file in FORMS),
    (GITHUB / "ISSUE_TEMPLATE" / "config.yml", "vendor.github-issue-config"),
    (GITHUB / "dependabot.yml", "vendor.dependabot"),
]
PAGES = ["CONTRIBUTING.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md"]


def read(file: Path) -> dict[str, Any]:
    document = yaml.safe_load(file.read_text())
    assert isinstance(document, dict)
    return document


def steps(workflow: str) -> list[dict[str, Any]]:
    jobs = read(GITHUB / "workflows" / workflow)["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


def supported() -> list[str]:
    """The Python versions that the package names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in project["classifiers"])
    return [match[1] for match in found if match]


@pytest.mark.parametrize(("file", "schema"), SCHEMAS, ids=lambda value: getattr(value, "name", value))
def test_a_file_for_github_is_valid_by_its_schema(file: Path, schema: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check_jsonschema(["--builtin-schema", schema, str(file)])
    assert ended.value.code in (0, None), capsys.readouterr()


def test_a_broken_workflow_is_refused_by_its_schema(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yml"
    broken.write_text((GITHUB / "workflows" / "ci.yml").read_text().replace("runs-on", "run-on"))
    with pytest.raises(SystemExit) as ended:
        check_jsonschema(["--builtin-schema", "vendor.github-workflows", str(broken)])
    assert ended.value.code == 1


def test_ci_runs_what_anybody_can_run_and_nothing_else() -> None:
    assert [step["run"] for step in steps("ci.yml") if "run" in step] == [".ci/run"]
    used = [step["uses"].partition("@")[0] for step in steps("ci.yml") if "uses" in step]
    assert used == ["actions/checkout", "actions/setup-python"]


def test_ci_runs_on_every_python_that_the_package_names() -> None:
    matrix = read(GITHUB / "workflows" / "ci.yml")["jobs"]["ci"]["strategy"]["matrix"]
    assert matrix["python"] == supported()
    assert all(isinstance(version, str) for version in matrix["python"]), "3.10 as a number is 3.1"


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_and_say_their_version(file: Path) -> None:
    used = re.findall(r"uses: (\S+)(?: +# (.*))?$", file.read_text(), re.M)
    assert used
    for action, version in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r"v\d+\.\d+\.\d+", version), action


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_only_read_and_a_job_asks_for_more(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert more == ({"publish": {"id-token": "write"}} if file.name == "release.yml" else {})


def test_a_release_is_tested_built_and_published_without_a_password() -> None:
    jobs = read(GITHUB / "workflows" / "release.yml")["jobs"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert jobs["build"]["needs"] == "ci"
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["environment"] == "release"
    assert "secrets" not in (GITHUB / "workflows" / "release.yml").read_text()


def test_the_task_that_a_release_builds_with_exists() -> None:
    (run,) = [step["run"] for step in steps("release.yml") if "run" in step]
    assert run == 'make dist TAG="$GITHUB_REF_NAME"'
    assert re.search(r"^dist: ", (ROOT / "Makefile").read_text(), re.M)


def test_the_hook_before_a_commit_runs_a_task_that_exists() -> None:
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    (hook,) = repository["hooks"]
    assert hook["entry"] == "make lint"
    assert hook["language"] == "system"
    assert hook["pass_filenames"] is False


@pytest.mark.parametrize("page", PAGES)
def test_tasks_and_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    tasks = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= tasks
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target
    for path in re.findall(r"`((?:tests|docs|entitlements|contracts|policies)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


def test_security_says_what_counts() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    for part in ("A wrong allow", "A false `proved`", "Supported versions", "privately"):
        assert part in text
