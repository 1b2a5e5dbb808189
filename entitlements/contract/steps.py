"""Which two contract files are to be compared: named, the newest beside the one before it, or as of a commit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from entitlements import git, positions
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
    try:
        top = Path(os.fsdecode(git.git(folders[0], "rev-parse", "--show-toplevel")).rstrip("\n"))
        foreign = [folder for folder in folders if not folder.resolve().is_relative_to(top.resolve())]
        if foreign:
            raise base_unreadable(f"`{foreign[0]}` is not in the repository of `{folders[0]}`")
        commit = git.commit_of(folders[0], reference)
        if commit is None:
            raise base_unreadable(f"there is no commit `{reference}`{_hint(folders[0])}")
        with TemporaryDirectory(prefix="entitlements-base-") as work:
            found = tuple(Path(work) / folder.resolve().relative_to(top.resolve()) for folder in folders)
            for folder, one in zip(folders, found, strict=True):
                _write_tree(folder, commit, one)
                if not any(one.rglob("*")):
                    raise base_unreadable(f"`{folder}` is empty at {reference}")
            yield found
    except git.GitFailed as failure:
        raise base_unreadable(str(failure)) from None


def _write_tree(folder: Path, commit: str, target: Path) -> None:
    """Write what a folder holds at a commit, byte for byte; links last, so that nothing is written through one."""
    entries = sorted(git.tree_of(folder, commit), key=lambda one: one.kind == "link")
    for one in entries:
        path = target / one.name
        if one.kind == "submodule":
            raise base_unreadable(f"`{one.name}` is a submodule, whose files are not in the commit")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = git.content_of(folder, one)
            if one.kind == "file":
                path.write_bytes(content)
            else:
                path.symlink_to(os.fsdecode(content))
        except (OSError, ValueError):
            raise base_unreadable(f"`{one.name}` of it cannot be written") from None


def _hint(folder: Path) -> str:
    """What to do where a clone was truncated, which is why a commit may not be there. Raises GitFailed."""
    if git.git(folder, "rev-parse", "--is-shallow-repository").strip() != b"true":
        return ""
    return "; this is a shallow clone: fetch all of it (`fetch-depth: 0` in a workflow, `git fetch --unshallow`)"


def base_unreadable(why: str) -> ContractsInvalid:
    """The base of a comparison cannot be had: never an empty one."""
    fault = Fault("base_unreadable", f"the base cannot be read: {why}")
    return ContractsInvalid("base_unreadable", str(fault), [fault])
