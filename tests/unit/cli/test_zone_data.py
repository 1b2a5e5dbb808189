"""Zone data in record and release, witnesses that are replayed at their time, and times of tokens as claims."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entitlements.checking.step import never_there
from entitlements.cli import main
from entitlements.contract import parse_contract, tzdata_version
from entitlements.deployment.evidence import examine
from entitlements.deployment.state import read_state
from entitlements.deployment.zone_data import other_zone_data, zone_data_of
from entitlements.engine import Read
from entitlements.errors import StartupFault
from entitlements.folder import Limits
from entitlements.pairs import Folders, locked_offer
from entitlements.release import make_release
from tests.shop import SHOP

TODAY = datetime.date(2030, 1, 1)
CONTRACT = {
    **SHOP,
    "claims": {"iat": {"schema": {"type": "integer"}}},
    "time": {"zone": "Europe/Berlin"},
    "request": {"actions": ["read"], "resources": {"item": {"properties": {}}}, "context": {"properties": {}}},
}
POLICY = """\
package shop.authz

default allow := false

allow if input.context.time.minutes < 1080
"""


class Project:
    """A contract that declares the time, locked twice: of the second version there is a record."""

    def __init__(self, folder: Path) -> None:
        self.contracts, self.policies = folder / "contracts", folder / "policies"
        self.rego = self.policies / "shop/authz/authz.rego"
        self.rego.parent.mkdir(parents=True)
        (self.contracts / "shop").mkdir(parents=True)
        self.rego.write_text(POLICY)
        for version in ("1.0.0", "1.1.0"):
            document = {**CONTRACT, "version": version}
            (self.contracts / f"shop/{version}.yaml").write_text(json.dumps(document))
            assert self.run("contract", "lock").exit_code == 0

    def run(self, *arguments: str) -> Result:
        places = {"ENTITLEMENTS_CONTRACTS": str(self.contracts), "ENTITLEMENTS_POLICIES": str(self.policies)}
        result = CliRunner().invoke(main, arguments, env=places)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("zones"))


def test_record_and_release_name_the_zone_data(project: Project) -> None:
    record = json.loads((project.contracts / "shop/1.1.0.proof.json").read_text())
    assert record["versions"]["tzdata"] == tzdata_version()
    state = read_state(project.contracts)
    assert state.release is not None
    assert state.release.content.tzdata == tzdata_version()
    assert examine(state, TODAY).faults == ()


def test_a_record_with_other_zone_data_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed changes: a distribution of another version stands first among the packages."""
    state = read_state(project.contracts)
    other_version(project.contracts.parent, monkeypatch)
    found = {fault.code for fault in examine(state, TODAY).faults}
    assert found == {"zone_data_differs"}
    folders = Folders(project.contracts, project.policies, None, Limits())
    with pytest.raises(StartupFault) as refused:
        locked_offer(folders, TODAY)
    told = [fault for fault in refused.value.faults if fault.code == "zone_data_differs"]
    assert len(told) == 2, refused.value.faults
    assert all("contract verify --renew" in fault.message for fault in told)


def other_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "packages" / "tzdata-1999.1.dist-info"
    place.mkdir(parents=True, exist_ok=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: tzdata\nVersion: 1999.1\n")
    monkeypatch.syspath_prepend(str(place.parent))
    assert tzdata_version() == "1999.1"


def test_a_renewal_proves_it_again_with_the_zone_data_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Project(tmp_path)
    other_version(tmp_path, monkeypatch)
    renewed = other.run("contract", "verify", "--renew")
    assert renewed.exit_code == 0, renewed.output
    state = read_state(other.contracts)
    assert examine(state, TODAY).faults == ()
    assert state.release is not None
    assert state.release.content.tzdata == "1999.1"


def test_what_was_made_without_zone_data_holds_only_without_the_time() -> None:
    timed = parse_contract(json.dumps(CONTRACT), Path("shop/1.0.0.yaml"))
    untimed = parse_contract(
        json.dumps({name: value for name, value in CONTRACT.items() if name != "time"}), Path("shop/1.0.0.yaml")
    )
    assert zone_data_of([untimed]) == ""
    assert zone_data_of([untimed, timed]) == tzdata_version()
    assert other_zone_data("", [untimed]) == ""
    assert "made with no tzdata" in other_zone_data("", [timed])
    assert "made with tzdata 1999.1" in other_zone_data("1999.1", [untimed])


def test_a_release_without_the_time_is_the_bytes_that_it_was() -> None:
    from tests.unit.release.test_release import CONTENT

    assert b"tzdata" not in make_release(CONTENT).bundle()


def test_a_witness_says_at_what_time_it_is_decided_so(project: Project) -> None:
    project.rego.write_text(POLICY.replace("1080", "1081"))
    try:
        refused = project.run("contract", "lock")
    finally:
        project.rego.write_text(POLICY)
    assert refused.exit_code == 3
    (line,) = [line for line in refused.output.splitlines() if line.strip().startswith("request read item")]
    at = line.rpartition(" at ")[2]
    moment = datetime.datetime.fromisoformat(at)
    assert moment.tzinfo is not None
    assert at.endswith(":59Z")


def test_times_of_a_token_are_there_beside_the_time_and_nowhere_else() -> None:
    timed = parse_contract(json.dumps(CONTRACT), Path("shop/1.0.0.yaml"))
    untimed = parse_contract(
        json.dumps({name: value for name, value in CONTRACT.items() if name != "time"}), Path("shop/1.0.0.yaml")
    )
    reads = [
        Read(("subject", "claims", name), False, "value", False, "allow", "authz.rego", 5) for name in ("iat", "exp")
    ]
    (fault,) = never_there(reads, timed, Path("policies"))
    assert "claims.exp` is never there" in fault.message
    assert len(never_there(reads, untimed, Path("policies"))) == 2
