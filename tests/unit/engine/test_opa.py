"""The object Opa: what it keeps is known by content, and it works on in a process that was forked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from entitlements.engine import Opa
from entitlements.errors import EngineUnavailable

GOOD = {"shop/authz/authz.rego": b'package shop.authz\n\ndecision := {"allow": true}\n'}
BROKEN = {"shop/authz/authz.rego": b"package shop.authz\n\ndecision := nothing\n"}
UNREAD = {"shop/authz/authz.rego": b"package shop.authz\n\ndecision if { unread := 1 }\n"}
PATH = "shop/authz/decision"

# As `serve` does: the settings are tried in a process that forks another one, which serves and reads the edits.
FORKS = """
import os, signal, sys
from pathlib import Path
from entitlements.engine import Opa

opa = Opa(Path(sys.argv[1]))
files = lambda number: {"a/a.rego": f"package a\\n\\nx := {number}\\n".encode()}
opa.check(files(0))
[opa.begin(files(number), ["a/x"]) for number in range(1, 5)]
child = os.fork()
if child == 0:
    signal.alarm(60)
    ok = all(opa.check(files(number)) is None and opa.plan(files(number), "a/x") for number in range(7))
    os._exit(0 if ok else 1)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_forked_process_asks_on_where_the_first_one_left_off(opa: Opa) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS, str(opa)], timeout=120, check=False)
    assert done.returncode == 0


def test_a_check_is_of_the_files_that_were_given_and_of_the_mode(opa: Opa) -> None:
    assert opa.check(GOOD) is None
    assert "nothing" in (opa.check(BROKEN) or "")
    assert opa.check(UNREAD) is None
    assert "unread" in (opa.check(UNREAD, strict=True) or "")
    assert opa.check(UNREAD) is None


def test_files_that_change_later_are_not_those_that_were_begun(opa: Opa) -> None:
    files = dict(GOOD)
    opa.begin(files, [PATH])
    files.update(BROKEN)
    assert opa.check(GOOD) is None
    assert opa.plan(GOOD, PATH) is not None


def test_the_same_content_is_read_once(opa: Opa) -> None:
    assert opa.parse(GOOD["shop/authz/authz.rego"]) is opa.parse(b"" + GOOD["shop/authz/authz.rego"])
    assert opa.plan(GOOD, PATH) is opa.plan(dict(GOOD), PATH)
    assert opa.plan(GOOD, "shop/authz/other") is None
    assert opa.parse(b"no Rego") is None


def test_what_failed_to_run_is_tried_again(opa: Opa, tmp_path: Path) -> None:
    link = tmp_path / "folder" / "opa"
    absent = Opa(link)
    with pytest.raises(EngineUnavailable):
        absent.check(GOOD)
    link.parent.mkdir()
    link.symlink_to(opa.executable)
    assert absent.check(GOOD) is None
