"""A SARIF 2.1.0 log: what code scanning services read (OASIS Standard, 27 March 2020)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from entitlements import __version__
from entitlements.checking.formats import TITLES
from entitlements.checking.report import WORSE
from entitlements.checking.results import ERROR, NOTE, WARNING, Result, faults_of, relative, results
from entitlements.checking.step import Report
from entitlements.contract import RULES
from entitlements.contract.change_rules import BREAKING, REVIEW
from entitlements.errors import EntitlementsError

_ACCEPT = "Change it, or accept it with `entitlements contract approve` and the fingerprint, after review."
_QUESTIONS = {
    "no_new_access": (
        "There is a token before, a token of the same principal after and a request that was denied before and is "
        f"allowed after, or it is unknown whether there is. {_ACCEPT}",
        ERROR,
    ),
    "no_lost_access": (
        "There is a token before, a token of the same principal after and a request that was allowed before and is "
        "denied after, or it is unknown whether there is. It does not fail the check: see that it is meant.",
        WARNING,
    ),
}
_APPROVALS = {
    "approval_expired": ("an approval ran out", "Fix what it was given for, or let it be approved again."),
    "approval_outdated": ("an approval was given for other policies", "Look at what it means now, approve it again."),
    "approval_unmatched": ("an approval matches nothing", "Take the entry out of approvals.yaml."),
}


def sarif(reports: Sequence[Report]) -> str:
    """The log of some reports."""
    found = results(reports)
    rules = [_rule(name) for name in sorted({one.rule for one in found})]
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    codes = [report.exit_code for report in reports]
    invocation = {"executionSuccessful": True, "exitCode": max(codes, key=WORSE.index, default=0)}
    return _log(rules, [_result(one, index[one.rule]) for one in found], invocation)


def sarif_error(error: EntitlementsError, code: int) -> str:
    """The log of a run that failed: SARIF tells it as a notification of the tool (section 3.20.21)."""
    told = [
        {
            "level": "error",
            "message": {"text": said},
            "descriptor": {"id": fault.code},
            **({"locations": [_location(fault.file, fault.line)]} if fault.file else {}),
        }
        for fault, said in faults_of(error)
    ]
    return _log([], [], {"executionSuccessful": False, "exitCode": code, "toolExecutionNotifications": told})


def _log(rules: list[dict[str, Any]], found: list[dict[str, Any]], invocation: dict[str, Any]) -> str:
    driver = {"name": "entitlements", "semanticVersion": __version__, "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "invocations": [invocation], "columnKind": "unicodeCodePoints", "results": found}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _rule(name: str) -> dict[str, Any]:
    short, text, level = _words(name)
    described = f"{short[0].upper()}{short[1:]}."
    return {
        "id": name,
        "shortDescription": {"text": described},
        "fullDescription": {"text": described},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": level},
    }


def _words(name: str) -> tuple[str, str, str]:
    """What a rule is about, what to do where it is broken, and how bad that is."""
    if name in _QUESTIONS:
        return TITLES[name], *_QUESTIONS[name]
    if name in _APPROVALS:
        return *_APPROVALS[name], ERROR
    rule = RULES[name]
    gates = rule.compatibility == BREAKING or rule.access == REVIEW
    told = f"Compatibility: {rule.compatibility}. Access: {rule.access}."
    more = f"Every rule is described in docs/contract-rules.md, this one under `{name}`."
    return (
        rule.purpose,
        f"{told} {_ACCEPT if gates else 'It fails nothing by itself.'} {more}",
        ERROR if gates else NOTE,
    )


def _result(one: Result, index: int) -> dict[str, Any]:
    result = {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": one.level,
        "message": {"text": one.message},
        "locations": [_location(one.file, one.line)],
    }
    # What has no fingerprint of its meaning is distinguished by what is said of it, which names it.
    return {**result, "partialFingerprints": {"entitlements/v1": one.fingerprint or one.message}}


def _location(file: str, line: int) -> dict[str, Any]:
    name = relative(file)
    place: dict[str, Any] = {"uri": f"file://{quote(name)}"} if name.startswith("/") else {"uri": quote(name)}
    if not name.startswith("/"):
        place["uriBaseId"] = "%SRCROOT%"
    return {"physicalLocation": {"artifactLocation": place, "region": {"startLine": max(line, 1)}}}
