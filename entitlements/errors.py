"""The whole error tree. A class where a handler differs, a code where only the words differ.

    EntitlementsError
    ├── StartupFault            the process must not start; carries every fault together
    │   ├── ContractsInvalid    contract documents or the lock cannot be used
    │   └── FolderUnreadable    files of a folder cannot be read as they are
    ├── JSONRefused             a text is not the strict JSON that is accepted here
    ├── RequestInvalid          the caller's request is malformed (400)
    ├── TokenRejected           the token is no valid access token (401)
    ├── NotFollowed             a policy cannot be followed by the proof: there is no answer
    ├── ProofFailed             the proof itself failed: nothing is answered
    └── DecisionUnavailable     no decision can be made (503), never an allow and never a deny
        ├── KeysUnavailable
        ├── IntrospectionUnavailable
        ├── EngineUnavailable
        └── DecisionLogUnavailable

Codes are snake_case, stable and documented in docs/errors.md. A message starts in lower case, ends without a full
stop and never holds a token, a key or a claim value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class EntitlementsError(Exception):
    """Root of every error this package raises on purpose."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input file or a setting: where it is and what it is."""

    code: str
    message: str
    file: str = ""
    line: int = 0
    path: str = ""

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line else "")
        parts = [part for part in (place, self.path) if part]
        return ": ".join([*parts, self.message])


class StartupFault(EntitlementsError):
    """The process must not start. Every fault is reported at once."""

    def __init__(self, code: str, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(code, message)
        self.faults = tuple(faults)


class ContractsInvalid(StartupFault):
    """Contract documents or `contracts.lock` cannot be used as they are."""


class FolderUnreadable(StartupFault):
    """Files of a folder are not there, are not regular files, lead out of it, are too many or too large.

    readable: the names of those that could be read.
    """

    def __init__(self, code: str, message: str, faults: Sequence[Fault] = (), readable: Sequence[str] = ()) -> None:
        super().__init__(code, message, faults)
        self.readable = tuple(readable)


class JSONRefused(EntitlementsError):
    """The text is not the strict JSON that is accepted here (RFC 8259, RFC 7493)."""


class RequestInvalid(EntitlementsError):
    """The access request is malformed. `details` maps a field path to its faults."""

    def __init__(self, code: str, message: str, details: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(code, message)
        self.details = {path: list(faults) for path, faults in (details or {}).items()}


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a client may ask better (RFC 9110 section 11.6.1).

    schemes: by which the token may be sent, the best first; error: RFC 6750 section 3.1, RFC 9449 sections 7.1 and 9;
    nonce: for the next DPoP proof, empty for none.
    """

    schemes: tuple[str, ...] = ("Bearer",)
    error: str = "invalid_token"
    nonce: str = ""


class TokenRejected(EntitlementsError):
    """The token is no valid access token for any pinned contract. The code is for the log, not for the client.

    decision_id: the id that the refusal was logged under, empty until it was; challenge: what the client is sent, None
    where the refusal itself does not say.
    """

    def __init__(self, code: str, message: str, *, decision_id: str = "", challenge: Challenge | None = None) -> None:
        super().__init__(code, message)
        self.decision_id = decision_id
        self.challenge = challenge


class DecisionUnavailable(EntitlementsError):
    """No decision can be made now. Never an allow, never a deny. `retry_after`: seconds after which to ask again."""

    def __init__(self, code: str, message: str, *, retry_after: int = 1) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class KeysUnavailable(DecisionUnavailable):
    """No usable key set of the issuer is known, or whether it has the token's key."""


class IntrospectionUnavailable(DecisionUnavailable):
    """The issuer's introspection endpoint gave no answer about the token that can be believed."""


class EngineUnavailable(DecisionUnavailable):
    """The policy engine gave no verdict that can be trusted."""


class DecisionLogUnavailable(DecisionUnavailable):
    """The decision could not be recorded, so it is not given."""


class NotFollowed(EntitlementsError):
    """A construct of a policy cannot be followed by the proof, so that the answer is not known."""


class ProofFailed(EntitlementsError):
    """The proof failed: its solver, or its agreement with OPA. Nothing is answered."""
