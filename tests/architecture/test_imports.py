"""The rooms may only import downwards, each outside library lives in its rooms, and key types are made in one room."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "entitlements"
BASE = {"model", "errors", "addresses", "algorithms", "answer_shape"}
BASE |= {"files", "git", "profiles", "schema_files", "terminal"}
CAPABILITIES = {"token", "contract", "engine", "decision_log", "release"}
MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "errors": set(),
    "addresses": set(),
    "algorithms": set(),
    "answer_shape": set(),
    "files": set(),
    "schema_files": set(),
    "git": set(),
    "terminal": set(),
    "profiles": {"model"},
    "strict_json": BASE,
    "folder": BASE,
    "positions": BASE,
    "http_answer": set(),
    "settings_reader": BASE,
    "settings": BASE | {"folder", "settings_reader"},
    **{room: BASE | {"strict_json", "folder", "positions"} for room in CAPABILITIES - {"engine"}},
    "engine": BASE | {"strict_json", "folder", "positions", "http_answer"},
    "client": {"model", "errors", "strict_json", "http_answer"},
    "pair": BASE | CAPABILITIES,
    "decision_record": BASE | {"contract", "decision_log"},
    "admission": BASE | {"contract"},
    "pdp": BASE | CAPABILITIES | {"admission", "pair", "decision_record"},
    "lean_pdp": BASE | CAPABILITIES | {"admission", "pair", "decision_record", "pdp"},
    "batch": BASE | {"pdp"},
    "proof": BASE | {"folder", "contract", "engine"},
    "checking": BASE | {"strict_json", "folder", "contract", "engine", "release", "proof"},
    "deployment": BASE | {"folder", "contract", "engine", "release", "proof", "checking"},
    "pairs": BASE | CAPABILITIES | {"folder", "pair", "deployment"},
    "readiness": BASE | CAPABILITIES | {"pair", "pairs"},
    "local_opa": {"engine", "settings"},
    "key_ring": BASE | {"settings", "settings_reader", "token"},
    "issuer_check": BASE | {"token", "contract"},
    "endpoint_ring": BASE | {"settings", "token", "key_ring"},
    "wiring": BASE
    | CAPABILITIES
    | {
        "endpoint_ring",
        "pair",
        "folder",
        "pdp",
        "lean_pdp",
        "settings",
        "deployment",
        "pairs",
        "readiness",
        "key_ring",
        "local_opa",
    },
    "web": BASE | {"strict_json", "pdp", "lean_pdp", "batch", "settings", "readiness", "wiring"},
    "cli": BASE
    | CAPABILITIES
    | {
        "strict_json",
        "pdp",
        "proof",
        "checking",
        "deployment",
        "settings",
        "settings_reader",
        "issuer_check",
        "endpoint_ring",
        "key_ring",
        "local_opa",
        "wiring",
        "web",
    },
    "contract_tests": BASE | CAPABILITIES | {"checking", "proof", "deployment", "settings", "local_opa"},
    "pytest_plugin": {"contract_tests"},
    "__main__": {"cli"},
    "__init__": set(),
}
# The sub-rooms of the symbolic proof: a file imports from its own room and from these, whatever else the proof is.
SYMBOLIC: dict[str, set[str]] = {
    "terms": set(),
    "values": {"terms"},
    "inputs": {"terms", "values"},
    "execution": {"terms", "values"},
    "builtins": {"terms", "values"},
    "smt": {"terms", "values"},
}
LIBRARIES = {
    "jwt": {"token", "release"},
    "cryptography": {"token"},
    "opa_client": {"engine"},
    "requests": {"token"},
    "urllib3": {"engine"},
    "yaml": {"contract", "positions"},
    "jsonschema_rs": {"contract"},
    "rfc8785": {"contract", "proof"},
    "rstr": {"proof"},
    "z3": {"proof"},
    "cvc5": {"proof"},
    "marshmallow": {"contract", "web"},
    "flask": {"web", "client"},
    "werkzeug": {"web"},
    "granian": {"web"},
    "prometheus_client": {"web"},
    "click": {"cli", "terminal"},
    "pytest": {"pytest_plugin", "contract_tests"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "entitlements" else {module}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_imports_downwards_and_only_its_rooms_libraries(path: Path) -> None:
    import sys

    room = room_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "entitlements":
            other = rest.partition(".")[0]
            # `from entitlements import __version__` names no room
            assert other in MAY_IMPORT[room] | {room, "__version__", ""}, f"{room} must not import {other}"
        elif top not in sys.stdlib_module_names:
            assert room in LIBRARIES[top], f"{room} must not import {top}"


@pytest.mark.parametrize("room", SYMBOLIC)
def test_a_sub_room_of_the_proof_imports_downwards(room: str) -> None:
    files = [path for path in FILES if path.parent == PACKAGE / "proof" / "symbolic" / room]
    names = {name for path in files for name in imports(path) if name.startswith("entitlements.proof.symbolic.")}
    assert files
    assert {name.split(".")[3] for name in names} <= SYMBOLIC[room] | {room}


def test_the_enumeration_does_not_know_the_symbolic_proof() -> None:
    names = {name for path in FILES if path.parent.name == "enumeration" for name in imports(path)}
    assert not [name for name in names if "symbolic" in name]


def modules(room: Path) -> dict[str, set[str]]:
    """The modules of a room, each with those of the room that it imports."""
    prefix = ".".join(room.relative_to(PACKAGE.parent).parts) + "."
    return {
        path.stem: {name.removeprefix(prefix) for name in imports(path) if name.startswith(prefix)}
        for path in room.glob("*.py")
    }


@pytest.mark.parametrize("room", SYMBOLIC)
def test_no_circle_within_a_sub_room_of_the_proof(room: str) -> None:
    found = modules(PACKAGE / "proof" / "symbolic" / room)
    while leaves := {name for name, others in found.items() if not others & found.keys()}:
        found = {name: others for name, others in found.items() if name not in leaves}
    assert found == {}


def calls_of(name: str) -> set[str]:
    return {
        room_of(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    }


def test_verified_claims_are_made_in_the_token_room_only() -> None:
    # The command line makes some of unverified claims, to name violations; it decides nothing with them.
    assert calls_of("VerifiedClaims") == {"token", "cli"}


def test_principals_are_made_in_the_contract_room_only() -> None:
    # The proof makes some of permitted claims, to ask about them; none of them is served.
    assert calls_of("Principal") == {"contract", "proof"}


def test_verdicts_are_made_in_the_engine_room_only() -> None:
    assert calls_of("Verdict") == {"engine"}


def test_the_environment_is_read_at_the_edges_only() -> None:
    readers = {path.relative_to(PACKAGE).as_posix() for path in FILES if "os.environ" in path.read_text()}
    # opa_install.py is run as a script, too, before anything is installed.
    # git is run as its caller has it.
    edges = {"cli/render.py", "cli/opa.py", "web/serving.py", "contract_tests.py", "git.py", "terminal.py"}
    assert readers <= edges | {"engine/opa_install.py"}


def test_certificates_are_always_verified() -> None:
    assert not [path for path in FILES if "verify=False" in path.read_text()]


def test_no_file_is_longer_than_three_hundred_lines() -> None:
    assert not [path for path in FILES if len(path.read_text().splitlines()) > 300]
