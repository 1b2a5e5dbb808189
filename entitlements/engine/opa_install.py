"""Installs the pinned OPA: from OPA's release page, or by `go install` where only the Go module proxy is reached.

Standard library only and no import of ours: `scripts/fetch-opa` runs this file before anything is installed.

What is checked. The release page's file is held against the SHA-256 that the caller names; without one, against the
`.sha256` file of the same page, which finds a broken download and pins nothing beyond TLS. The Go module is held
against the sum below, which sum.golang.org lists for this version.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

OPA_VERSION = "1.22.2"
RELEASES = "https://github.com/open-policy-agent/opa/releases/download"
_MODULE = f"github.com/open-policy-agent/opa@v{OPA_VERSION}"
_MODULE_SUM = "h1:WzqReKk2VjcvBN/NQTlcIxKqFPKpzIdb6KYMHzPEbe0="
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_REACH_SECONDS, _DOWNLOAD_SECONDS, _BUILD_SECONDS = 10.0, 300.0, 1800.0
_MAX_BYTES = 256 * 1024 * 1024
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class InstallFailed(Exception):
    """Nothing was installed; the message says why and what to do."""


class _NotReached(Exception):
    """The release page gave no file; the message says why."""


def install(
    folder: Path,
    *,
    releases: str = RELEASES,
    sha256: str = "",
    search_path: str = "",
    tell: Callable[[str], None],
) -> Path:
    """Put the pinned OPA at `folder`/opa and give its path; what is there already and runs as that version stays.

    releases: the address under which `v<version>/<asset>` is found; sha256: what the asset must be, in hexadecimal;
    search_path: where an OPA of this version may be copied from and `go` is looked for; tell: hears of the long steps.
    Raises InstallFailed.
    """
    target = folder / "opa"
    if version_of(target) == OPA_VERSION and not sha256:
        return target
    _checked_address(releases)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the last step is one rename: whoever runs at the same time sees all or nothing.
        with tempfile.TemporaryDirectory(prefix=".opa-", dir=folder) as work:
            made = _obtain(Path(work), releases=releases, sha256=sha256, search_path=search_path, tell=tell)
            made.chmod(0o755)
            if (found := version_of(made)) != OPA_VERSION:
                raise InstallFailed(f"what was fetched runs as OPA {found}, not {OPA_VERSION}; nothing was installed")
            made.replace(target)
    except OSError as error:
        raise InstallFailed(f"`{folder}` cannot be written: {error.strerror or error}") from error
    return target


def version_of(executable: str | Path) -> str:
    """What `opa version` says of itself; `?` where it does not run or says something else."""
    try:
        done = subprocess.run(
            [str(executable), "version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return "?"
    first = done.stdout.decode(errors="replace").partition("\n")[0]
    return first.removeprefix("Version: ") if first.startswith("Version: ") else "?"


def asset(system: str, machine: str) -> str:
    """The name of the release's file for a platform, as `platform.system()` and `.machine()` name it."""
    name = f"opa_{system.lower()}_{_MACHINES.get(machine.lower(), machine.lower())}"
    if system == "Windows":
        return f"{name}.exe"
    return name if name == "opa_darwin_amd64" else f"{name}_static"


def _checked_address(releases: str) -> None:
    parts = urllib.parse.urlsplit(releases)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InstallFailed(f"`{releases}` is not an https address")


def _obtain(work: Path, *, releases: str, sha256: str, search_path: str, tell: Callable[[str], None]) -> Path:
    if not sha256 and (copied := _copied(work, search_path)):
        tell(f"Using the OPA {OPA_VERSION} found at PATH.")
        return copied
    try:
        tell(f"Downloading OPA {OPA_VERSION} ...")
        return _downloaded(work, releases, sha256)
    except _NotReached as error:
        go = shutil.which("go", path=search_path) if search_path else None
        if sha256 or go is None:
            raise InstallFailed(_not_to_be_had(error, go)) from error
        tell(f"The release page is not reached ({error}).")
        tell(f"Building OPA {OPA_VERSION} with go install (some minutes, once) ...")
        return _built(work, go)


def _not_to_be_had(error: _NotReached, go: str | None) -> str:
    also = "and no go is installed" if go is None else "and a SHA-256 was named, so that it is not built with go"
    return (
        f"OPA {OPA_VERSION} could not be had: the release page is not reached ({error}) {also}; "
        "put the executable into `.tools/opa`, or name it in ENTITLEMENTS_OPA_BIN"
    )


def _copied(work: Path, search_path: str) -> Path | None:
    found = shutil.which("opa", path=search_path) if search_path else None
    if found is None or version_of(found) != OPA_VERSION:
        return None
    return Path(shutil.copyfile(found, work / "opa"))


def _downloaded(work: Path, releases: str, sha256: str) -> Path:
    address = f"{releases.rstrip('/')}/v{OPA_VERSION}/{asset(platform.system(), platform.machine())}"
    path = work / "opa"
    with path.open("wb") as file:
        found = _fetch(address, file.write)
    if not sha256:
        published: list[bytes] = []
        _fetch(f"{address}.sha256", published.append)
        sha256 = b"".join(published).decode("latin-1").partition(" ")[0].strip()
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256) or not hmac.compare_digest(sha256.lower(), found):
        raise InstallFailed(f"the SHA-256 of `{address}` is {found}, not `{sha256[:64]}`; nothing was installed")
    return path


def _fetch(address: str, write: Callable[[bytes], object]) -> str:
    """Read what stands at an address, within a time and a size; gives its SHA-256. Raises _NotReached."""
    # Loaded for a download only: every command that runs OPA asks this module for its version.
    import urllib.error
    import urllib.request

    deadline, digest, size = time.monotonic() + _DOWNLOAD_SECONDS, hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(address, timeout=_REACH_SECONDS) as answer:  # noqa: S310 (https, or loopback)
            while chunk := answer.read(65536):
                digest.update(chunk)
                size += len(chunk)
                if size > _MAX_BYTES or time.monotonic() > deadline:
                    raise _NotReached("the download is too large or too slow")
                write(chunk)
    except urllib.error.HTTPError as error:
        error.close()
        raise _NotReached(f"status {error.code}") from error
    except (OSError, ValueError) as error:
        raise _NotReached(str(getattr(error, "reason", error))) from error
    return digest.hexdigest()


def _built(work: Path, go: str) -> Path:
    listed = re.search(r'"Sum": *"([^"]*)"', _go([go, "mod", "download", "-json", _MODULE], work, {}))
    found = listed[1] if listed else "not told"
    if found != _MODULE_SUM:
        raise InstallFailed(f"the sum of the Go module is {found}, not {_MODULE_SUM}; nothing was installed")
    _go([go, "install", "-ldflags", "-s -w", _MODULE], work, {"GOBIN": str(work.absolute()), "CGO_ENABLED": "0"})
    return work / "opa"


def _go(command: list[str], work: Path, changes: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env={**os.environ, **changes},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InstallFailed(f"`go {command[1]}` did not end: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-5:]
        raise InstallFailed("\n  ".join([f"`go {command[1]}` failed", *said]))
    return done.stdout.decode(errors="replace")


def main(arguments: list[str]) -> int:
    """`scripts/fetch-opa VERSION FOLDER`. Returns the exit status."""
    if len(arguments) != 2 or arguments[0] != OPA_VERSION:
        print(f"usage: fetch-opa {OPA_VERSION} FOLDER (this package is for OPA {OPA_VERSION})", file=sys.stderr)
        return 2
    try:
        install(Path(arguments[1]), search_path=os.environ.get("PATH", ""), tell=lambda line: print(line, flush=True))
    except InstallFailed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
