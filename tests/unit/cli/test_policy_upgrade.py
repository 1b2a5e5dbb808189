"""Rego v0 becomes v1 by OPA's formatter; what a release cannot hold is told, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.engine import BatchEngine

V0 = """\
package shop.authz

import future.keywords.in

# Who may.
default allow = false

allow {
	some role in input.roles # any
	role == "admin"
	count(deny) == 0
}

deny[msg] {
	not input.ok
	msg := "not_ok"
}
"""


def upgrade(folder: Path, *options: str) -> Result:
    done = CliRunner().invoke(main, ["policy", "upgrade", str(folder), *options])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def folder(tmp_path: Path, opa: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    file = tmp_path / "policies/shop/authz/authz.rego"
    file.parent.mkdir(parents=True)
    file.write_text(V0)
    return tmp_path / "policies"


def test_rego_v0_is_rewritten_and_decides_as_before(folder: Path, opa: Path) -> None:
    file = folder / "shop/authz/authz.rego"
    shown = upgrade(folder)
    assert (shown.exit_code, file.read_text()) == (0, V0)
    assert "+allow if {" in shown.output
    assert "1 of 1 modules would be rewritten, with --write" in shown.output
    assert upgrade(folder, "--write").exit_code == 0
    text = file.read_text()
    assert all(part in text for part in ("# Who may.", "# any", "deny contains msg if {"))
    assert "import" not in text
    inputs = [{"roles": ["admin"], "ok": True}, {"roles": ["admin"]}, {"roles": [], "ok": True}]
    with BatchEngine(opa, folder, "shop/authz/allow") as engine:
        assert [one is not None and one.allow for one in engine.decide(inputs)] == [True, False, False]
    again = upgrade(folder, "--write")
    assert (again.exit_code, "0 of 1 modules rewritten; 1 are left as they are" in again.output) == (0, True)


def test_what_is_left_is_told_with_file_and_line(folder: Path) -> None:
    (folder / "shop/authz/more.rego").write_text("package shop.authz\n\nallow { time.now_ns() > 3 }\n")
    done = upgrade(folder, "--write")
    assert done.exit_code == 3
    assert "more.rego:3: `time.now_ns` is forbidden because it asks the clock" in done.output
    assert "allow if time.now_ns() > 3" in (folder / "shop/authz/more.rego").read_text()


def test_a_module_that_is_neither_is_kept_and_told(folder: Path) -> None:
    broken = folder / "shop/authz/broken.rego"
    broken.write_text("package shop.authz\n\nallow {\n")
    done = upgrade(folder, "--write")
    assert (done.exit_code, broken.read_text()) == (3, "package shop.authz\n\nallow {\n")
    assert "broken.rego: this is neither Rego v0 nor v1: " in done.output
    assert "allow if {" in (folder / "shop/authz/authz.rego").read_text()


def test_a_linked_file_is_written_where_it_stands_and_data_stays(folder: Path) -> None:
    file, kept = folder / "shop/authz/authz.rego", folder / "shop/..kept"
    kept.mkdir()
    file.rename(kept / "authz.rego")
    file.symlink_to("../..kept/authz.rego")
    (folder / "data.json").write_text('{"limits": {"a": 1}}')
    assert upgrade(folder, "--write").exit_code == 0
    assert (file.is_symlink(), "allow if {" in (kept / "authz.rego").read_text()) == (True, True)
    assert (folder / "data.json").read_text() == '{"limits": {"a": 1}}'
