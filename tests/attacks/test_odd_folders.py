"""Folders of policies and contracts that hold what no one expects, and folders that change while they are locked."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from entitlements.engine import Opa
from entitlements.release import read_release
from tests.attacks.real_commands import AttackedProject
from tests.locked_project import POLICY, widened

Change = Callable[[AttackedProject], object]
HEAD = "package shop.authz\n\ndefault decision := false\n\n"


@pytest.fixture(scope="module")
def locked(opa: Opa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del opa
    project = AttackedProject(tmp_path_factory.mktemp("locked") / "project")
    project.start()
    project.lock()
    return project.folder


@pytest.fixture
def project(locked: Path, tmp_path: Path) -> AttackedProject:
    shutil.copytree(locked, tmp_path / "project")
    return AttackedProject(tmp_path / "project")


def policy(text: str | bytes, name: str = "authz.rego") -> Change:
    content = text if isinstance(text, bytes) else text.encode()
    return lambda project: project.rego.with_name(name).write_bytes(content)


def beside(**files: str) -> Change:
    def write(project: AttackedProject) -> None:
        for name, text in files.items():
            project.rego.with_name(name.replace("_DOT_", ".")).write_text(text)

    return write


def linked(name: str, target: str) -> Change:
    return lambda project: project.rego.with_name(name).symlink_to(target)


REFUSED: dict[str, Change] = {
    "system_package": policy("package system.authz\n\ndefault allow := true\n", "open.rego"),
    "system_folder": lambda project: (
        (project.policies / "system").mkdir(),
        (project.policies / "system/authz.rego").write_text("package system.authz\n\ndefault allow := true\n"),
    ),
    "system_in_brackets": policy('package system["authz"]\n\ndefault allow := true\n', "open.rego"),
    "data_named_system": lambda project: (project.policies / "data.json").write_text('{"system": {"authz": {}}}'),
    "both_data_formats": beside(data_DOT_json='{"a": 1}', data_DOT_yaml="a: 2\n"),
    "data_over_a_rule": beside(data_DOT_json='{"decision": true}'),
    "data_from_above_over_a_rule": lambda project: (project.policies / "data.json").write_text(
        '{"shop": {"authz": {"decision": true}}}'
    ),
    "data_deep": beside(data_DOT_json="[" * 100_000 + "]" * 100_000),
    "data_yaml_deep": beside(data_DOT_yaml="[" * 20_000 + "]" * 20_000),
    "data_yaml_bomb": beside(
        data_DOT_yaml="a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in itertools.pairwise("abcdefghi"))
    ),
    "data_yaml_tag": beside(data_DOT_yaml="a: !!python/object/apply:os.system [id]\n"),
    "data_twice": beside(data_DOT_json='{"a": 1, "a": 2}'),
    "data_nan": beside(data_DOT_json='{"a": NaN}'),
    "data_huge_number": beside(data_DOT_json='{"a": ' + "9" * 5000 + "}"),
    "data_no_utf8": lambda project: project.rego.with_name("data.json").write_bytes(b'{"a": "\xff"}'),
    "data_utf16": lambda project: project.rego.with_name("data.json").write_bytes('{"a": 1}'.encode("utf-16")),
    "data_lone_surrogate": beside(data_DOT_json='{"a": "\\ud800"}'),
    "data_empty": beside(data_DOT_json=""),
    "rego_no_utf8": policy(HEAD.encode() + b'decision if input.x == "\xff"\n'),
    "rego_nul": policy(HEAD + "decision if true\0\n"),
    "rego_deep": policy(HEAD + "decision if " + "(" * 20_000 + "true" + ")" * 20_000 + "\n"),
    "rego_empty": policy(""),
    "rego_recursive": policy(HEAD + "decision if other\n\nother if decision\n"),
    "rego_unsafe": policy(HEAD + "decision if x > 1\n"),
    "network": policy(HEAD + 'decision if http.send({"method": "get", "url": "http://x"}).status_code == 200\n'),
    "network_in_brackets": policy(
        HEAD + 'decision if http["send"]({"method": "get", "url": "http://x"}).status_code == 200\n'
    ),
    "network_by_with": policy(HEAD + "f(x) := x\n\ndecision if f(1) with f as http.send\n"),
    "environment": policy(HEAD + 'decision if opa.runtime().env.HOME == "/root"\n'),
    "clock": policy(HEAD + "decision if time.now_ns() > 0\n"),
    "chance": policy(HEAD + 'decision if rand.intn("x", 2) == 1\n'),
    "uuid": policy(HEAD + 'decision if uuid.rfc4122("x") != ""\n'),
    "all_of_data": policy(HEAD + "decision if data[_].open\n"),
    "data_of_another": policy(HEAD + "decision if data.elsewhere.open\n"),
    "data_computed": policy(HEAD + "decision if data[input.action.name].open\n"),
    "another_folder": policy("package other.authz\n\nopen := true\n", "other.rego"),
    "twins_by_case": policy("package shop.authz\n", "AUTHZ.rego"),
    "twins_by_unicode": lambda project: (
        policy("package shop.authz\n", "\u00e9.rego")(project),
        policy("package shop.authz\n", "e\u0301.rego")(project),
    ),
    "name_beyond_an_archive": policy("package shop.authz\n", "n" * 200 + ".rego"),
    "name_with_a_line_end": policy("package shop.authz\n", "x\ny.rego"),
    "name_with_a_backslash": policy("package shop.authz\n", "x\\y.rego"),
    "name_no_utf8": lambda project: Path(os.fsdecode(os.fsencode(project.rego.parent) + b"/\xff.rego")).write_text(
        "package shop.authz\n"
    ),
    "fifo": lambda project: os.mkfifo(project.rego.with_name("more.rego")),
    "fifo_as_data": lambda project: os.mkfifo(project.rego.with_name("data.json")),
    "device": linked("more.rego", "/dev/zero"),
    "terminal": linked("more.rego", "/dev/tty"),
    "proc": linked("more.rego", "/proc/self/environ"),
    "link_out": linked("more.rego", "/etc/hostname"),
    "link_to_itself": linked("more.rego", "more.rego"),
    "link_nowhere": linked("more.rego", "gone"),
    "folder_link_out": linked("more", "/etc"),
    "folder_link_to_itself": linked("more", ".."),
    "folder_as_file": lambda project: project.rego.with_name("more.rego").mkdir(),
    "seventy_mb": policy("package shop.authz\n#" + "x" * 70_000_000, "more.rego"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_policies_that_no_lock_takes_are_refused_in_words(project: AttackedProject, name: str) -> None:
    before = project.bundle.read_bytes()
    REFUSED[name](project)
    refused = project.command("contract", "lock", seconds=60)
    assert refused.exit_code in (2, 3, 4), refused.output
    assert refused.output.startswith(("error:", "shop")), refused.output
    assert project.bundle.read_bytes() == before
    linted = project.command("contract", "lint", seconds=60)
    assert linted.exit_code in (0, 2, 3), linted.output


IGNORED: dict[str, Change] = {
    "manifest": lambda project: (project.policies / ".manifest").write_text('{"roots": [""], "revision": "x"}'),
    "signatures": lambda project: (project.policies / ".signatures.json").write_text("{}"),
    "hidden_policy": policy("package shop.authz\n\ndecision := true\n", ".more.rego"),
    "hidden_folder": lambda project: (
        (project.policies / ".git").mkdir(),
        (project.policies / ".git/x.rego").write_text("package system.authz\n"),
    ),
    "editor": policy("package shop.authz\n\ndecision := true\n", "authz.rego~"),
    "swap": policy(b"\0\0", ".authz.rego.swp"),
    "yml": beside(data_DOT_yml="decision: true\n"),
    "other_json": beside(more_DOT_json='{"decision": true}'),
    "wasm": lambda project: (project.policies / "policy.wasm").write_bytes(b"\0asm"),
    "bundle": lambda project: (project.policies / "bundle.tar.gz").write_bytes(b"\x1f\x8b"),
    "capitals": policy("package shop.authz\n\ndecision := true\n", "more.REGO"),
}


@pytest.mark.parametrize("name", IGNORED)
def test_names_that_are_no_policies_change_nothing(project: AttackedProject, name: str) -> None:
    before = project.bundle.read_bytes()
    IGNORED[name](project)
    done = project.run("lock")
    assert (done.exit_code, project.bundle.read_bytes() == before) == (0, True), done.output


CONTRACTS: dict[str, Change] = {
    "fifo": lambda project: os.mkfifo(project.contracts / "shop/1.1.0.yaml"),
    "device": lambda project: (project.contracts / "shop/1.1.0.yaml").symlink_to("/dev/zero"),
    "link_out": lambda project: (project.contracts / "shop/1.1.0.yaml").symlink_to("/etc/passwd"),
    "loop": lambda project: (project.contracts / "shop/1.1.0.yaml").symlink_to("1.1.0.yaml"),
    "lock_fifo": lambda project: (project.lock_file.unlink(), os.mkfifo(project.lock_file)),
    "lock_link_out": lambda project: (
        shutil.copy(project.lock_file, project.folder / "lock"),
        project.lock_file.unlink(),
        project.lock_file.symlink_to("../lock"),
    ),
    "lock_no_utf8": lambda project: project.lock_file.write_bytes(b"\xff\xfe"),
    "lock_deep": lambda project: project.lock_file.write_text("[" * 50_000),
    "lock_alias": lambda project: project.lock_file.write_text("a: &a {}\nlock: *a\n"),
    "record_fifo": lambda project: os.mkfifo(project.contracts / "shop/1.0.0.proof.json"),
    "release_fifo": lambda project: (project.bundle.unlink(), os.mkfifo(project.bundle)),
    "release_device": lambda project: (project.bundle.unlink(), project.bundle.symlink_to("/dev/zero")),
    "approvals_fifo": lambda project: os.mkfifo(project.approvals),
    "gate_fifo": lambda project: (
        (project.contracts / "gate.yaml").unlink(),
        os.mkfifo(project.contracts / "gate.yaml"),
    ),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_contracts_that_are_no_files_hang_nothing(project: AttackedProject, name: str) -> None:
    CONTRACTS[name](project)
    for command in (("lock",), ("verify", "--all"), ("lint",)):
        refused = project.command("contract", *command, seconds=60)
        assert refused.exit_code == 2 or command == ("lint",), (command, refused.output)


def test_policies_that_are_swapped_while_they_are_locked_are_never_locked_unproved(project: AttackedProject) -> None:
    """The base lets clerks in; a thread swaps the policy for one that lets users in, without a pause."""
    stop = threading.Event()

    def swap() -> None:
        other = project.rego.with_suffix(".tmp")
        for text in itertools.cycle((widened("user"), POLICY + "\n# again\n", POLICY)):
            if stop.wait(0.02):
                return
            other.write_text(text)
            other.replace(project.rego)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        ended = [project.run("lock") for _ in range(5)]
    finally:
        stop.set()
        thread.join()
    assert {one.exit_code for one in ended} <= {0, 2, 3, 4}, ended
    release = read_release(project.bundle.read_bytes())
    assert b'"user"' not in release.content.policies["shop/authz/authz.rego"]
    assert project.refusals() <= {"policy_not_locked"}
