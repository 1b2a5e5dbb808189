"""An answer of OPA over HTTP, whole and bounded, for every transport to it."""

from __future__ import annotations

from dataclasses import dataclass

from entitlements.errors import EngineUnavailable
from entitlements.http_answer import HTTPReader, HTTPRefused

MAX_ANSWER = 256 * 1024
# Statuses whose answers have a body, after which a connection is in a known state.
_KEEPS = frozenset({200, 500})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole, bounded answer: its status and raw bytes, not yet believed.

    reusable: the connection is in a known state and may carry another question.
    """

    status_code: int
    body: bytes
    reusable: bool = False

    def raise_for_status(self) -> None:
        """Every status but 200 is no verdict. Raises EngineUnavailable."""
        if self.status_code != 200:
            failed = self.status_code == 500 and b'"internal_error"' in self.body
            code = "policy_error" if failed else "engine_answer_invalid"
            raise EngineUnavailable(code, f"the engine answered with status {self.status_code}")

    def json(self) -> bytes:
        """The bytes: to read them is the strict reader's business."""
        return self.body


class AnswerReader:
    """Takes the octets of one answer of OPA until it is whole."""

    def __init__(self) -> None:
        self._reader = HTTPReader(MAX_ANSWER)

    def feed(self, octets: bytes) -> Answer | None:
        """Take further octets; the answer as soon as it is whole. Raises EngineUnavailable `engine_answer_invalid`."""
        try:
            whole = self._reader.feed(octets)
        except HTTPRefused as refusal:
            raise EngineUnavailable("engine_answer_invalid", f"the engine's answer {refusal}") from None
        if whole is None:
            return None
        status = whole.head.status
        return Answer(status, whole.body, status in _KEEPS and not whole.head.closes)

    @property
    def begun(self) -> bool:
        """Whether any octet of an answer came."""
        return self._reader.begun
