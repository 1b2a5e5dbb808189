"""A small project whose locks are made by the real command, for the tests of what may be deployed."""

from __future__ import annotations

import datetime
import re
import subprocess
from pathlib import Path

from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.errors import StartupFault
from entitlements.folder import Limits
from entitlements.pairs import Folders, locked_offer
from tests.shop import shop_contract

CONTRACT = shop_contract(
    """\
claims:
  role: {{required: true, schema: {{enum: [{roles}]}}}}
request:
  actions: [read]
  resources: {{item: {{properties: {{owner: {{type: string}}}}}}}}
""",
    rule="decision",
)
POLICY = """\
package shop.authz

default decision := false

decision if input.subject.claims.role == "clerk"
"""
AUDIENCE = "https://shop.example.com"
FAR = "2099-01-31"


def widened(role: str) -> str:
    """The policy that lets one more role in."""
    return POLICY + f'\ndecision if input.subject.claims.role == "{role}"\n'


class LockedProject:
    """Folders of contracts and policies, and the commands on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contracts, self.policies = folder / "contracts", folder / "policies"
        self.rego = self.policies / "shop/authz/authz.rego"
        self.lock_file = self.contracts / "contracts.lock"
        self.bundle = self.contracts / "release/bundle.tar.gz"
        self.previous = self.contracts / "release/previous.tar.gz"
        self.approvals = self.contracts / "shop/approvals.yaml"

    def start(self) -> LockedProject:
        """One version of one contract, and its policy."""
        self.rego.parent.mkdir(parents=True)
        self.rego.write_text(POLICY)
        self.contract("1.0.0", "user, clerk")
        (self.contracts / "gate.yaml").write_text("approvals: {max_days: 3650}\n")
        return self

    def contract(self, version: str, roles: str) -> None:
        """Write a version of the contract."""
        path = self.contracts / f"shop/{version}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONTRACT.format(version=version, roles=roles))

    def run(self, *arguments: str) -> Result:
        environment = {"ENTITLEMENTS_CONTRACTS": str(self.contracts), "ENTITLEMENTS_POLICIES": str(self.policies)}
        result = CliRunner().invoke(main, ["contract", *arguments], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def lock(self, *options: str) -> Result:
        """Lock, which has to succeed."""
        done = self.run("lock", *options)
        assert done.exit_code == 0, done.output
        return done

    def approve(self, fingerprint: str, old: str, new: str, expires: str, *, contract: str = "shop") -> Result:
        return self.run(
            *("approve", fingerprint, "--contract", contract, "--from", old, "--to", new),
            *("--reason", "ticket 7", "--by", "jane@example.com", "--expires", expires),
        )

    def lock_approved(self, step: tuple[str, str], expires: str, *, contract: str = "shop") -> None:
        """Lock what is refuted, with an approval of each finding that keeps it from being locked."""
        refused = self.run("lock")
        assert refused.exit_code == 3, refused.output
        for fingerprint in sorted(set(re.findall(r"\b[0-9a-f]{16}\b", refused.output))):
            given = self.approve(fingerprint, *step, expires, contract=contract)
            assert given.exit_code == 0, given.output
        self.lock()

    def git(self, *arguments: str) -> str:
        names = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
        done = subprocess.run(
            ["git", *names, *arguments], cwd=self.folder, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything and name the commit."""
        if not (self.folder / ".git").exists():
            self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    @property
    def files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(self.contracts.rglob("*")) if path.is_file()}

    def refusals(self, today: str = "2030-01-01") -> set[str]:
        """The codes by which a start is refused on a day; none where it is not."""
        try:
            locked_offer(Folders(self.contracts, self.policies, None, Limits()), datetime.date.fromisoformat(today))
        except StartupFault as fault:
            return {one.code for one in fault.faults} or {fault.code}
        return set()
