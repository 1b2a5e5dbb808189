"""Which two contract files are to be compared: named, the newest beside the one before it, or as of a commit."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from entitlements import positions
from entitlements.contract.document import Contract
from entitlements.contract.loader import contract_files, load_contract, read_text
from entitlements.contract.lock import version_key
from entitlements.errors import ContractsInvalid, Fault


@dataclass(frozen=True)
class ContractFile:
    """A contract, the file that it was read from and where everything stands in it."""

    contract: Contract
    file: str
    lines: positions.Located


def load_file(path: Path, *, shown: str = "", named: bool = True) -> ContractFile:
    """Load one contract file. shown: the name to tell; named: whether the file must be named as its contract.

    Raises ContractsInvalid.
    """
    contract = load_contract(path, named=named)
    return ContractFile(contract, shown or str(path), positions.read(read_text(path)))


def versions(folder: Path) -> dict[str, list[Path]]:
    """The files of each contract in a folder, the oldest version first."""
    found: dict[str, list[Path]] = {}
    for path in contract_files(folder):
        found.setdefault(path.parent.name, []).append(path)
    for paths in found.values():
        paths.sort(key=lambda path: version_key(path.stem) if _is_version(path.stem) else (-1,))
    return found


def _is_version(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 3 and all(part.isdecimal() for part in parts)


def pairs(current: Mapping[str, Sequence[Path]], base: Mapping[str, Sequence[Path]] | None) -> list[tuple[Path, Path]]:
    """The newest version of each contract with the one before it, or with the newest of another state.

    A contract of which there is no earlier version has no pair. Raises ContractsInvalid where one is gone.
    """
    if base is None:
        return [(paths[-2], paths[-1]) for paths in current.values() if len(paths) > 1]
    if not base:
        raise base_unreadable("it holds no contract")
    faults = [
        Fault("published_missing", f"every version of the contract `{name}` is gone, bring them back")
        for name in base
        if name not in current
    ]
    if faults:
        raise ContractsInvalid("contracts_invalid", "the contracts cannot be compared", faults)
    return [(base[name][-1], paths[-1]) for name, paths in current.items() if name in base]


@contextmanager
def at_commit(reference: str, *folders: Path) -> Iterator[tuple[Path, ...]]:
    """The folders as they were at a commit of the git repository that they are in, for the time of the context.

    Raises ContractsInvalid `base_unreadable` where they cannot be had: an absent base is never an empty one.
    """
    top = Path(_git(folders[0], "rev-parse", "--show-toplevel").decode().strip())
    foreign = [folder for folder in folders if not folder.resolve().is_relative_to(top.resolve())]
    if foreign:
        raise base_unreadable(f"`{foreign[0]}` is not in the repository of `{folders[0]}`")
    inside = [folder.resolve().relative_to(top.resolve()).as_posix() for folder in folders]
    archive = _git(top, "archive", "--format=tar", reference, "--", *inside)
    with TemporaryDirectory(prefix="entitlements-base-") as work:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            try:
                tar.extractall(work, filter="data")
            except (tarfile.TarError, OSError):
                raise base_unreadable(f"a file of it cannot be written, such as a link out of {reference}") from None
        found = tuple(Path(work) / name for name in inside)
        # What git leaves out of an archive (`export-ignore`) is there all the same.
        if absent := [folder for folder, one in zip(folders, found, strict=True) if not any(one.rglob("*"))]:
            raise base_unreadable(f"`{absent[0]}` is empty at {reference}")
        yield found


def _git(folder: Path, *arguments: str) -> bytes:
    if any(argument.startswith("-") for argument in arguments[2:3]):
        raise base_unreadable("the name of a commit cannot begin with `-`")
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whatever git the caller uses
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        raise base_unreadable("git cannot be run") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise base_unreadable(lines[0] if lines else "git failed")
    return done.stdout


def base_unreadable(why: str) -> ContractsInvalid:
    """The base of a comparison cannot be had: never an empty one."""
    fault = Fault("base_unreadable", f"the base cannot be read: {why}")
    return ContractsInvalid("base_unreadable", str(fault), [fault])
