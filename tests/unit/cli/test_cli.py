"""The command line as its users see it: output, exit codes, and what is never shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main

ROOT = Path(__file__).resolve().parents[3]
ISSUER = "https://login.example.com"
GOOD = ["tenant=t_1", 'roles=["agent"]', "suspended=false"]


class World:
    """A folder with the sample contracts, policies and a development key, in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str | None] = {
            "ENTITLEMENTS_CONTRACTS": str(folder / "contracts"),
            "ENTITLEMENTS_POLICIES": str(folder / "policies"),
            "ENTITLEMENTS_KEYS": f"{ISSUER}={folder / 'keys' / 'jwks.json'}",
        }

    def run(self, *arguments: str, text: str | None = None) -> Result:
        result = CliRunner().invoke(main, arguments, input=text, env=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def token(self, claims: Sequence[str] = tuple(GOOD), *options: str, contract: str = "orders") -> str:
        given = [part for claim in claims for part in ("--claim", claim)]
        key = str(self.folder / "keys" / "signing.jwk")
        scope = ["--scope", f"{contract}:read"]
        result = self.run("token", "mint", "--key", key, "--contract", contract, *scope, *given, *options)
        assert result.exit_code == 0, result.output
        return result.stdout.strip()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("cli")
    for name in ("contracts", "policies"):
        shutil.copytree(ROOT / name, folder / name)
    made = World(folder)
    result = made.run("token", "keygen", "--out", str(folder / "keys"))
    assert result.exit_code == 0, result.output
    return made


def every_command() -> list[list[str]]:
    found: list[list[str]] = [[]]
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        found.append([name])
        found += [[name, inner] for inner in command.list_commands(context)] if isinstance(command, click.Group) else []
    return found


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_every_command_has_help_and_each_one_that_acts_an_example(world: World, command: list[str]) -> None:
    result = world.run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    if command not in (["token"], ["contract"], ["policy"], ["release"], ["opa"]):
        assert "Example" in result.stdout


def test_the_help_says_of_each_command_what_it_says_of_itself(world: World) -> None:
    context = click.Context(main)
    contract = main.get_command(context, "contract")
    assert isinstance(contract, click.Group)
    for words, group in (((), main), (("contract",), contract)):
        said = " ".join(world.run(*words, "--help").stdout.split())
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            first = " ".join((command.help or "").split("\n\n")[0].split())
            assert f"{name} {first}" in said


def loaded_by(program: str, *names: str) -> set[str]:
    """Which of some modules a program of one line has loaded in the end, in a process of its own."""
    told = f"import sys; {program}; print(*({set(names)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_the_help_loads_none_of_what_the_commands_need() -> None:
    asks = "from click.testing import CliRunner; from entitlements.cli import main; "
    asks += "assert CliRunner().invoke(main, ['--help']).exit_code == 0"
    assert not loaded_by(asks, "flask", "z3", "granian", "jwt", "cryptography", "marshmallow", "aiohttp")


def test_a_check_loads_nothing_that_only_serves_verifies_or_asks_over_http() -> None:
    service = ("flask", "granian", "z3", "jwt", "cryptography", "requests", "urllib3", "urllib.request", "aiohttp")
    others = (
        "entitlements.wiring",
        "entitlements.token",
        "entitlements.cli.contract_lock",
        "entitlements.checking.sarif",
    )
    assert not loaded_by("import entitlements.cli.contract_check", *service, *others)


def test_keys_are_private_and_never_overwritten(world: World) -> None:
    private = world.folder / "keys" / "signing.jwk"
    assert private.stat().st_mode & 0o777 == 0o600
    before = private.read_bytes()
    result = world.run("token", "keygen", "--out", str(private.parent))
    assert result.exit_code == 0
    assert "nothing was changed" in result.stderr
    assert private.read_bytes() == before
    assert "d" not in json.loads((private.parent / "jwks.json").read_text())["keys"][0]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_of_each_algorithm_is_accepted(world: World, tmp_path: Path, algorithm: str) -> None:
    other = World(world.folder)
    other.environment |= {"ENTITLEMENTS_KEYS": f"{ISSUER}={tmp_path / 'jwks.json'}"}
    assert other.run("token", "keygen", "--algorithm", algorithm, "--out", str(tmp_path)).exit_code == 0
    token = other.token(GOOD, "--key", str(tmp_path / "signing.jwk"))
    assert other.run("token", "inspect", text=token).exit_code == 0


def test_inspect_of_a_good_token_says_that_it_conforms(world: World) -> None:
    result = world.run("token", "inspect", text=world.token())
    assert result.exit_code == 0
    assert "signature   holds" in result.stdout
    assert "conform to the contract" in result.stdout


def test_inspect_names_every_violation_and_keeps_the_signature_apart(world: World) -> None:
    token = world.token(["tenant=T1", 'roles=["agent","boss"]', 'suspended="false"'])
    result = world.run("token", "inspect", text=token)
    assert result.exit_code == 3
    assert "signature   holds" in result.stdout
    for violation in ("tenant does not match", "roles[1] is none of", "suspended is not of the declared type"):
        assert violation in result.stdout


def test_inspect_of_a_forged_token_says_that_the_signature_does_not_hold(world: World) -> None:
    header, payload, _ = world.token().split(".")
    other = world.token(GOOD, "--subject", "u_2").split(".")
    result = world.run("token", "inspect", text=f"{header}.{payload}.{other[2]}")
    assert result.exit_code == 3
    assert "signature   does not hold" in result.stdout
    assert "conform to the contract" in result.stdout


def test_inspect_of_a_token_with_wrong_times_says_that_the_signature_holds(world: World) -> None:
    result = world.run("token", "inspect", text=world.token(GOOD, "--lifetime", "-100"))
    assert "signature   holds" in result.stdout
    assert "refused     `exp` is earlier than `iat` (claim_invalid)" in result.stdout
    assert result.exit_code == 3


def test_inspect_of_an_id_token_says_why_it_is_refused(world: World) -> None:
    result = world.run("token", "inspect", text=world.token(GOOD, "--typ", "JWT"))
    assert result.exit_code == 3
    assert "type_not_access_token" in result.stdout


def test_inspect_without_keys_still_holds_the_claims_against_the_contract(world: World) -> None:
    other = World(world.folder)
    other.environment |= {"ENTITLEMENTS_KEYS": None}
    result = other.run("token", "inspect", text=world.token())
    assert result.exit_code == 3
    assert "signature   not verified" in result.stdout
    assert "conform to the contract" in result.stdout


@pytest.mark.parametrize("form", ["text", "json"])
def test_inspect_never_shows_a_sensitive_value(world: World, form: str) -> None:
    token = world.token([*GOOD, "email=somebody@example.com"])
    result = world.run("token", "inspect", "--format", form, text=token)
    assert "somebody" not in result.output
    assert "pii" in result.output


def test_inspect_as_json_is_for_machines(world: World) -> None:
    token = world.token(["tenant=t_1", "suspended=false", "unknown=1"])
    document = json.loads(world.run("token", "inspect", "--format", "json", text=token).stdout)
    assert document["accepted"] is False
    assert document["signature"] == "holds"
    assert document["claims"]["tenant"] == {"value": "t_1", "contract": "declared, internal"}
    assert document["claims"]["unknown"]["contract"] == "undeclared"
    assert document["violations"] == [{"code": "claim_missing", "claim": "roles", "message": "is required"}]


def test_inspect_shows_control_characters_and_does_not_obey_them(world: World) -> None:
    result = world.run("token", "inspect", text=world.token([*GOOD, "x=\x1b[31mred"]))
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("text", ["", "abc", "a.b.c", "x" * 20_000])
def test_inspect_of_what_is_no_token_is_a_plain_refusal(world: World, text: str) -> None:
    result = world.run("token", "inspect", text=text)
    assert result.exit_code == 3
    assert "unreadable" in result.stderr


def test_mint_with_what_is_no_private_key_is_a_usage_error(world: World) -> None:
    public = str(world.folder / "keys" / "jwks.json")
    result = world.run("token", "mint", "--key", public, "--contract", "orders")
    assert result.exit_code == 2
    assert "no private JWK" in result.stderr


def test_an_unknown_contract_is_a_usage_error_that_lists_the_known_ones(world: World) -> None:
    key = str(world.folder / "keys" / "signing.jwk")
    for arguments in (["token", "mint", "--key", key, "--contract", "nope"], ["contract", "show", "nope"]):
        result = world.run(*arguments)
        assert result.exit_code == 2
        assert "orders@1.0.0" in result.stderr


ORDERS = "https://orders.example.com"
READ = ("authorize", "--audience", ORDERS, "--action", "read", "--resource", "order:42")


def test_authorize_allows_with_exit_code_0(world: World) -> None:
    result = world.run(*READ, "--property", "tenant=t_1", text=world.token())
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("allow  by data.orders.authz.decision under orders@1.0.0")


def test_authorize_denies_with_reason_rule_and_line(world: World) -> None:
    result = world.run(*READ, "--property", "tenant=t_2", text=world.token())
    assert result.exit_code == 3
    place = re.search(r"tenant_mismatch  \((.+):(\d+)\)", result.stdout)
    assert place is not None
    assert "tenant_mismatch" in Path(place[1]).read_text().splitlines()[int(place[2]) - 1]


def test_authorize_as_json_is_for_machines(world: World) -> None:
    result = world.run(*READ, "--property", "tenant=t_2", "--format", "json", text=world.token())
    document = json.loads(result.stdout)
    assert document["decision"] is False
    assert [reason["code"] for reason in document["reasons"]] == ["tenant_mismatch"]


def test_authorize_names_the_violations_of_a_token(world: World) -> None:
    result = world.run(*READ, "--property", "tenant=t_1", text=world.token(["tenant=t_1", "suspended=1"]))
    assert result.exit_code == 3
    assert "roles is required" in result.stdout
    assert "suspended is not of the declared type" in result.stdout


def test_authorize_with_a_refused_token_says_why(world: World) -> None:
    result = world.run(*READ, text="nonsense")
    assert result.exit_code == 3
    assert "token_malformed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--action", "read", "--resource", "order"], "type:id"),
        (["--action", "read", "--resource", "order:1", "--property", "x"], "name=value"),
        (
            [*READ[1:], "--property", "tenant=t_1", "--property", "no=1"],
            "properties.no",
        ),
        (["--action", "read", "--resource", "order:1", "--audience", "https://nope"], "no contract is pinned"),
        (["--action", "read", "--resource", "order:1"], "--audience"),
    ],
)
def test_authorize_with_a_malformed_request_is_a_usage_error(world: World, arguments: list[str], said: str) -> None:
    result = world.run("authorize", *arguments, text=world.token())
    assert result.exit_code == 2
    assert said in result.stderr


def test_authorize_without_an_engine_has_no_answer(world: World) -> None:
    other = World(world.folder)
    other.environment |= {"ENTITLEMENTS_OPA_URL": "http://127.0.0.1:9"}
    result = other.run(*READ, "--property", "tenant=t_1", text=world.token())
    assert result.exit_code == 4
    assert "allow" not in result.stdout


def test_lint_names_every_fault_with_line_and_exits_2(world: World, tmp_path: Path) -> None:
    file = tmp_path / "orders" / "1.0.0.yaml"
    file.parent.mkdir()
    text = (ROOT / "contracts" / "orders" / "1.0.0.yaml").read_text()
    file.write_text(text.replace("type: boolean", "type: flag").replace("maximum: 5}\n  s", "maximum: -5}\n  s"))
    result = world.run("contract", "lint", str(file))
    assert result.exit_code == 2
    assert len(re.findall(rf"{re.escape(str(file))}:\d+: claims\.", result.stdout)) == 2
    document = json.loads(world.run("contract", "lint", "--format", "json", str(file)).stdout)
    assert [fault["path"] for fault in document["errors"]] == [
        "claims.clearance.schema.minimum",
        "claims.suspended.schema.type",
    ]


def test_lint_warns_and_fails_on_warnings_only_if_asked(world: World, tmp_path: Path) -> None:
    file = tmp_path / "orders" / "1.0.0.yaml"
    file.parent.mkdir()
    text = (ROOT / "contracts" / "orders" / "1.0.0.yaml").read_text()
    file.write_text(text.replace("    description: True while the principal must not act.\n", ""))
    result = world.run("contract", "lint", str(file))
    assert result.exit_code == 0
    assert "claim_undescribed" in result.stdout
    assert world.run("contract", "lint", "--strict", str(file)).exit_code == 3


@pytest.mark.parametrize(
    ("algorithms", "fails"),
    [("RS256, PS256", True), ("RS256, RS512, ES256", True), ("PS256", False), ("ES256, ES384, EdDSA, Ed25519", False)],
)
def test_lint_fails_on_a_choice_of_algorithms_for_one_key(
    world: World, tmp_path: Path, algorithms: str, fails: bool
) -> None:
    file = tmp_path / "orders" / "1.0.0.yaml"
    file.parent.mkdir()
    text = (ROOT / "contracts" / "orders" / "1.0.0.yaml").read_text()
    file.write_text(text.replace("[RS256, ES256, EdDSA]", f"[{algorithms}]"))
    result = world.run("contract", "lint", str(file))
    assert result.exit_code == (2 if fails else 0)
    assert (f"{file}:8: tokens.access_token.algorithms: permits" in result.stdout) is fails


def test_show_prints_claims_by_scope_and_kind_of_token(world: World) -> None:
    printed = world.run("contract", "show", "payments").stdout
    assert re.search(r"single_limit +optional +internal +access_token +create +integer", printed)
    assert re.search(r"iban +optional +secret +userinfo", printed)


def test_show_exports_the_schema_of_the_policy_input(world: World) -> None:
    schema = json.loads(world.run("contract", "show", "orders", "--json-schema").stdout)
    claims = schema["properties"]["subject"]["properties"]["claims"]
    assert set(claims["properties"]) == {"tenant", "roles", "clearance", "suspended"}
    assert claims["additionalProperties"] is False


def test_lock_is_written_again_without_a_difference(world: World) -> None:
    names = ["contracts/contracts.lock", "contracts/release/bundle.tar.gz", "contracts/release/lockdown.tar.gz"]
    before = {name: (world.folder / name).read_bytes() for name in names}
    assert world.run("contract", "lock").exit_code == 0
    assert {name: (world.folder / name).read_bytes() for name in names} == before


def test_what_is_committed_is_what_lock_writes(world: World) -> None:
    """The lock, the release and the lockdown in the repository are fresh."""
    assert world.run("contract", "lock").exit_code == 0
    for name in ("contracts/contracts.lock", "contracts/release/bundle.tar.gz", "contracts/release/lockdown.tar.gz"):
        assert (world.folder / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_lock_refuses_a_published_version_that_was_changed(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.folder / "contracts", tmp_path / "contracts")
    file = tmp_path / "contracts" / "orders" / "1.0.0.yaml"
    file.write_text(file.read_text().replace("maximum: 5", "maximum: 9", 1))
    other = World(world.folder)
    other.environment |= {"ENTITLEMENTS_CONTRACTS": str(tmp_path / "contracts")}
    before = (tmp_path / "contracts" / "contracts.lock").read_bytes()
    result = other.run("contract", "lock")
    assert result.exit_code == 2
    assert "make it a new version" in result.stderr
    assert (tmp_path / "contracts" / "contracts.lock").read_bytes() == before


@pytest.mark.parametrize("pair", ["orders", "=1.0.0", "orders="])
def test_lock_with_a_malformed_pin_is_a_usage_error(world: World, pair: str) -> None:
    assert world.run("contract", "lock", "--pin", pair).exit_code == 2


def test_output_has_no_colours_where_nobody_looks(world: World) -> None:
    result = world.run(*READ, "--property", "tenant=t_2", text=world.token())
    assert "\x1b" not in result.output


def test_wrong_settings_are_told_with_exit_code_2(world: World) -> None:
    other = World(world.folder)
    other.environment |= {"ENTITLEMENTS_LEEWAY": "soon", "ENTITLEMENTS_TYPO": "1"}
    result = other.run("contract", "show", "orders")
    assert result.exit_code == 2
    assert "ENTITLEMENTS_LEEWAY" in result.stderr
    assert "ENTITLEMENTS_TYPO" in result.stderr
