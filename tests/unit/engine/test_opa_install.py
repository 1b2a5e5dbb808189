"""The pinned OPA comes checked, or nothing is installed: against a real release server, and a `go` that is a script."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.engine.opa_install import OPA_VERSION, asset
from entitlements.engine.opa_install import main as fetch_opa

ROOT = Path(__file__).resolve().parents[3]
GOOD = f"#!/bin/sh\necho 'Version: {OPA_VERSION}'\n".encode()
SUM = "h1:WzqReKk2VjcvBN/NQTlcIxKqFPKpzIdb6KYMHzPEbe0="
NAME = asset(platform.system(), platform.machine())


@dataclass
class Page:
    """A release page: what stands at which path."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, content: bytes, *, digest: str | None = None) -> None:
        path = f"/v{OPA_VERSION}/{NAME}"
        digest = hashlib.sha256(content).hexdigest() if digest is None else digest
        self.files = {path: content, f"{path}.sha256": f"{digest}  {NAME}\n".encode()}


@pytest.fixture
def page() -> Iterator[Page]:
    found = Page()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            body = found.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        found.address = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join(30)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def go(folder: Path, *, listed: str = SUM) -> Path:
    """A `go` that lists a module by this sum, and whose `install` makes an OPA."""
    install = f"printf '%s\\n' '#!/bin/sh' \"echo 'Version: {OPA_VERSION}'\" > \"$GOBIN/opa\""
    absolute = 'case "$GOBIN" in /*) ;; *) echo "GOBIN must be an absolute path" >&2; exit 1 ;; esac'
    program(folder / "go", f'case "$1" in mod) echo \'{{"Sum": "{listed}"}}\' ;; *) {absolute}; {install} ;; esac\n')
    return folder


def run(folder: Path, page: Page, *options: str, path: Path | str = "/nowhere") -> Result:
    arguments = ["opa", "install", "--into", str(folder / "tools"), "--from", page.address, *options]
    result = CliRunner().invoke(main, arguments, env={"PATH": f"{path}:/usr/bin:/bin"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def nothing_installed(folder: Path) -> bool:
    return not list((folder / "tools").glob("*")) and not list((folder / "tools").glob(".*"))


def test_the_release_is_installed_once_its_digest_holds(tmp_path: Path, page: Page) -> None:
    page.publish(GOOD)
    result = run(tmp_path, page)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "tools" / "opa").read_bytes() == GOOD
    assert f"ENTITLEMENTS_OPA_BIN={tmp_path / 'tools' / 'opa'}" in result.stdout
    assert [one.name for one in (tmp_path / "tools").iterdir()] == ["opa"]


def test_what_is_installed_already_is_not_downloaded_again(tmp_path: Path, page: Page) -> None:
    page.publish(GOOD)
    run(tmp_path, page)
    page.asked.clear()
    assert run(tmp_path, page).exit_code == 0
    assert page.asked == []


def test_another_version_is_replaced(tmp_path: Path, page: Page) -> None:
    page.publish(GOOD)
    old = program(tmp_path / "tools" / "opa", "echo 'Version: 0.60.0'\n")
    assert run(tmp_path, page).exit_code == 0
    assert old.read_bytes() == GOOD


@pytest.mark.parametrize("digest", ["0" * 64, "", "0" * 63, "x" * 64])
def test_a_digest_that_differs_installs_nothing_and_nothing_is_built_instead(
    tmp_path: Path, page: Page, digest: str
) -> None:
    page.publish(GOOD, digest=digest)
    result = run(tmp_path, page, path=go(tmp_path / "bin"))
    assert result.exit_code == 2
    assert "SHA-256" in result.stderr
    assert nothing_installed(tmp_path)


def test_a_named_digest_goes_before_the_published_one(tmp_path: Path, page: Page) -> None:
    page.publish(GOOD, digest="0" * 64)
    named = hashlib.sha256(GOOD).hexdigest()
    assert run(tmp_path, page, "--sha256", named.upper()).exit_code == 0
    page.publish(GOOD + b"\n")
    assert run(tmp_path, page, "--sha256", named).exit_code == 2


def test_a_named_digest_is_never_answered_by_a_build(tmp_path: Path, page: Page) -> None:
    result = run(tmp_path, page, "--sha256", "0" * 64, path=go(tmp_path / "bin"))
    assert result.exit_code == 2
    assert "a SHA-256 was named" in result.stderr
    assert nothing_installed(tmp_path)


def test_a_file_that_runs_as_another_version_is_not_installed(tmp_path: Path, page: Page) -> None:
    page.publish(b"#!/bin/sh\necho 'Version: 1.22.20'\n")
    result = run(tmp_path, page)
    assert result.exit_code == 2
    assert "OPA 1.22.20" in result.stderr
    assert nothing_installed(tmp_path)


def test_without_the_release_page_it_is_built_with_go(tmp_path: Path, page: Page) -> None:
    result = run(tmp_path, page, path=go(tmp_path / "bin"))
    assert result.exit_code == 0, result.output
    assert "status 404" in result.stdout
    assert "go install" in result.stdout
    assert (tmp_path / "tools" / "opa").read_bytes() == GOOD


def test_go_builds_into_a_relative_folder(tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `make setup` on a fresh machine without the release page: `go` takes absolute places only."""
    monkeypatch.chdir(tmp_path)
    result = run(Path(), page, path=go(tmp_path / "bin"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "tools" / "opa").read_bytes() == GOOD


def test_a_go_module_of_another_sum_is_not_built(tmp_path: Path, page: Page) -> None:
    result = run(tmp_path, page, path=go(tmp_path / "bin", listed="h1:other="))
    assert result.exit_code == 2
    assert "h1:other=" in result.stderr
    assert nothing_installed(tmp_path)


def test_what_go_says_is_told_where_it_fails(tmp_path: Path, page: Page) -> None:
    program(tmp_path / "bin" / "go", "echo no such module >&2; exit 1\n")
    result = run(tmp_path, page, path=tmp_path / "bin")
    assert result.exit_code == 2
    assert "no such module" in result.stderr


def test_without_page_and_go_the_cure_is_named(tmp_path: Path, page: Page) -> None:
    result = run(tmp_path, page)
    assert result.exit_code == 2
    assert "no go is installed" in result.stderr
    assert "ENTITLEMENTS_OPA_BIN" in result.stderr


def test_an_opa_of_this_version_on_the_path_is_copied(tmp_path: Path, page: Page) -> None:
    program(tmp_path / "bin" / "opa", f"echo 'Version: {OPA_VERSION}'\n")
    assert run(tmp_path, page, path=tmp_path / "bin").exit_code == 0
    assert page.asked == []


def test_an_address_without_tls_is_refused(tmp_path: Path) -> None:
    for address in ("http://mirror.example.com/opa", "ftp://mirror.example.com", "/etc"):
        result = run(tmp_path, Page(address))
        assert result.exit_code == 2
        assert "is not an https address" in result.stderr


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, page: Page) -> None:
    (tmp_path / "tools").write_text("a file")
    result = run(tmp_path, page)
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "opa_linux_amd64_static"),
        ("Linux", "aarch64", "opa_linux_arm64_static"),
        ("Darwin", "arm64", "opa_darwin_arm64_static"),
        ("Darwin", "x86_64", "opa_darwin_amd64"),
        ("Windows", "AMD64", "opa_windows_amd64.exe"),
    ],
)
def test_each_platform_has_its_file(system: str, machine: str, name: str) -> None:
    assert asset(system, machine) == name


def test_the_script_runs_before_anything_is_installed(tmp_path: Path) -> None:
    """It takes what PATH has; isolated from this environment's packages and from ours."""
    program(tmp_path / "bin" / "opa", f"echo 'Version: {OPA_VERSION}'; yes | head -n 100000\n")
    for _ in range(2):
        done = subprocess.run(
            [str(ROOT / "scripts" / "fetch-opa"), OPA_VERSION, str(tmp_path / "tools")],
            env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "tools" / "opa").exists()


def test_the_script_installs_no_other_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch_opa(["0.60.0", str(tmp_path)]) == 2
    assert OPA_VERSION in capsys.readouterr().err
