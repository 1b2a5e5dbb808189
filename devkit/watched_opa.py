"""A child OPA that serves a watched folder of policies, locked or not: for tests and benchmarks of the engine alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.engine import Opa, OpaProcess, digest_of, policy_files, policy_roots
from entitlements.engine.policy_files import check_files
from entitlements.engine.policy_folder import policy_fingerprint
from entitlements.engine.policy_watcher import PolicyWatcher
from entitlements.model import JSON, PartHealth, Verdict
from entitlements.release import write_archive


class WatchedOpa:
    """The two parts as one engine: the child answers, the watcher brings it what was edited."""

    def __init__(self, process: OpaProcess, watcher: PolicyWatcher[tuple[bytes, str]]) -> None:
        self.process = process
        self._watcher = watcher
        watcher.start()

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        return self.process.ask(decision_path, policy_input, deadline=deadline, shape=shape)

    def health(self) -> PartHealth:
        """Not ready while OPA is down, while the files are not what it serves, and while no one watches them."""
        served, watched = self.process.health(), self._watcher.health()
        if served.ready and not watched.ready:
            return PartHealth(False, watched.problems, served.detail)
        return served

    def close(self) -> None:
        """Watch no more and stop OPA."""
        self._watcher.stop()
        self.process.close()


def watched_opa(opa: Opa, folder: Path, decision_paths: Sequence[str]) -> WatchedOpa:
    """Serve the policies of a folder, and what they become.

    Raises StartupFault where the policies cannot be built or OPA does not come up.
    """

    def build() -> tuple[bytes, str]:
        files = policy_files(folder)
        check_files(files, folder, decision_paths, opa)
        revision = digest_of(files)
        manifest = {"revision": revision, "roots": [*policy_roots(files)], "rego_version": 1}
        return write_archive({**files, ".manifest": json.dumps(manifest).encode()}), revision

    # Taken before the files are read, so that an edit meanwhile is seen.
    seen = policy_fingerprint(folder)
    process = OpaProcess(opa.executable, *build())
    watcher = PolicyWatcher(
        lambda: policy_fingerprint(folder), build, lambda built: process.activate(*built), seen=seen
    )
    return WatchedOpa(process, watcher)
