"""Many decisions of one policy in few evaluations: for contract checks, never for a served request.

OPA decides here too, as strictly: one query ranges over many inputs. Where the evaluation of one fails, all of that
query are decided one by one, so that it spoils no other.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.engine.answer import read_result
from entitlements.engine.opa import Opa
from entitlements.engine.policy_files import check_files
from entitlements.engine.policy_folder import digest_of, policy_files
from entitlements.errors import EngineUnavailable
from entitlements.files import write_files
from entitlements.model import JSON, Verdict

if TYPE_CHECKING:
    from entitlements.engine.batch_server import BatchServer

_CHUNK = 1500


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an evaluation ran: lines by file, each relative to the policy folder, and where expressions and heads begin.

    A rule came to its end if its head is among `starts`; the line of a rule that stands on one line is covered as soon
    as its condition was looked at.
    """

    lines: frozenset[tuple[str, int]]
    starts: frozenset[tuple[str, int, int]] = frozenset()


class BatchEngine:
    """OPA over the policy files of one folder, as they were when it was made.

    opa: the pinned executable; folder: the policies; decision_path: the rule that decides; extra: files beside those of
    the folder, by name; shape: of the rule's answer. A context manager. Raises StartupFault where the policies do
    not compile.
    """

    def __init__(
        self,
        opa: Opa,
        folder: Path,
        decision_path: str,
        *,
        extra: Mapping[str, bytes] | None = None,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> None:
        files = {**policy_files(folder), **(extra or {})}
        check_files(files, folder, [decision_path], opa)
        self._opa = opa
        self._path = decision_path
        self._shape = shape
        self._server: BatchServer | None = None
        self._covered: dict[str, Coverage] = {}
        self._lock = threading.Lock()
        self._rule = "data." + decision_path.replace("/", ".")
        self.revision = digest_of(files)
        self.files = files
        self._work = tempfile.TemporaryDirectory(prefix="entitlements-check-")
        root = Path(self._work.name)
        write_files(root, files)
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="batch")

    def __enter__(self) -> BatchEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown()
        if self._server is not None:
            self._server.close()
        self._work.cleanup()

    def decide(self, inputs: Sequence[Mapping[str, JSON]]) -> list[Verdict | None]:
        """One verdict an input, in order; None where the evaluation failed, which is no decision and no allow.

        Raises EngineUnavailable where OPA itself fails.
        """
        return self.decide_encoded(json.dumps(one) for one in inputs)

    def decide_encoded(self, inputs: Iterable[str]) -> list[Verdict | None]:
        """As `decide`, of inputs that are JSON already; while some are decided, others may still be made."""
        source = iter(inputs)
        under_way = []
        while chunk := [*itertools.islice(source, _CHUNK)]:
            under_way.append(self._threads.submit(self._chunk, chunk))
        return [verdict for one in under_way for verdict in one.result()]

    def _chunk(self, inputs: Sequence[str]) -> list[Verdict | None]:
        query = f'[r | some x in input.inputs; r := {{"d": d | d := {self._rule} with input as x}}]'
        done = self._run(["--format", "json", query], f'{{"inputs": [{",".join(inputs)}]}}')
        if done.returncode == 0:
            (answers,) = _values(done.stdout)
            return [self._verdict(answer) for answer in answers]
        if b'"errors"' not in done.stdout:
            raise EngineUnavailable("engine_failed", "OPA failed to evaluate the policies")
        return [None] if len(inputs) == 1 else self._one_by_one(inputs)

    def _one_by_one(self, inputs: Sequence[str]) -> list[Verdict | None]:
        # Few checks need it, and it brings an HTTP client.
        from entitlements.engine.batch_server import BatchServer

        with self._lock:
            if self._server is None:
                self._server = BatchServer(self._opa.executable, self._work.name)
            answers = self._server.decide(self._path, inputs)
            return [None if one is None else self._verdict(one, "result") for one in answers]

    def value(self, one: Mapping[str, JSON]) -> Any:
        """What the rule gives for one input, whatever it is; None where it is undefined or its evaluation fails."""
        done = self._run(["--format", "json", self._rule], json.dumps(one))
        found = _values(done.stdout) if done.returncode == 0 and b'"result"' in done.stdout else []
        return found[0] if found else None

    def rule_values(self, path: Sequence[str], one: Mapping[str, JSON]) -> list[Any] | None:
        """The value of another rule for one input, none where it is undefined; None where its evaluation fails."""
        done = self._run(["--format", "json", f"[x | x := {_below_data(path)}]"], json.dumps(one))
        return list(_values(done.stdout)[0]) if done.returncode == 0 else None

    def values_of(self, paths: Sequence[Sequence[str]], one: Mapping[str, JSON]) -> list[list[Any] | None]:
        """As `rule_values`, of several rules in order; one by one where the evaluation of one fails."""
        query = ", ".join(f"[x | x := {_below_data(path)}]" for path in paths)
        done = self._run(["--format", "json", f"[{query}]"], json.dumps(one))
        if done.returncode == 0:
            return list(_values(done.stdout)[0])
        return [self.rule_values(path, one) for path in paths]

    def coverage(self, one: Mapping[str, JSON]) -> Coverage:
        """The lines that the decision of one input ran through, asked for once."""
        text = json.dumps(one)
        if text not in self._covered:
            self._covered[text] = self._coverage(text)
        return self._covered[text]

    def _coverage(self, text: str) -> Coverage:
        done = self._run(["--format", "json", "--coverage", self._rule], text)
        root = Path(self._work.name)
        found, starts = set(), set()
        for name, file in json.loads(done.stdout or b"{}").get("coverage", {}).get("files", {}).items():
            path = (root / name).resolve() if not Path(name).is_absolute() else Path(name)
            shown = path.relative_to(root.resolve()).as_posix() if path.is_relative_to(root.resolve()) else name
            for span in file.get("covered", []):
                starts.add((shown, span["start"]["row"], span["start"]["col"]))
                found |= {(shown, line) for line in range(span["start"]["row"], span["end"]["row"] + 1)}
        return Coverage(frozenset(found), frozenset(starts))

    def _verdict(self, answer: Mapping[str, Any], member: str = "d") -> Verdict:
        return read_result(answer, member, self.revision, shape=self._shape)

    def _run(self, arguments: Sequence[str], document: str) -> subprocess.CompletedProcess[bytes]:
        options = ("--bundle", ".", "--strict-builtin-errors", "--stdin-input")
        return self._opa.run("eval", *options, *arguments, document=document.encode(), folder=self._work.name)


def _below_data(path: Sequence[str]) -> str:
    return "data" + "".join(f"[{json.dumps(part)}]" for part in path)


def _values(output: bytes) -> list[Any]:
    document = json.loads(output)
    return [expression["value"] for result in document["result"] for expression in result["expressions"]]
