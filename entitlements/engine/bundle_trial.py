"""Whether OPA activates a bundle: tried by a process of its own, for the reason, which a server does not tell."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

_SECONDS = 60
_MAX_TEXT = 500


def refusal(executable: Path, bundle: bytes) -> str:
    """Why OPA does not activate the bundle, in its own words with file and line; empty where it does.

    Raises OSError where the trial cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="entitlements-") as work:
        (Path(work) / "bundle.tar.gz").write_bytes(bundle)
        try:
            done = subprocess.run(
                [str(executable), "eval", "--format", "json", "--bundle", "bundle.tar.gz", "true"],
                capture_output=True,
                cwd=work,
                env={},
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.SubprocessError as error:
            raise OSError("the OPA executable did not end in time") from error
    return "" if done.returncode == 0 else _reason(done)


def named_revision(bundle: bytes) -> str:
    """The revision that the manifest of a bundle names; empty where there is none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:gz") as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None and member.name.lstrip("./") == "manifest":
                    return str(json.load(file).get("revision", ""))
    except (OSError, tarfile.TarError, ValueError, AttributeError):
        pass
    return ""


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    try:
        errors: list[dict[str, Any]] = json.loads(done.stdout)["errors"]
        text = "; ".join(map(_one, errors))
    except (ValueError, KeyError, TypeError, AttributeError):
        text = (done.stderr or done.stdout).decode(errors="replace").strip()
    return " ".join(text.split())[:_MAX_TEXT] or f"OPA ended with status {done.returncode}"


def _one(error: dict[str, Any]) -> str:
    location = error.get("location") or {}
    file = str(location.get("file", "")).removeprefix("./").lstrip("/")
    place = f"{file}:{location.get('row', 0)}: " if file else ""
    return f"{place}{error.get('message', '')}"
