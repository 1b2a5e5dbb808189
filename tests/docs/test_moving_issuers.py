"""The page about moving to another issuer, run: two authorization servers, and every command with its exit code."""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from tests.locked_project import LockedProject
from tests.shop import shop_contract
from tests.two_issuers import POLICY, IssuerServer, two_servers

PAGE = Path(__file__).resolve().parents[2] / "docs/moving-issuers.md"
CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [user, clerk]}}}}
request:
  actions: [read]
  resources:
    item: {{properties: {{owner: {{type: string}}, owner_issuer: {{type: string}}}}, required: [owner, owner_issuer]}}
""",
    rule="decision",
)
BY_ID_ALONE = """\
package shop.authz

default decision := false

decision if input.resource.properties.owner == input.subject.id
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[IssuerServer, IssuerServer]]:
    with two_servers() as pair:
        yield pair


def commands() -> list[tuple[list[str], int]]:
    """The commands of the page, each with its exit code."""
    text = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    lines = [line.partition("#") for line in text.splitlines() if line.startswith("entitlements ")]
    return [(shlex.split(line)[1:], 3 if "exit code 3" in remark else 0) for line, _, remark in lines]


class Walk:
    """A project at the start of the page, in which its commands run."""

    def __init__(self, folder: Path, servers: tuple[IssuerServer, IssuerServer], policy: str = POLICY) -> None:
        self.old, self.new = servers
        self.project = LockedProject(folder).start()
        self.project.rego.write_text(policy)
        for version, server in (("1.0.0", self.old), ("2.0.0", self.new)):
            if version == "2.0.0":
                self.project.lock()
            text = CONTRACT.format(version=version).replace("https://login.example.com", server.url)
            (self.project.contracts / f"shop/{version}.yaml").write_text(text)
        for name, server in (("old", self.old), ("new", self.new)):
            (folder / f"{name}-token.jwt").write_text(server.token())
        self.environment = {
            "ENTITLEMENTS_CONTRACTS": str(self.project.contracts),
            "ENTITLEMENTS_POLICIES": str(self.project.policies),
            "ENTITLEMENTS_KEYS": f"{self.old.url}=discover {self.new.url}=discover",
        }

    def run(self, command: list[str]) -> Result:
        words = {"$NEW_ISSUER": self.new.url, "UNTIL": str(datetime.date.today() + datetime.timedelta(days=30))}
        given = [words.get(word, word) for word in command]
        given = [str(self.project.folder / word) if word.endswith(".jwt") else word for word in given]
        result = CliRunner().invoke(main, given, env=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result


def test_the_page_leads_from_one_issuer_to_the_other(
    tmp_path: Path, servers: tuple[IssuerServer, IssuerServer]
) -> None:
    walk, marks, judged = Walk(tmp_path, servers), [], []
    for command, code in commands():
        for mark in marks if "FINGERPRINT" in command else [""]:
            result = walk.run([mark if word == "FINGERPRINT" else word for word in command])
            assert result.exit_code == code, (command, result.output)
        if code == 3 and "lock" in command:
            assert "issuer_changed" in result.output
            marks = sorted(set(re.findall(r"\b[0-9a-f]{16}\b", result.output)))
        if command[1] == "inspect" and "--contract" not in command:
            judged.append(
                (command[-1], re.findall(r"shop@[0-9.]+", result.output)[0], "issuer_unknown" in result.output)
            )
    assert judged == [
        ("old-token.jwt", "shop@1.0.0", False),
        ("new-token.jwt", "shop@2.0.0", False),
        ("old-token.jwt", "shop@2.0.0", True),
        ("new-token.jwt", "shop@2.0.0", False),
    ]


def test_a_policy_that_compares_the_subject_alone_is_refuted(
    tmp_path: Path, servers: tuple[IssuerServer, IssuerServer]
) -> None:
    walk = Walk(tmp_path, servers, BY_ID_ALONE)
    result = walk.run(["contract", "check", "shop@1.0.0", "shop@2.0.0"])
    assert result.exit_code == 3
    assert "nobody gains access: refuted" in result.output


def test_the_policy_of_the_page_is_the_one_that_is_run() -> None:
    rule = re.search(r"```rego\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert rule is not None
    assert rule[1] in POLICY + "\n"
