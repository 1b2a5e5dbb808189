"""Keycloak's own distribution, fetched by Maven, checked, unpacked and built once into .tools."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

from tests.issuers.installing import TOOLS, NotInstalled, made_beside, run

VERSION = "26.7.3"
SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
ZIP_SETTING = "KEYCLOAK_ZIP"
# Built once: the database is in memory, so that every run has a server without a past.
DATABASE = "dev-mem"
_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"
_FETCH_SECONDS = _BUILD_SECONDS = 600


class ToolMissing(Exception):
    """Something that the stage cannot do without is not on this machine. The message is one line."""


def keycloak() -> Path:
    """The folder of a distribution that was built. Raises ToolMissing, or NotInstalled where it cannot be fetched."""
    _need_java()
    target = TOOLS / f"keycloak-{VERSION}-{SHA256[:16]}-{DATABASE}"
    if target.is_dir():
        return target
    with made_beside(target) as making:
        archive = _archive(making)
        found = _sha256(archive)
        if found != SHA256:
            raise NotInstalled(f"{archive.name} has the SHA-256 {found}, not {SHA256}")
        _unpack(archive, making)
        run([str(making / "bin/kc.sh"), "build", f"--db={DATABASE}"], making, _BUILD_SECONDS)
    return target


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin/java") if home else shutil.which("java")
    if not java or not Path(java).is_file():
        raise ToolMissing("Java 17 or later is needed, on PATH or in JAVA_HOME")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        raise ToolMissing(f"Java 17 or later is needed, `{java}` is {version[1] if version else 'none'}")


def _archive(making: Path) -> Path:
    """The zip, from where a setting says that it is or by Maven, which knows where its repositories are."""
    by_hand = os.environ.get(ZIP_SETTING)
    if by_hand:
        if not Path(by_hand).is_file():
            raise ToolMissing(f"{ZIP_SETTING} names `{by_hand}`, where no file is")
        return Path(by_hand)
    maven = shutil.which("mvn")
    if not maven:
        raise ToolMissing(f"Maven (`mvn`) is needed on PATH, or {ZIP_SETTING} has to name keycloak-{VERSION}.zip")
    options = [f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={making}"]
    run([maven, "--batch-mode", "--quiet", _COPY, *options], making, _FETCH_SECONDS)
    return making / f"keycloak-quarkus-dist-{VERSION}.zip"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, making: Path) -> None:
    """What the archive holds in its one folder, into `making`."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(making)
    folder = making / f"keycloak-{VERSION}"
    for entry in folder.iterdir():
        entry.rename(making / entry.name)
    folder.rmdir()
    if archive.parent == making:
        archive.unlink()
    for script in (making / "bin").glob("*.sh"):
        script.chmod(0o755)
