"""The executable is the pinned one, or the service does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.engine import OPA_VERSION, Opa, find_opa
from entitlements.errors import StartupFault


def script(path: Path, prints: str, *, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{prints}\n")
    path.chmod(mode)
    return path


def good(path: Path) -> Path:
    return script(path, f"echo 'Version: {OPA_VERSION}'\necho 'Build Commit: x'")


def refused(*, configured: str = "", tools: Path, search_path: str = "") -> StartupFault:
    with pytest.raises(StartupFault) as caught:
        find_opa(configured=configured, tools=tools, search_path=search_path)
    return caught.value


def test_the_real_executable_is_found(opa: Opa) -> None:
    assert find_opa(configured=str(opa), tools=Path("/nowhere"), search_path="") == opa.executable
    assert find_opa(configured="", tools=opa.executable.parent, search_path="") == opa.executable
    assert find_opa(configured="", tools=Path("/nowhere"), search_path=str(opa.executable.parent)) == opa.executable


def test_the_configured_one_goes_before_the_tools_and_these_before_the_path(tmp_path: Path) -> None:
    configured, tool, found = (good(tmp_path / name / "opa") for name in ("configured", "tools", "path"))
    search_path = str(found.parent)
    assert find_opa(configured=str(configured), tools=tool.parent, search_path=search_path) == configured
    assert find_opa(configured="", tools=tool.parent, search_path=search_path) == tool
    assert find_opa(configured="", tools=tmp_path, search_path=search_path) == found


def test_nothing_stands_in_for_a_configured_one_that_is_absent(tmp_path: Path) -> None:
    tool = good(tmp_path / "tools" / "opa")
    fault = refused(configured=str(tmp_path / "nowhere"), tools=tool.parent, search_path=str(tool.parent))
    assert fault.code == "opa_not_found"
    assert "entitlements opa install" in fault.message


def test_nothing_stands_in_for_a_tool_of_another_version(tmp_path: Path) -> None:
    script(tmp_path / "tools" / "opa", "echo 'Version: 0.60.0'")
    found = good(tmp_path / "path" / "opa")
    fault = refused(tools=tmp_path / "tools", search_path=str(found.parent))
    assert fault.code == "opa_version"
    assert "OPA 0.60.0" in fault.message


def test_no_executable_at_all_is_opa_not_found(tmp_path: Path) -> None:
    assert refused(tools=tmp_path).code == "opa_not_found"
    assert refused(tools=tmp_path, search_path=str(tmp_path)).code == "opa_not_found"


def test_a_folder_or_a_file_that_may_not_run_is_opa_not_found(tmp_path: Path) -> None:
    (tmp_path / "folder" / "opa").mkdir(parents=True)
    script(tmp_path / "file" / "opa", "echo", mode=0o644)
    for name in ("folder", "file"):
        assert refused(tools=tmp_path / name).code == "opa_not_found"
        assert refused(configured=str(tmp_path / name / "opa"), tools=tmp_path).code == "opa_not_found"


@pytest.mark.parametrize(
    "prints",
    [
        "echo 'Version: 1.22.20'",
        "echo 'Version: 1.22.2-dev'",
        "echo 'version: 1.22.2'",
        "echo '1.22.2'",
        "echo; echo 'Version: 1.22.2'",
        "exit 1",
        "",
        "kill -9 $$",
    ],
)
def test_anything_that_does_not_name_the_pinned_version_is_opa_version(tmp_path: Path, prints: str) -> None:
    path = script(tmp_path / "opa", prints)
    assert refused(configured=str(path), tools=tmp_path).code == "opa_version"


def test_a_file_that_is_no_program_is_opa_version(tmp_path: Path) -> None:
    path = tmp_path / "opa"
    path.write_bytes(b"\x7fELF not at all")
    path.chmod(0o755)
    assert refused(configured=str(path), tools=tmp_path).code == "opa_version"
