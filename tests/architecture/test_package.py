"""What the package says of itself: one version, a licence, dependencies that it really uses, bounds that are tested."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = DOCUMENT["project"]
# The name of a distribution, where it is another than that of the module which is imported.
DISTRIBUTIONS = {
    "jwt": "pyjwt",
    "yaml": "pyyaml",
    "opa_client": "opa-python-client",
    "jsonschema_rs": "jsonschema-rs",
    "prometheus_client": "prometheus-client",
    "z3": "z3-solver",
}
# Data that is read by the name of its package, so that its absence is a fault of a contract that needs it.
READ = {"tzdata"}
# Loaded by pytest itself (the plugin), which is there whenever it is needed.
BROUGHT_ALONG = {"pytest"}


def bounds(requirements: list[str]) -> dict[str, str]:
    """The version that each requirement names, by the name of the package."""
    found = (re.fullmatch(r"([a-z0-9-]+)[>=]=([0-9.]+)", line) for line in requirements)
    return {match[1]: match[2] for match in found if match}


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([0-9.]+)", (ROOT / lock).read_text(), re.M))


def numbers(version: str) -> list[int]:
    """A version as numbers, without zeros at its end: 3.1 and 3.1.0 are the same release."""
    found = [int(part) for part in version.split(".")]
    while found and found[-1] == 0:
        found.pop()
    return found


def imported() -> set[str]:
    """The top-level modules that the package imports."""
    found: set[str] = set()
    for file in (ROOT / "entitlements").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    assert DOCUMENT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "entitlements.__version__"}


def test_the_version_can_be_read_without_importing_the_package() -> None:
    tree = ast.parse((ROOT / "entitlements" / "__init__.py").read_text())
    (value,) = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    assert isinstance(value, ast.Constant)
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(value.value))


def test_the_licence_is_named_and_there_in_full() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert PROJECT["license-files"] == ["LICENSE"]
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    for number, title in enumerate(["Definitions", "Grant of Copyright License", "Grant of Patent License"], start=1):
        assert f"{number}. {title}." in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("field", ["authors", "classifiers", "description", "keywords", "readme", "requires-python"])
def test_the_package_describes_itself(field: str) -> None:
    assert PROJECT[field]
    assert "OWNER" not in str(PROJECT[field])


def test_what_is_imported_is_required_and_nothing_else() -> None:
    import sys

    outside = imported() - set(sys.stdlib_module_names) - {"entitlements"} - BROUGHT_ALONG
    required = {*bounds(PROJECT["dependencies"]), *bounds(PROJECT["optional-dependencies"]["double-check"])}
    assert {DISTRIBUTIONS.get(name, name) for name in outside} | READ == required


def test_every_requirement_has_a_lower_bound() -> None:
    assert len(bounds(PROJECT["dependencies"])) == len(PROJECT["dependencies"])


def test_the_lower_bounds_are_what_make_lowest_installs() -> None:
    lowest = pins("requirements-lowest.lock")
    for name, version in bounds(PROJECT["dependencies"]).items():
        # z3-solver counts its builds in a fourth number.
        assert numbers(lowest[name]) == numbers(version), name


def test_the_locked_versions_are_permitted() -> None:
    locked = pins("requirements.lock")
    for name, version in bounds(PROJECT["dependencies"]).items():
        assert numbers(locked[name]) >= numbers(version), name


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-docs.lock",
        "requirements-double-check.lock",
        "requirements-lowest.lock",
    ],
)
def test_locked_packages_are_pinned_by_hash_and_name_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index" not in text


def test_the_development_lock_holds_what_the_service_runs_with() -> None:
    development = pins("requirements-dev.lock")
    for name, version in pins("requirements.lock").items():
        assert development[name] == version, name


def test_the_second_solver_is_the_one_that_the_tests_try() -> None:
    assert pins("requirements-double-check.lock") == {"cvc5": pins("requirements-dev.lock")["cvc5"]}


def test_the_image_is_built_from_every_file_that_the_package_names() -> None:
    copied = re.findall(r"^COPY (.*) \./$", (ROOT / "Dockerfile").read_text(), re.M)
    sent = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M))
    needed = {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]}
    assert needed <= set(" ".join(copied).split())
    assert needed <= sent
