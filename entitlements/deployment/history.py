"""What git knows of a contracts folder: earlier locks, earlier releases, and whether the history is all there.

"Not in a repository" is an answer; a repository that git cannot read is an error, never an empty history.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from entitlements.contract import LOCK_NAME, base_unreadable
from entitlements.deployment.state import BUNDLE, FOLDER
from entitlements.errors import StartupFault
from entitlements.release import Release, read_release

SHALLOW = (
    "this is a shallow clone, which cannot tell what was locked before: fetch the whole history "
    "(`fetch-depth: 0` in a workflow, `git fetch --unshallow`), or name the base with `--against git:REF`"
)
_SECONDS = 60


class History:
    """The history of the contracts folder at `folder`. Raises ContractsInvalid `base_unreadable` where git fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, folder: Path) -> History | None:
        """The history of a folder, or None where it is in no git repository or in one without a commit."""
        history = cls(folder)
        done = history._run("rev-parse", "--verify", "--quiet", "HEAD")
        if done is None:
            return None
        if done.returncode != 0:
            inside = history._run("rev-parse", "--is-inside-work-tree")
            text = inside.stderr.decode(errors="replace") if inside else ""
            if inside is None or (inside.returncode != 0 and "not a git repository" in text):
                return None
            if inside.returncode != 0:
                raise base_unreadable(_first_line(text))
            return None
        return history

    @property
    def shallow(self) -> bool:
        """Whether older commits were left out when it was cloned."""
        return self._git("rev-parse", "--is-shallow-repository").strip() == b"true"

    def file(self, reference: str, name: str) -> bytes | None:
        """A file of the contracts folder as it is at a commit, or None where it is not there."""
        listed = [*self._listed(self.commit(reference), "--", name)]
        return self._git("cat-file", "blob", listed[0][1]) if listed else None

    def files(self, reference: str) -> Iterator[tuple[str, bytes]]:
        """Every file of the contracts folder as it is at a commit, by its path in the folder."""
        for name, mark in self._listed("-r", self.commit(reference)):
            yield name, self._git("cat-file", "blob", mark)

    def beside(self, folder: Path, reference: str) -> Iterator[tuple[str, bytes]]:
        """Every file of another folder as it is at a commit; nothing where that is not in the same repository."""
        other = History.of(folder)
        if other is not None and other.commit(reference) == self.commit(reference):
            yield from other.files(reference)

    def _listed(self, *arguments: str) -> Iterator[tuple[str, str]]:
        """Names and object ids of the files that `git ls-tree` lists."""
        listed = self._git("ls-tree", "-z", *arguments).decode("utf-8", "surrogateescape")
        for line in filter(None, listed.split("\0")):
            about, _, name = line.partition("\t")
            _, kind, mark = about.split(" ")
            if kind == "blob":
                yield name, mark

    def commit(self, reference: str) -> str:
        """The full name of a commit. Raises ContractsInvalid where there is none."""
        if reference.startswith("-"):
            raise base_unreadable("the name of a commit cannot begin with `-`")
        done = self._run("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
        if done is None or done.returncode != 0:
            hint = f"; {SHALLOW}" if self.shallow else ""
            raise base_unreadable(f"there is no commit `{reference}`{hint}")
        return done.stdout.decode().strip()

    def commits(self, *, naming: str = "", first_parent: bool = False) -> list[str]:
        """The commits that changed the lock, the newest first; naming: only where this string came or went."""
        search = [f"-S{naming}"] if naming else []
        order = ["--first-parent"] if first_parent else ["--full-history"]
        return self._git("log", "--format=%H", *order, *search, "HEAD", "--", LOCK_NAME).decode().split()

    def release(self, revision: str) -> Release | None:
        """The release of this revision, if a commit of any branch holds it."""
        return next((one for one in self.releases() if one.revision == revision), None)

    def releases(self) -> Iterator[Release]:
        """Every release that a commit of any branch holds, the newest first."""
        name = f"{FOLDER}/{BUNDLE}"
        for commit in self._git("log", "--format=%H", "--all", "--full-history", "--", name).decode().split():
            content = self.file(commit, name)
            if content is not None:
                with contextlib.suppress(StartupFault):
                    yield read_release(content)

    def _git(self, *arguments: str) -> bytes:
        done = self._run(*arguments)
        if done is None:
            raise base_unreadable("git cannot be run")
        if done.returncode != 0:
            raise base_unreadable(_first_line(done.stderr.decode(errors="replace")))
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
        """git in the folder; None where it cannot be run and there is no repository either."""
        try:
            return subprocess.run(
                ["git", "-C", str(self._folder), *arguments],  # noqa: S607 - whatever git the caller uses
                capture_output=True,
                timeout=_SECONDS,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, subprocess.SubprocessError):
            if any((one / ".git").exists() for one in (self._folder.resolve(), *self._folder.resolve().parents)):
                raise base_unreadable("git cannot be run") from None
            return None


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "git failed")
