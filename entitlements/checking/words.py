"""A witness for the person who decides: who may now do what, which rules turn it, and the line that accepts it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from entitlements.checking.request_words import listed as _listed
from entitlements.checking.request_words import requests_in_words
from entitlements.checking.step import Report
from entitlements.model import same_json
from entitlements.proof import Witness
from entitlements.proof.answer import OBLIGATION
from entitlements.proof.requests import RequestKind, one_request
from entitlements.terminal import safe

LEFT_OPEN = "…"
"""What stands in a line to paste where a person has to say something; `contract approve` refuses it."""
_ABSENT = object()


def sentences(witness: Witness) -> list[str]:
    """All that an approval of a witness accepts: one sentence for each change of a token, with every request of it."""
    found: dict[str, list[Witness]] = {}
    for one in witness.together or (witness,):
        document = one.as_json()
        found.setdefault(repr([_who(one, document), _with(document), _outcome(one, document)]), []).append(one)
    return [_sentence(group) for group in found.values()]


def sentence(witness: Witness) -> str:
    """The same in one line."""
    return "; ".join(sentences(witness))


def _sentence(group: Sequence[Witness]) -> str:
    """Who may now, or no longer, do what; or may still do it, with other obligations."""
    first = group[0]
    document: dict[str, Any] = first.as_json()
    kinds = [kind for one in group for kind in _kinds(one)]
    what = requests_in_words([*dict.fromkeys(kinds)]) + _with(document)
    before, after = _outcome(first, document)
    return safe(f"{_who(first, document)} {before} {what}{after}")


def _kinds(witness: Witness) -> Sequence[RequestKind]:
    """The requests of a witness that is not told with others."""
    return witness.requests or (one_request(witness.scenario.action, witness.scenario.resource.type),)


def _who(witness: Witness, document: Mapping[str, Any]) -> str:
    # Where no schema names the values, an approval covers every change of the claim.
    differences = witness.meaning.get("differences", [])
    whose = ", ".join(_change(document, name, anyhow=[name, "=", "*"] in differences) for name in witness.changed)
    return f"a principal{_held(document, witness.changed)}{f', whose {whose},' if whose else ''}"


def _outcome(witness: Witness, document: Mapping[str, Any]) -> tuple[str, str]:
    """What stands before and after the requests."""
    if witness.kind == OBLIGATION:
        return "may still", f", {_obligations(document)}"
    if witness.allows_before:
        return "may no longer", f" ({_denied('now', witness.reasons_after)})"
    return "may now", f" ({_denied('before', witness.reasons_before)})"


def _held(document: Mapping[str, Any], changed: Sequence[str]) -> str:
    """What the token holds on both sides."""
    claims = {name: value for name, value in document["claims_after"].items() if name not in changed}
    parts = [f"`{name}` {_code(value)}" for name, value in sorted(claims.items())]
    if "scope" not in changed and (scopes := document["scopes_after"]):
        parts.append(f"the scope{'s' if len(scopes) > 1 else ''} {', '.join(f'`{one}`' for one in scopes)}")
    return f" with {_listed(parts)}" if parts else ""


def _change(document: Mapping[str, Any], name: str, *, anyhow: bool) -> str:
    if name == "scope":
        return f"scopes go from {_code(document['scopes_before'])} to {_code(document['scopes_after'])}"
    values = (document[side].get(name, _ABSENT) for side in ("claims_before", "claims_after"))
    was, is_now = ("absent" if value is _ABSENT else _code(value) for value in values)
    return f"`{name}` changes (here from {was} to {is_now})" if anyhow else f"`{name}` goes from {was} to {is_now}"


def _with(document: Mapping[str, Any]) -> str:
    """The rest of a request: properties and context."""
    request = document["request"]
    parts = [f"`{name}` {_code(value)}" for name, value in sorted(request["resource"]["properties"].items())]
    told = f" with {_listed(parts)}" if parts else ""
    told += f", the action with {_code(request['action_properties'])}" if "action_properties" in request else ""
    told += f", in the context {_code(request['context'])}" if request["context"] else ""
    return told + (f", at {request['at']}" if "at" in request else "")


def _obligations(document: Mapping[str, Any]) -> str:
    before, after = document["obligations_before"], document["obligations_after"]
    gone = [one for one in before if not any(same_json(one, other) for other in after)]
    come = [one for one in after if not any(same_json(one, other) for other in before)]
    if gone and come:
        return f"with the obligation {_listed([*map(_code, come)])} in place of {_listed([*map(_code, gone)])}"
    word, which = ("no longer", gone) if gone else ("now", come)
    return f"{word} with the obligation {_listed([*map(_code, which)])}"


def _denied(when: str, reasons: Sequence[str]) -> str:
    return f"denied {when}" + (f": {', '.join(reasons)}" if reasons else "")


def _code(value: Any) -> str:
    return f"`{shown(value)}`"


def shown(value: Any) -> str:
    """A document on one line, safe to print."""
    return safe(json.dumps(value, ensure_ascii=False, sort_keys=True))


def cause_lines(witnesses: Sequence[Witness]) -> Iterator[str]:
    """Witnesses of one cause: the first in full, of the others who may do what."""
    first, *others = witnesses
    yield from witness_lines(first)
    if others:
        yield f"      of the same cause, {len(others)} more:"
    for one in others:
        yield f"        witness  [{named(one)}]  {sentence(one)}"


def witness_lines(witness: Witness) -> Iterator[str]:
    """One witness for a person."""
    head, *details = example_lines(witness)
    yield head
    told = sentences(witness)
    if len(told) > 1:
        yield f"        of one cause, {len(told)} changes, which one approval accepts together:"
    yield from (f"        {'- ' if len(told) > 1 else ''}{one}" for one in told)
    yield from details


def example_lines(witness: Witness) -> Iterator[str]:
    """The same without who may do what."""
    yield head_line(witness)
    yield from detail_lines(witness)
    yield from (f"        {rule}" for rule in rules_of(witness))


def head_line(witness: Witness) -> str:
    """What changes, and what names the witness."""
    return f"      witness  {', '.join(witness.changed) or 'the policy'} changes  [{named(witness)}]"


def detail_lines(witness: Witness) -> Iterator[str]:
    """The tokens and the request that show it, and how they are decided."""
    document = witness.as_json()
    request: Any = document["request"]
    yield f"        before  {shown(document['claims_before'])} scopes {shown(document['scopes_before'])}"
    yield f"        after   {shown(document['claims_after'])} scopes {shown(document['scopes_after'])}"
    resource = request["resource"]
    context = f" context {shown(request['context'])}" if request["context"] else ""
    at = f" at {request['at']}" if "at" in request else ""
    yield f"        request {request['action']} {resource['type']} {shown(resource['properties'])}{context}{at}"
    if witness.kind == OBLIGATION:
        yield f"        allowed with {shown(document['obligations_before'])} → {shown(document['obligations_after'])}"
    else:
        before, after = _decided(witness.allows_before, witness.reasons_before), not witness.allows_before
        yield f"        decided {before} → {_decided(after, witness.reasons_after)}"


def rules_of(witness: Witness) -> list[str]:
    """The rules that turn it, a line for each that is told with it."""
    return [*dict.fromkeys(one.rule for one in witness.together or (witness,))]


def named(witness: Witness) -> str:
    """What names a witness: its fingerprint, or that it is approved."""
    return "approved" if witness.approved else witness.fingerprint


def _decided(allows: bool, reasons: Sequence[str]) -> str:
    return "allowed" if allows else ", ".join(reasons) or "denied"


def approve_line(report: Report, fingerprint: str) -> str:
    """The line that accepts what a fingerprint names, but for who and why; empty where none can."""
    if report.approve is None or report.until is None or not fingerprint:
        return ""
    step = ["--contract", report.new.contract.name, "--from", report.old.contract.version]
    words = [fingerprint, *step, "--to", report.new.contract.version, *report.approve]
    told = " ".join(map(shlex.quote, words))
    return f"entitlements contract approve {told} --reason '{LEFT_OPEN}' --by '{LEFT_OPEN}' --expires {report.until}"


def approve_lines(report: Report) -> list[str]:
    """A line for each of what keeps a step from passing and may be approved."""
    return [line for one in report.refused if (line := approve_line(report, one))]
