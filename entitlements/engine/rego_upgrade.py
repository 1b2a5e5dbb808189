"""Policies in the syntax of Rego v0, rewritten to Rego v1 by OPA's own formatter.

https://www.openpolicyagent.org/docs/v0-upgrade: `opa fmt --v0-v1` keeps the meaning of a module; the imports that both
syntaxes need are dropped in a second run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entitlements.engine.opa import Opa
from entitlements.errors import Fault


@dataclass(frozen=True)
class Upgrade:
    """The policy files after an upgrade. changed: names of the modules that were rewritten; faults: of modules that
    are neither Rego v0 nor v1, which are kept as they are.
    """

    files: Mapping[str, bytes]
    changed: tuple[str, ...]
    faults: tuple[Fault, ...]


def upgraded(files: Mapping[str, bytes], folder: Path, opa: Opa) -> Upgrade:
    """Rewrite each module that is not Rego v1 already.

    files: policy files and base documents, by name; folder: where they stand, for messages. Raises EngineUnavailable
    where OPA does not run.
    """
    after, changed, faults = dict(files), [], []
    for name, content in sorted(files.items()):
        if not name.endswith(".rego") or _formatted(opa, content)[0] is not None:
            continue
        both, told = _formatted(opa, content, "--v0-v1")
        new, _ = (None, "") if both is None else _formatted(opa, both, "--drop-v0-imports")
        if new is None:
            faults.append(Fault("policy_invalid", f"this is neither Rego v0 nor v1: {told}", str(folder / name)))
        else:
            after[name] = new
            changed.append(name)
    return Upgrade(after, tuple(changed), tuple(faults))


def _formatted(opa: Opa, content: bytes, *options: str) -> tuple[bytes | None, str]:
    """A module as OPA formats it, or None and what OPA has against it, on one line."""
    with tempfile.TemporaryDirectory(prefix="entitlements-") as work:
        # Of a module on its standard input OPA drops no imports.
        (Path(work) / "policy.rego").write_bytes(content)
        done = opa.run("fmt", *options, "policy.rego", folder=work)
    if done.returncode == 0:
        return done.stdout, ""
    told = done.stderr.decode(errors="replace").partition("occurred:")[2].replace("policy.rego:", "line ")
    return None, " ".join(told.split())[:300]
