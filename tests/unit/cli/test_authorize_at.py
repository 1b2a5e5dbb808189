"""`authorize --at`: the decision as at a given time, for the token and for `context.time`."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from tests.shop import SHOP

CONTRACT: dict[str, Any] = {
    **SHOP,
    "claims": {"iat": {"schema": {"type": "integer"}}},
    "time": {"zone": "Europe/Berlin"},
    "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
}
POLICY = """\
package shop.authz

default allow := false

allow if input.context.time.seconds - input.subject.claims.iat == 60
"""


class Project:
    """A locked contract whose policy allows one minute after a token was issued, and such a token."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "decisions.jsonl"
        self.environment = {
            "ENTITLEMENTS_CONTRACTS": str(folder / "contracts"),
            "ENTITLEMENTS_POLICIES": str(folder / "policies"),
            "ENTITLEMENTS_KEYS": f"{SHOP['issuer']}={folder / 'jwks.json'}",
            "ENTITLEMENTS_DECISION_LOG": str(self.log),
        }
        for name, text in (
            ("contracts/shop/1.0.0.yaml", json.dumps(CONTRACT)),
            ("policies/shop/authz/authz.rego", POLICY),
        ):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_text(text)
        for command in (("contract", "lock"), ("token", "keygen", "--algorithm", "ES256", "--out", str(folder))):
            assert self.run(*command).exit_code == 0
        key = str(folder / "signing.jwk")
        self.token = self.run("token", "mint", "--key", key, "--contract", "shop").stdout.strip()
        payload = self.token.split(".")[1]
        self.issued = int(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iat"])

    def run(self, *arguments: str, text: str | None = None) -> Result:
        result = CliRunner().invoke(main, arguments, env=self.environment, input=text)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def at(self, value: str, *options: str) -> Result:
        return self.run(
            "authorize", "--action", "read", "--resource", "item:1", "--at", value, *options, text=self.token
        )

    def after(self, seconds: float, offset: int = 0) -> str:
        """The time so many seconds after the token was issued, as a clock shows it that is ahead of UTC by hours."""
        zone = datetime.timezone(datetime.timedelta(hours=offset))
        return datetime.datetime.fromtimestamp(self.issued + seconds, zone).isoformat()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("at"))


@pytest.mark.parametrize(
    ("seconds", "offset", "code"), [(60, 0, 0), (60, -5, 0), (60.9, 2, 0), (59.9, 0, 3), (61, 0, 3)]
)
def test_authorize_at_a_time_tells_the_policy_that_time(
    project: Project, seconds: float, offset: int, code: int
) -> None:
    result = project.at(project.after(seconds, offset))
    assert result.exit_code == code, result.output
    assert result.stdout.startswith("allow" if code == 0 else "deny")


def test_authorize_at_a_time_takes_a_z_for_utc(project: Project) -> None:
    assert project.at(project.after(60).replace("+00:00", "Z")).exit_code == 0


def test_authorize_after_the_token_expired_refuses_it(project: Project) -> None:
    result = project.at(project.after(3600))
    assert result.exit_code == 3
    assert "token_expired" in result.stdout


def test_authorize_before_the_token_was_issued_refuses_it(project: Project) -> None:
    assert "token_not_yet_valid" in project.at(project.after(-3600)).stdout


def test_authorize_at_a_time_is_not_logged(project: Project) -> None:
    assert project.at(project.after(60)).exit_code == 0
    assert not project.log.exists() or project.log.read_bytes() == b""


def test_authorize_at_a_time_takes_no_other_time_from_the_request(project: Project) -> None:
    result = project.at(project.after(60), "--context", "time=1")
    assert result.exit_code == 2
    assert "context.time" in result.stderr


@pytest.mark.parametrize(
    "value",
    [
        *("", "now", "1795690800", "2026-11-26", "2026-11-26T09:30:00", "2026-11-26T09:30Z", "2026-11-26 09:30:00Z"),
        *("2026-02-29T00:00:00Z", "2026-11-26T24:00:00Z", "2026-11-26T09:30:60Z", "2026-11-26T09:30:00+25:00"),
        *("1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
        "\u0662026-11-26T09:30:00Z",
    ],
)
def test_authorize_at_what_is_no_time_is_a_usage_error(project: Project, value: str) -> None:
    result = project.at(value)
    assert result.exit_code == 2
    assert "is not a time from 2000 to 2099 with its offset from UTC" in " ".join(result.stderr.split())
