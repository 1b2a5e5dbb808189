"""What git knows, asked for content alone: objects and parents, whatever a repository or an environment says of itself.

Only plumbing commands are run. Local rewriting (replaced commits, grafts, a commit-graph), attributes (`export-ignore`,
filters, line ends), hooks, the settings of `git log` and a repository named by the environment have no say.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 60
# Of `git rev-parse --local-env-vars` and git(1): what points to another repository or reads names otherwise. A hook is
# run with some of them; settings by environment stay (`safe.directory` in a container).
_MISLEADING = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CEILING_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_EXTERNAL_DIFF",
        "GIT_GLOB_PATHSPECS",
        "GIT_ICASE_PATHSPECS",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
_PLAIN = {
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_SETTINGS = ("advice.graftFileDeprecated=false", "core.commitGraph=false", "core.fsmonitor=false")


class GitFailed(Exception):
    """git cannot tell, and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a tree. kind: `file`, `link` or `submodule`; mark: of its object."""

    name: str
    kind: str
    mark: str


_KINDS = {"100644": "file", "100755": "file", "120000": "link", "160000": "submodule"}


def in_repository(folder: Path) -> bool:
    """Whether a folder is in a repository. Raises GitFailed where one is there, or is named, that git cannot read."""
    try:
        git(folder, "rev-parse", "--git-dir")
    except GitFailed:
        if any(os.path.lexists(one / ".git") for one in (folder.resolve(), *folder.resolve().parents)):
            raise
        if os.environ.get("GIT_DIR"):
            raise GitFailed("GIT_DIR names a repository and the folder is in none, unset it") from None
        return False
    return True


def commit_of(folder: Path, reference: str) -> str | None:
    """The full name of a commit, or None where there is none. Raises GitFailed."""
    if reference.startswith("-"):
        raise GitFailed("the name of a commit cannot begin with `-`")
    done = _run(folder, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    return done.stdout.decode().strip() if done.returncode == 0 else None


def tree_of(folder: Path, commit: str, name: str = "") -> Iterator[Entry]:
    """Everything below a folder at a commit, by its path in the folder, or `name` in it alone. Raises GitFailed."""
    wanted = ["--", name] if name else []
    for line in filter(None, git(folder, "ls-tree", "-r", "-z", commit, *wanted).split(b"\0")):
        about, _, path = line.decode("utf-8", "surrogateescape").partition("\t")
        mode, _, mark = about.split(" ")
        if ".." in path.split("/"):
            raise GitFailed(f"`{path}` leaves the folder")
        if kind := _KINDS.get(mode):
            yield Entry(path, kind, mark)


def content_of(folder: Path, entry: Entry) -> bytes:
    """What a file holds, as it was committed. Raises GitFailed."""
    return git(folder, "cat-file", "blob", entry.mark)


def git(folder: Path, *arguments: str) -> bytes:
    """What a plumbing command says of a folder. Raises GitFailed with its first line where it fails."""
    done = _run(folder, *arguments)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitFailed(lines[0] if lines else "git failed")
    return done.stdout


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    settings = [part for one in _SETTINGS for part in ("-c", one)]
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *settings, *arguments],  # noqa: S607 - whatever git the caller uses
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={**kept, **_PLAIN},
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        raise GitFailed("git cannot be run") from None
