"""Who may do what, and which rules and claims matter: each line of a report is what OPA says of the policy."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from tests.locked_project import LockedProject
from tests.shop import shop_contract

POLICY = """\
package shop.authz

default decision := false

decision if input.action.name == "ping"

decision if {
	input.action.name == "read"
	input.subject.claims.role == "clerk"
	not input.subject.claims.suspended
}

decision if {
	input.action.name == "read"
	input.subject.claims.role == "clerk"
	input.subject.claims.suspended == false
}

decision if input.subject.claims.role == "root"

decision if {
	input.action.name == "count"
	1 / input.subject.claims.level > 0
}
"""
CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [user, clerk]}}}}
  suspended: {{required: true, schema: {{type: boolean}}}}
  level: {{required: true, schema: {{type: integer, minimum: 0, maximum: 3}}}}
  note: {{required: true, schema: {{type: boolean}}}}
request:
  actions: [ping, read, count, erase]
  resources: {{item: {{properties: {{}}}}}}
""",
    rule="decision",
).format(version="1.0.0")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LockedProject:
    project = LockedProject(tmp_path_factory.mktemp("report")).start()
    (project.contracts / "shop/1.0.0.yaml").write_text(CONTRACT)
    project.rego.write_text(POLICY)
    return project


@pytest.fixture(scope="module")
def reports(project: LockedProject, opa: Path) -> dict[str, Result]:
    """The report in every format, each made by the command."""
    environment = {
        "ENTITLEMENTS_CONTRACTS": str(project.contracts),
        "ENTITLEMENTS_POLICIES": str(project.policies),
        "ENTITLEMENTS_OPA_BIN": str(opa),
    }
    return {
        form: CliRunner().invoke(main, ["policy", "report", "--format", form], env=environment)
        for form in ("json", "text", "html")
    }


@pytest.fixture(scope="module")
def lines(reports: dict[str, Result]) -> list[dict[str, Any]]:
    assert reports["json"].exit_code == 0, reports["json"].output
    (document,) = json.loads(reports["json"].stdout)
    found: list[dict[str, Any]] = document["lines"]
    return found


def said(lines: list[dict[str, Any]], about: str) -> dict[str, tuple[str, str]]:
    return {one["subject"]: (one["text"], one["how"]) for one in lines if one["about"] == about}


def test_each_kind_of_request_is_for_everyone_for_some_or_for_no_one(lines: list[dict[str, Any]]) -> None:
    assert said(lines, "requests") == {
        "`ping` an `item`": ("every permitted token may", "proved"),
        "`read` an `item`": ("some may", "shown"),
        "`count` an `item`": ("some may", "shown"),
        "`erase` an `item`": ("no one may", "proved"),
    }
    (example,) = [one["example"] for one in lines if one["subject"] == "`read` an `item`"]
    assert all(part in example for part in ('"role": "clerk"', '"suspended": false'))


def test_rules_that_never_fire_or_change_nothing_are_named(lines: list[dict[str, Any]]) -> None:
    found = said(lines, "rules")
    assert found["shop/authz/authz.rego:19 decision"] == ("never fires for a permitted token", "proved")
    # Of two rules that say the same, either one may go.
    for line in (7, 13):
        assert found[f"shop/authz/authz.rego:{line} decision"][0] == "without it no one gains or loses access"
    assert len(found) == 3


def test_a_claim_by_whose_loss_access_is_gained_is_shown(lines: list[dict[str, Any]]) -> None:
    found = said(lines, "claims")
    assert found["`suspended`"] == ("who loses it may gain access", "shown")
    assert found["`role`"] == ("no one gains access by losing it", "proved")
    assert found["`note`"] == ("changes no decision", "proved")


def test_where_a_built_in_fails_there_is_a_line(lines: list[dict[str, Any]]) -> None:
    assert [*said(lines, "failures")] == ["shop/authz/authz.rego:23"]


def test_text_and_page_say_the_same(reports: dict[str, Result], lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert f"{line['subject']}: {line['text']}  ({line['how']})" in reports["text"].stdout
    seen: list[str] = []
    parser = type("Texts", (HTMLParser,), {"handle_data": lambda _, data: seen.append(data)})()
    parser.feed(reports["html"].stdout)
    parser.close()
    for line in lines:
        # A page needs no backticks around names.
        assert {line["subject"].replace("`", ""), line["text"], line["example"]} <= {"", *seen}
    assert not re.search(r"(src|href|url\()", reports["html"].stdout)


def test_what_a_policy_says_is_no_markup_of_the_page(project: LockedProject, opa: Path, tmp_path: Path) -> None:
    bad = LockedProject(tmp_path).start()
    bad.contract("1.0.0", '"<script>alert(1)</script>", clerk')
    bad.rego.write_text('package shop.authz\n\ndecision if input.subject.claims.role == "<script>alert(1)</script>"\n')
    environment = {
        "ENTITLEMENTS_CONTRACTS": str(bad.contracts),
        "ENTITLEMENTS_POLICIES": str(bad.policies),
        "ENTITLEMENTS_OPA_BIN": str(opa),
    }
    for form in ("html", "markdown"):
        done = CliRunner().invoke(main, ["policy", "report", "--format", form], env=environment)
        assert done.exit_code == 0, done.output
        assert "<script>" not in done.stdout.replace("`", "")
        assert "&lt;script&gt;" in done.stdout
