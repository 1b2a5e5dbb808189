"""Locks that hold together and were never made by `contract lock`: whoever commits can forge all parts consistently."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devkit.service import Issuer
from entitlements.checking.record import record_bytes
from entitlements.contract import Lock, read_lock, write_lock
from entitlements.contract.lock import FIRST_VERSION, load_all
from entitlements.deployment.locking import content_of
from entitlements.engine import Opa, policy_digest
from entitlements.release import Content, make_release
from tests.attacks.real_commands import AttackedProject
from tests.locked_project import AUDIENCE, POLICY, widened

EXPIRES = "2031-06-30"
HEAD = "package shop.authz\n\ndefault decision := false\n\n"


@pytest.fixture
def project(opa: Opa, tmp_path: Path) -> AttackedProject:
    """A first lock, committed."""
    del opa
    made = AttackedProject(tmp_path / "project", files_only=True)
    made.start()
    made.lock()
    made.commit("first lock")
    return made


def forge(project: AttackedProject, change: Callable[[Content], Content] = lambda content: content) -> None:
    """A lock of what is on disk that calls it the first version, with its release: all of it agrees."""
    lock = read_lock(project.contracts)
    newest = load_all(project.contracts)[max(load_all(project.contracts))]
    pin = replace(
        lock.pins[AUDIENCE],
        version=newest.version,
        digest=newest.ref.digest,
        policy=policy_digest(project.policies),
        check=FIRST_VERSION,
        record="",
    )
    published = {newest.name: {one.version: one.ref.digest for one in load_all(project.contracts).values()}}
    release = make_release(change(content_of(project.contracts, project.policies, {AUDIENCE: pin})))
    project.bundle.write_bytes(release.bundle())
    project.previous.unlink(missing_ok=True)
    write_lock(project.contracts, Lock({AUDIENCE: pin}, published, release.revision))


def alone(project: AttackedProject) -> None:
    """A history that begins with what is on disk."""
    shutil.rmtree(project.folder / ".git")
    project.commit("all there ever was")


UNLOCKABLE = {
    "network": HEAD + 'decision if http.send({"method": "get", "url": "http://127.0.0.1:1/"}).status_code == 200\n',
    "clock": HEAD + "decision if time.now_ns() > 5\n",
    "data_of_others": HEAD + "decision if data.elsewhere.open\n",
    "claim_that_no_token_has": HEAD + 'decision if input.subject.claims.rolle == "clerk"\n',
    "no_decision_rule": "package shop.authz\n\nother := true\n",
}


@pytest.mark.parametrize("name", UNLOCKABLE)
def test_a_forged_first_lock_of_what_no_lock_takes_fails_ci(project: AttackedProject, name: str) -> None:
    project.rego.write_text(UNLOCKABLE[name])
    forge(project)
    alone(project)
    refused = project.run("verify", "--all")
    assert (refused.exit_code, "authz" in refused.output) == (2, True), refused.output


def test_a_forged_first_lock_with_a_broken_invariant_fails_ci(project: AttackedProject) -> None:
    project.rego.with_name("authz_invariant.rego").write_text(
        "package shop.authz_invariant\n\n"
        'violation contains "user" if {\n\tdata.shop.authz.decision\n\tinput.subject.claims.role == "user"\n}\n'
    )
    project.rego.write_text(widened("user"))
    forge(project)
    alone(project)
    refused = project.run("verify", "--all")
    assert (refused.exit_code, "invariant" in refused.output) == (2, True), refused.output


def test_a_forged_first_lock_beside_an_older_version_fails_ci_and_is_mended_by_a_check(
    project: AttackedProject,
) -> None:
    project.contract("1.1.0", "user, clerk, auditor")
    project.rego.write_text(widened("auditor"))
    forge(project)
    alone(project)
    refused = project.run("verify", "--all")
    assert (refused.exit_code, "1.0.0 is older" in refused.output) == (2, True), refused.output
    checked = project.run("lock")
    assert (checked.exit_code, '"auditor"' in checked.output) == (3, True), checked.output
    project.lock_approved(("1.0.0", "1.1.0"), EXPIRES)
    project.commit("approved")
    again = project.run("verify", "--all")
    assert again.exit_code == 0, again.output


def test_a_forged_lock_over_an_earlier_one_fails_ci(project: AttackedProject) -> None:
    project.rego.write_text(widened("user"))
    forge(project)
    project.commit("forged")
    refused = project.run("verify", "--all")
    assert (refused.exit_code, "pinned the audience before" in refused.output) == (2, True), refused.output


def test_a_record_that_was_made_up_is_proved_again(project: AttackedProject) -> None:
    """A real record whose sides are swapped for the pair that no one checked, named by lock and digest."""
    project.rego.write_text(POLICY + "\n# proved\n")
    project.lock()
    record = json.loads((project.contracts / "shop/1.0.0.proof.json").read_bytes())
    lock = read_lock(project.contracts)
    previous = project.previous.read_bytes()
    project.rego.write_text(widened("user"))
    forge(project)
    record["new"]["policies"] = policy_digest(project.policies)
    content, mark = record_bytes(record)
    (project.contracts / "shop/1.0.0.proof.json").write_bytes(content)
    project.previous.write_bytes(previous)
    forged = read_lock(project.contracts)
    pin = replace(forged.pins[AUDIENCE], check="proved", record=mark)
    write_lock(project.contracts, replace(forged, pins={AUDIENCE: pin}, previous=lock.previous))
    project.commit("forged")
    refused = project.run("verify", "--all")
    assert (refused.exit_code, "different" in refused.output) == (3, True), refused.output


ODD_CONTENTS: dict[str, Callable[[Content], Content]] = {
    "a_contract_under_another_name": lambda one: replace(
        one, contracts={**one.contracts, "shop/zzz.yaml": next(iter(one.contracts.values()))}
    ),
    "a_contract_of_another_name_alone": lambda one: replace(
        one, contracts={"stock/1.0.0.yaml": next(iter(one.contracts.values()))}
    ),
    "a_test": lambda one: replace(one, policies={**one.policies, "shop/authz/x_test.rego": b"package shop.authz\n"}),
    "wasm": lambda one: replace(one, policies={**one.policies, "policy.wasm": b"\0asm"}),
    "data_yml": lambda one: replace(one, policies={**one.policies, "shop/data.yml": b"a: 1\n"}),
    "another_audience": lambda one: replace(one, served={"https://other.example.com": one.served[AUDIENCE]}),
    "no_audience": lambda one: replace(one, served={}),
}


@pytest.mark.parametrize("name", ODD_CONTENTS)
def test_a_forged_release_of_odd_content_is_not_served(project: AttackedProject, issuer: Issuer, name: str) -> None:
    forge(project, ODD_CONTENTS[name])
    refused = project.serve(issuer)
    assert refused.exit_code == 2, refused.output


@pytest.mark.parametrize("root", ["", "other", "system", "shop/authz/decision"])
def test_a_forged_release_with_other_roots_fails_ci(project: AttackedProject, root: str) -> None:
    forge(project, lambda one: replace(one, roots=(root,)))
    alone(project)
    refused = project.run("verify", "--all")
    assert refused.exit_code == 2, refused.output


DAYS = {
    "beyond_every_bound": '"9999-12-31"',
    "with_a_time_zone": '"2031-06-30T00:00:00Z"',
    "no_such_day": '"2031-06-31"',
    "basic_format": '"20310630"',
    "week_date": '"2031-W26-1"',
    "digits_of_another_script": '"٢٠٣١-٠٦-٣٠"',
    "unquoted": "2031-06-30",
    "tagged": "!!timestamp 2031-06-30",
    "anchored": '&day "2031-06-30"',
    "null": "null",
    "twice": f'"{EXPIRES}"\n  expires: "{EXPIRES}"',
    "merged": f'"{EXPIRES}"\n  <<: {{by: nobody}}',
    "year_one": '"0001-01-01"',
    "five_digits": '"10000-01-01"',
}


@pytest.fixture(scope="module")
def approved(opa: Opa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lock that rests on an approval, committed."""
    del opa
    project = AttackedProject(tmp_path_factory.mktemp("approved") / "project", files_only=True)
    project.start()
    project.lock()
    project.commit("first lock")
    project.rego.write_text(widened("user"))
    project.lock_approved(("1.0.0", "1.0.0"), EXPIRES)
    project.commit("approved")
    return project.folder


@pytest.fixture
def resting(approved: Path, tmp_path: Path) -> AttackedProject:
    shutil.copytree(approved, tmp_path / "resting")
    return AttackedProject(tmp_path / "resting", files_only=True)


@pytest.mark.parametrize("name", DAYS)
def test_an_approval_with_an_odd_day_carries_no_lock(resting: AttackedProject, issuer: Issuer, name: str) -> None:
    text = resting.approvals.read_text()
    resting.approvals.write_text(text.replace(f'"{EXPIRES}"', DAYS[name], 1))
    assert resting.approvals.read_text() != text
    assert resting.run("verify", "--all").exit_code == 2
    assert resting.run("lock").exit_code in (2, 3)
    if name != "beyond_every_bound":
        assert resting.serve(issuer).exit_code == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('from: "1.0.0"', 'from: "0.9.0"'),
        lambda text: text.replace('to: "1.0.0"', 'to: "1.0.1"'),
        lambda text: text.replace("fingerprint: ", "# ").replace('"', "", 2),
        lambda text: text.replace("approvals:", "approvals: []\n---\napprovals:"),
        lambda text: text + "approvals: []\n",
        lambda text: text.replace('by: "jane@example.com"', 'by: " "'),
        lambda text: text.replace('by: "jane@example.com"', 'by: ["jane@example.com"]'),
        lambda text: "[" * 5000 + text,
        lambda text: text.replace("approvals:", "? approvals\n:"),
        lambda _text: "",
        lambda _text: "\0",
        lambda text: "%YAML 1.1\n%TAG ! tag:yaml.org,2002:\n---\n" + text,
    ],
    ids=["from", "to", "mark", "documents", "twice", "blank", "list", "deep", "complex", "empty", "nul", "directives"],
)
def test_an_approval_that_is_another_one_carries_no_start(
    resting: AttackedProject, issuer: Issuer, change: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    before = resting.approvals.read_text()
    resting.approvals.write_text(change(before))
    assert resting.approvals.read_text() != before
    # Another spelling of the very same document is one.
    same = request.node.callspec.id in ("complex", "directives")
    refused = resting.run("verify", "--all")
    assert (refused.exit_code == 2) != same, refused.output
    if not same:
        assert resting.serve(issuer).exit_code == 2


GATES = {
    "no_number": "approvals: {max_days: many}\n",
    "grace_for_ever": "approvals: {grace_days: 91}\n",
    "below_zero": "approvals: {grace_days: -1}\n",
    "fraction": "approvals: {grace_days: 1.5}\n",
    "truth_value": "approvals: {grace_days: true}\n",
    "octal": "approvals: {grace_days: 0o7}\n",
    "twice": "approvals: {grace_days: 1, grace_days: 90}\n",
    "unknown": "approvals: {grace_days: 1, skip: true}\n",
    "other_rules": "approvals: {}\nserve: {unlocked: true}\n",
    "alias": "a: &a {grace_days: 90}\napprovals: *a\n",
    "bomb": "approvals: {max_days: " + "9" * 5000 + "}\n",
    "deep": "approvals: " + "{a: " * 3000 + "1" + "}" * 3000 + "\n",
    "empty": "",
    "octets": "\udcff\udcfe",
}


@pytest.mark.parametrize("name", GATES)
def test_an_odd_gate_file_is_an_error_and_never_the_defaults(
    resting: AttackedProject, issuer: Issuer, name: str
) -> None:
    (resting.contracts / "gate.yaml").write_bytes(GATES[name].encode(errors="surrogateescape"))
    refused = resting.serve(issuer)
    assert (refused.exit_code, "gate.yaml" in refused.output) == (2, True), refused.output


@pytest.mark.parametrize("kind", ["dangling", "outside", "loop", "folder"])
def test_a_gate_file_that_is_no_file_is_an_error_and_never_the_defaults(
    resting: AttackedProject, issuer: Issuer, kind: str, tmp_path: Path
) -> None:
    gate, outside = resting.contracts / "gate.yaml", tmp_path / "outside.yaml"
    gate.unlink()
    outside.write_text("approvals: {grace_days: 90}\n")
    if kind == "folder":
        gate.mkdir()
    else:
        gate.symlink_to({"dangling": "nowhere", "outside": str(outside), "loop": "gate.yaml"}[kind])
    refused = resting.serve(issuer)
    assert (refused.exit_code, "gate.yaml" in refused.output) == (2, True), refused.output
