"""A record as a line of the log: any record, or one of which most is known before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted

from entitlements.decision_log.record import DecisionRecord
from entitlements.model import JSON, AccessRequest, Decision


def line_of(members: Mapping[str, JSON]) -> bytes:
    """The members as one line of ASCII."""
    return json.dumps(members, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def marked(line: bytes) -> bytes:
    """The line as one that may stand in the log a second time."""
    return line if line.endswith(b',"again":true}\n') else line[:-2] + b',"again":true}\n'


@dataclass(frozen=True, slots=True)
class LineTemplate:
    """The lines of decisions of which all is known that their token and contract say.

    who, contract, ignored: these members of the record, as they stand in the line.
    """

    who: str
    contract: str
    ignored: str

    def line(
        self, decision: Decision, request: AccessRequest, *, time: str, request_id: str, duration_ms: float
    ) -> bytes:
        """The line of the record with these too, octet for octet as `line_of` gives it.

        decision: one without violations, by policies that are named.
        """
        asked, effect = request.resource, "allow" if decision.allow else "deny"
        obligations = [str(obligation.get("id", "")) for obligation in decision.obligations]
        return (
            f'{{"time":"{time}",{_text("decision_id", decision.id)}{_text("request_id", request_id)}'
            f'"effect":"{effect}",{_strings("reasons", decision.reasons)}{self.who}'
            f"{_text('action', request.action.name)}{_text('resource_type', asked.type)}"
            f"{_text('resource_id', asked.id)}{self.contract}"
            f"{_text('policy_revision', decision.policy_revision or '')}{_strings('obligations', obligations)}"
            f'{self.ignored}"duration_ms":{duration_ms!r}}}\n'
        ).encode("ascii")


def line_template(record: DecisionRecord) -> LineTemplate:
    """The template of what a record says of token and contract; its other members are left out."""
    who = ("subject", "client_id", "actor", "issuer", "audience")
    told = {name: getattr(record, name) for name in (*who, "contract", "contract_digest")}
    return LineTemplate(
        "".join(_text(name, told[name]) for name in who),
        "".join(_text(name, told[name]) for name in ("contract", "contract_digest")),
        _strings("ignored", record.ignored),
    )


def _text(name: str, value: str) -> str:
    return f'"{name}":{quoted(value)},' if value else ""


def _strings(name: str, values: Sequence[str]) -> str:
    return f'"{name}":[{",".join(map(quoted, values))}],' if values else ""
