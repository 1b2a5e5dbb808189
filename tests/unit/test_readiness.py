"""What keeps an audience from being decided, and what is only wrong beside it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entitlements.answer_shape import PLAIN_ANSWER, AnswerShape
from entitlements.deployment.evidence import Evidence
from entitlements.errors import Fault
from entitlements.folder import Limits
from entitlements.model import JSON, PartHealth, Problem, Verdict, not_ready
from entitlements.pairs import Folders, Offer, ServedPairs, locked_offer
from entitlements.readiness import Readiness, readiness_of
from entitlements.token.key_source import FileKeys
from tests.locked_project import AUDIENCE, LockedProject

ISSUER = "https://login.example.com"
TODAY = datetime.date(2026, 5, 1)
GOOD = PartHealth(True)


class Engine:
    """An engine that is as healthy as told."""

    def __init__(self, health: PartHealth) -> None:
        self._health = health

    def ask(
        self,
        decision_path: str,
        policy_input: Mapping[str, JSON],
        *,
        deadline: float,
        shape: AnswerShape = PLAIN_ANSWER,
    ) -> Verdict:
        raise NotImplementedError

    def health(self) -> PartHealth:
        return self._health

    def close(self) -> None:
        """Nothing runs."""


@pytest.fixture(scope="module")
def offer(tmp_path_factory: pytest.TempPathFactory) -> Offer:
    project = LockedProject(tmp_path_factory.mktemp("project")).start()
    project.lock()
    return locked_offer(Folders(project.contracts, project.policies, None, Limits()), TODAY)


@pytest.fixture
def keys(tmp_path: Path) -> FileKeys:
    path = tmp_path / "jwks.json"
    path.write_text('{"keys": [{"kty": "oct", "k": "AA", "kid": "x"}]}')
    return FileKeys(path)


def readiness(offer: Offer, keys: FileKeys, **changes: Any) -> Readiness:
    served = ServedPairs(offer, lambda _: None, locked=True)  # type: ignore[arg-type, return-value]
    serving = PartHealth(True, detail={"revision": offer.release.revision, "version": offer.release.content.opa})
    given: dict[str, Any] = {
        "watched": GOOD,
        "engine": serving,
        "log": GOOD,
        "unlocked": False,
        "today": TODAY,
        **changes,
    }
    engine = Engine(given.pop("engine"))
    return readiness_of(
        served, given.pop("watched"), engine, {ISSUER: keys}, given.pop("introspection", {}), given.pop("log"), **given
    )


def codes(found: Readiness) -> list[tuple[str, str]]:
    return [(part, problem.code) for part, problem in found.degraded]


def test_a_key_set_without_a_usable_key_refuses_tokens_and_keeps_the_service(offer: Offer, keys: FileKeys) -> None:
    found = readiness(offer, keys)
    assert found.ready
    assert codes(found) == [("keys", "key_set_empty")]
    assert found.audiences == {AUDIENCE: ()}


def test_without_any_key_set_the_audience_cannot_be_decided(offer: Offer, tmp_path: Path) -> None:
    found = readiness(offer, FileKeys(tmp_path / "missing"))
    assert not found.ready
    assert found.audiences == {AUDIENCE: ("keys_unavailable",)}


@pytest.mark.parametrize("part", ["engine", "log"])
def test_what_every_decision_needs_is_missed_by_every_audience(offer: Offer, keys: FileKeys, part: str) -> None:
    found = readiness(offer, keys, **{part: not_ready("gone", "it is gone")})
    assert found.audiences == {AUDIENCE: ("gone",)}
    assert not found.ready


@pytest.mark.parametrize(
    ("detail", "code"),
    [({"revision": "sha256:other"}, "policy_not_locked"), ({"version": "1.0.0"}, "engine_version")],
    ids=["revision", "version"],
)
def test_an_engine_that_every_decision_would_refuse_is_not_ready(
    offer: Offer, keys: FileKeys, detail: dict[str, str], code: str
) -> None:
    serving = {"revision": offer.release.revision, "version": offer.release.content.opa, **detail}
    found = readiness(offer, keys, engine=PartHealth(True, detail=serving))
    assert found.audiences == {AUDIENCE: (code,)}


def test_an_engine_that_is_open_or_not_supervised_decides_on(offer: Offer, keys: FileKeys) -> None:
    serving = {"revision": offer.release.revision, "version": offer.release.content.opa}
    found = readiness(offer, keys, engine=PartHealth(True, (Problem("engine_open", "it is open"),), serving))
    assert found.ready
    assert ("engine", "engine_open") in codes(found)


def test_an_edit_that_is_not_locked_and_a_lock_that_is_refused_leave_the_last_one_serving(
    offer: Offer, keys: FileKeys
) -> None:
    edited = replace(offer, edits=(Fault("policy_not_locked", "edited"),))
    assert ("contracts", "policy_not_locked") in codes(readiness(edited, keys))
    refused = readiness(edited, keys, watched=not_ready("lock_invalid", "no lock"))
    assert refused.ready
    # What cannot be taken up is reported, not how it differs from what serves.
    assert [code for part, code in codes(refused) if part == "contracts"] == ["lock_invalid"]


@pytest.mark.parametrize(
    ("today", "told"), [(TODAY, False), (datetime.date(2026, 6, 1), True)], ids=["before", "after"]
)
def test_an_approval_that_runs_out_while_the_service_runs_is_told(
    offer: Offer, keys: FileKeys, today: datetime.date, told: bool
) -> None:
    served = replace(offer, evidence=Evidence((), (), {AUDIENCE: datetime.date(2026, 5, 31)}))
    found = readiness(served, keys, today=today)
    assert found.ready
    assert (("contracts", "approval_expired") in codes(found)) is told


def test_served_unlocked_says_so(offer: Offer, keys: FileKeys) -> None:
    found = readiness(offer, keys, unlocked=True, watched=not_ready("policy_not_compiling", "line 3"))
    assert found.parts["contracts"].detail["unlocked"] is True
    assert found.ready
