"""What git knows of a contracts folder: earlier locks, earlier releases, and whether the history is all there.

"Not in a repository" is an answer; a repository that git cannot read is an error, never an empty history.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from entitlements import git
from entitlements.contract import LOCK_NAME, base_unreadable
from entitlements.deployment.state import BUNDLE, FOLDER
from entitlements.errors import StartupFault
from entitlements.release import Release, read_release

SHALLOW = (
    "this is a shallow clone, which cannot say what was locked before: fetch the whole history "
    "(`fetch-depth: 0` in a workflow, `git fetch --unshallow`), or name the base with `--against git:REF`"
)


class History:
    """The history of the contracts folder at `folder`. Raises ContractsInvalid `base_unreadable` where git fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, folder: Path) -> History | None:
        """The history of a folder, or None where it is in no git repository or in one without a commit."""
        try:
            known = git.in_repository(folder) and git.commit_of(folder, "HEAD") is not None
        except git.GitFailed as failure:
            raise base_unreadable(str(failure)) from None
        return cls(folder) if known else None

    @property
    def shallow(self) -> bool:
        """Whether older commits were left out when it was cloned."""
        return self._git("rev-parse", "--is-shallow-repository").strip() == b"true"

    def file(self, reference: str, name: str) -> bytes | None:
        """A file of the contracts folder as it is at a commit, or None where it is not there."""
        listed = [one for one in self._tree(self.commit(reference), name) if one.kind == "file"]
        return self._content(listed[0]) if listed else None

    def files(self, reference: str) -> Iterator[tuple[str, bytes]]:
        """Every file of the contracts folder as it is at a commit, by its path in the folder; a link by its target."""
        for one in self._tree(self.commit(reference)):
            if one.kind == "submodule":
                raise base_unreadable(f"`{one.name}` is a submodule, whose files are not in {reference}")
            yield one.name, self._content(one)

    def beside(self, folder: Path, reference: str) -> Iterator[tuple[str, bytes]]:
        """Every file of another folder as it is at a commit; nothing where that is not in the same repository."""
        other = History.of(folder)
        if other is not None and other.commit(reference) == self.commit(reference):
            yield from other.files(reference)

    def commit(self, reference: str) -> str:
        """The full name of a commit. Raises ContractsInvalid where there is none."""
        try:
            found = git.commit_of(self._folder, reference)
        except git.GitFailed as failure:
            raise base_unreadable(str(failure)) from None
        if found is None:
            hint = f"; {SHALLOW}" if self.shallow else ""
            raise base_unreadable(f"there is no commit `{reference}`{hint}")
        return found

    def commits(self, *, first_parent: bool = False) -> list[str]:
        """The commits that changed the lock, the newest first."""
        order = "--first-parent" if first_parent else "--full-history"
        return self._git("rev-list", order, "HEAD", "--", LOCK_NAME).decode().split()

    def release(self, revision: str) -> Release | None:
        """The release of this revision, if a commit of any branch holds it."""
        return next((one for one in self.releases() if one.revision == revision), None)

    def releases(self) -> Iterator[Release]:
        """Every release that a commit of any branch holds, the newest first."""
        name = f"{FOLDER}/{BUNDLE}"
        for commit in self._git("rev-list", "--all", "--full-history", "--", name).decode().split():
            content = self.file(commit, name)
            if content is not None:
                with contextlib.suppress(StartupFault):
                    yield read_release(content)

    def _tree(self, commit: str, name: str = "") -> list[git.Entry]:
        try:
            return [*git.tree_of(self._folder, commit, name)]
        except git.GitFailed as failure:
            raise base_unreadable(str(failure)) from None

    def _content(self, entry: git.Entry) -> bytes:
        return self._git("cat-file", "blob", entry.mark)

    def _git(self, *arguments: str) -> bytes:
        try:
            return git.git(self._folder, *arguments)
        except git.GitFailed as failure:
            raise base_unreadable(str(failure)) from None
