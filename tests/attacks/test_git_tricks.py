"""What a repository or an environment says of itself must not hide an earlier lock: git is asked for content only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.real_commands import AttackedProject
from tests.locked_project import widened


@pytest.fixture
def project(tmp_path: Path) -> AttackedProject:
    """A lock that is committed, then a commit that lets users in, not yet locked."""
    made = AttackedProject(tmp_path / "project")
    made.start()
    made.lock()
    made.commit("first lock")
    made.rego.write_text(widened("user"))
    made.commit("let users in")
    return made


def unlock(project: AttackedProject) -> None:
    """Take lock, release and records away, in a commit."""
    shutil.rmtree(project.contracts / "release")
    project.lock_file.unlink()
    project.commit("no lock")


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def another_repository(project: AttackedProject) -> Path:
    other = AttackedProject(project.folder.parent / "other")
    other.folder.mkdir()
    (other.folder / "README").write_text("nothing here")
    other.commit("empty")
    return other.folder / ".git"


def git_dir_elsewhere(project: AttackedProject) -> None:
    project.environment["GIT_DIR"] = str(another_repository(project))


def git_dir_nowhere(project: AttackedProject) -> None:
    project.environment["GIT_DIR"] = "/nonexistent"


def git_dir_relative(project: AttackedProject) -> None:
    # What git itself gives to a hook that runs at the top.
    project.environment["GIT_DIR"] = ".git"


def ceiling(project: AttackedProject) -> None:
    project.environment["GIT_CEILING_DIRECTORIES"] = str(project.folder)


def graft(project: AttackedProject) -> None:
    (project.folder / ".git/info").mkdir(exist_ok=True)
    (project.folder / ".git/info/grafts").write_text(project.git("rev-parse", "HEAD") + "\n")


def replaced_commit(project: AttackedProject) -> None:
    tree = project.git("rev-parse", "HEAD^{tree}")
    orphan = project.git("commit-tree", tree, "-m", "nothing before")
    project.git("replace", "HEAD", orphan)


def broken_git_file(project: AttackedProject) -> None:
    shutil.rmtree(project.folder / ".git")
    (project.folder / ".git").write_text("gitdir: /nonexistent/worktrees/x\n")


def headless(project: AttackedProject) -> None:
    (project.folder / ".git/HEAD").unlink()


def odd_settings(project: AttackedProject) -> None:
    for name, value in (
        ("log.showSignature", "true"),
        ("log.follow", "true"),
        ("log.showRoot", "false"),
        ("log.diffMerges", "off"),
        ("color.ui", "always"),
        ("core.quotePath", "true"),
        ("diff.external", "false"),
        ("core.pager", "false"),
    ):
        project.git("config", name, value)


TRICKS: list[Callable[[AttackedProject], None]] = [
    git_dir_elsewhere,
    git_dir_nowhere,
    git_dir_relative,
    ceiling,
    graft,
    replaced_commit,
    broken_git_file,
    headless,
    odd_settings,
]


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_an_earlier_lock_is_never_hidden(project: AttackedProject, trick: Callable[[AttackedProject], None]) -> None:
    unlock(project)
    trick(project)
    refused = project.run("lock")
    assert refused.exit_code == 2, refused.output
    assert not project.lock_file.exists()


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_the_base_is_that_of_the_last_commit(
    project: AttackedProject, trick: Callable[[AttackedProject], None]
) -> None:
    trick(project)
    refused = project.run("lock")
    assert refused.exit_code in (2, 3), refused.output


@pytest.mark.parametrize(
    "audience",
    ["https://shop.example.com", "https://bücher.example/ü", "urn:a'b\"c"],
    ids=["plain", "umlaut", "quotes"],
)
def test_a_pin_of_whatever_spelling_is_known_from_history(tmp_path: Path, audience: str) -> None:
    """A lock that pinned the audience came and went; another audience is pinned now."""
    project = AttackedProject(tmp_path / "project")
    project.start()
    first = project.contracts / "shop/1.0.0.yaml"
    text = first.read_text()
    named = text.replace("audience: https://shop.example.com", "audience: " + repr_yaml(audience))
    first.write_text(named)
    project.lock()
    project.commit("pinned")
    for name in ("shop", "release"):
        shutil.rmtree(project.contracts / name)
    project.lock_file.unlink()
    (project.contracts / "stock").mkdir()
    stock = text.replace("contract: shop", "contract: stock").replace("//shop.", "//stock.")
    (project.contracts / "stock/1.0.0.yaml").write_text(stock)
    project.git("update-ref", "-d", "HEAD")
    project.git("rm", "-rq", "--cached", ".")
    project.lock()
    base = project.commit("stock alone")
    first.parent.mkdir()
    first.write_text(named)
    project.lock()
    project.commit("shop again, as the first version")
    project.git("checkout", "-q", base, "--", "contracts")
    shutil.rmtree(first.parent)
    project.commit("stock alone again")
    first.parent.mkdir()
    first.write_text(named)
    refused = project.run("lock")
    assert (refused.exit_code, "was pinned before" in refused.output) == (2, True), refused.output


def repr_yaml(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def test_programs_that_a_repository_names_are_not_run(project: AttackedProject) -> None:
    ran = project.folder.parent / "ran"
    program = executable(project.folder / "evil", f'#!/bin/sh\ntouch {ran}\ncat "$1" 2>/dev/null\nexit 0\n')
    (project.folder / ".gitattributes").write_text("* diff=evil filter=evil\n")
    for name in (
        "diff.evil.textconv",
        "diff.external",
        "core.fsmonitor",
        "filter.evil.smudge",
        "filter.evil.clean",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "gpg.program",
    ):
        project.git("config", name, str(program))
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        executable(project.folder / ".git/hooks" / hook, program.read_text())
    ran.unlink(missing_ok=True)
    refused = project.run("lock")
    assert refused.exit_code == 3, refused.output
    verified = project.run("verify", "--all")
    assert verified.exit_code in (0, 2, 3), verified.output
    assert not ran.exists()


def split_policy(project: AttackedProject) -> Path:
    """The same decision in two files, the second of which keeps everybody else out."""
    project.rego.write_text(
        "package shop.authz\n\ndefault decision := false\n\ndecision if {\n\tnot closed\n}\n\ndefault closed := false\n"
    )
    closed = project.rego.with_name("closed.rego")
    closed.write_text('package shop.authz\n\nclosed if input.subject.claims.role != "clerk"\n')
    return closed


@pytest.mark.parametrize("attribute", ["export-ignore", "export-subst", "text eol=crlf", "ident"])
def test_attributes_do_not_change_the_base_of_a_check(tmp_path: Path, attribute: str) -> None:
    project = AttackedProject(tmp_path / "project")
    project.start()
    closed = split_policy(project)
    project.commit("policies")
    (project.folder / ".gitattributes").write_text(f"policies/shop/authz/closed.rego {attribute}\n")
    project.commit("attributes")
    closed.unlink()
    refused = project.run("check", "--against", "git:HEAD")
    assert refused.exit_code == 3, refused.output
    assert '"user"' in refused.output


def test_a_submodule_in_the_base_is_not_an_empty_folder(tmp_path: Path) -> None:
    project = AttackedProject(tmp_path / "project")
    project.start()
    split_policy(project).unlink()
    commit = project.commit("policies")
    project.git("update-index", "--add", "--cacheinfo", f"160000,{commit},policies/shop/authz/more")
    project.git("commit", "-q", "-m", "a submodule that restricts")
    refused = project.run("check", "--against", "git:HEAD")
    assert (refused.exit_code, "submodule" in refused.output) == (2, True), refused.output


def test_a_tree_whose_names_lead_out_is_refused(tmp_path: Path) -> None:
    project = AttackedProject(tmp_path / "project")
    project.start()
    project.lock()
    project.commit("lock")
    blob = project.git("hash-object", "-w", str(project.rego))
    inner = tree(project, f"100644 blob {blob}\tescaped.rego")
    policies = project.git("rev-parse", "HEAD:policies")
    contracts = project.git("rev-parse", "HEAD:contracts")
    evil = tree(project, f"040000 tree {inner}\t..", *project.git("ls-tree", contracts).splitlines())
    top = tree(project, f"040000 tree {evil}\tcontracts", f"040000 tree {policies}\tpolicies")
    commit = project.git("commit-tree", top, "-p", "HEAD", "-m", "out")
    project.git("update-ref", "HEAD", commit)
    for command in (("lock",), ("check", "--against", "git:HEAD")):
        refused = project.run(*command)
        assert (refused.exit_code, "leaves the folder" in refused.output) == (2, True), refused.output


def tree(project: AttackedProject, *lines: str) -> str:
    """A tree object of these lines of `git ls-tree`, whatever their names are."""
    content = b""
    for line in sorted(lines, key=lambda one: one.partition("\t")[2]):
        about, _, name = line.partition("\t")
        mode, _, mark = about.split()
        content += mode.lstrip("0").encode() + b" " + name.encode() + b"\0" + bytes.fromhex(mark)
    made = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        cwd=project.folder,
        input=content,
        capture_output=True,
        check=True,
    )
    return made.stdout.decode().strip()


def test_a_pin_that_only_a_merge_brought_is_known(project: AttackedProject) -> None:
    """A lock that neither parent had, so that no diff of a single parent shows where it came from."""
    unlock(project)
    top = project.git("rev-parse", "HEAD^{tree}")
    locked = project.git("rev-parse", "HEAD~2^{tree}")
    one, two = (project.git("commit-tree", top, "-m", name) for name in ("one", "two"))
    merge = project.git("commit-tree", locked, "-p", one, "-p", two, "-m", "evil merge")
    after = project.git("commit-tree", top, "-p", merge, "-m", "no lock")
    project.git("update-ref", "HEAD", after)
    refused = project.run("lock")
    assert refused.exit_code == 2, refused.output
