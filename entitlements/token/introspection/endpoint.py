"""The introspection endpoint of one issuer: asked once for each token at a time, cached briefly, never trusted.

What is wrong with the endpoint is kept in no cache: it is reported in the endpoint's health until an answer comes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from entitlements.errors import IntrospectionUnavailable, TokenRejected
from entitlements.model import PartHealth, Problem
from entitlements.token.introspection.answer import Answer, Judged
from entitlements.token.introspection.client import Client
from entitlements.token.introspection.memory import AnswerMemory, name_of
from entitlements.token.introspection.place import FixedPlace, Place
from entitlements.token.introspection.post import Connection, post

NEGATIVE_SECONDS = 10.0
_NEGATIVE_ENTRIES = 1024
# After so many failures in a row no one waits for the endpoint for a moment, so that it holds up no other request.
_FAILURES, _PAUSE_SECONDS = 3, 1.0
Judge = Callable[[Answer], Judged]


class Endpoint(Protocol):
    """Where the tokens of one issuer are introspected. Safe to use from many threads."""

    @property
    def client(self) -> Client:
        """Who we are there."""

    def judged(self, token: str, judge: Judge, now: float) -> Judged:
        """What `judge` makes of the issuer's answer about the token; now: seconds since the epoch.

        Raises what `judge` raises, or IntrospectionUnavailable introspection_unreachable.
        """

    def health(self) -> PartHealth:
        """Whether the last question was answered. Always ready: tokens that need no question are decided."""


@dataclass(slots=True)
class _Flight:
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    error: IntrospectionUnavailable | None = None


class HttpEndpoint:
    """See the module.

    issuer, place: whose endpoint it is and where, as an address or what finds it; client: who we are there;
    timeout: seconds for one question, with finding the place;
    cache_seconds: how long an answer about an active token is cached at most, 0 for not at all; entries: how many;
    clock, monotonic: seconds since the epoch, and of a clock that no one sets.
    """

    def __init__(
        self,
        issuer: str,
        place: str | Place,
        client: Client,
        *,
        timeout: float,
        cache_seconds: float,
        entries: int = 4096,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self._issuer = issuer
        self._place = FixedPlace(place) if isinstance(place, str) else place
        self._timeout = timeout
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._flights: dict[bytes, _Flight] = {}
        self._active = AnswerMemory(entries, cache_seconds)
        self._refused = AnswerMemory(min(entries, _NEGATIVE_ENTRIES), min(NEGATIVE_SECONDS, cache_seconds))
        self._problem: Problem | None = None
        self._failures = 0
        self._failed_at = 0.0

    def judged(self, token: str, judge: Judge, now: float) -> Judged:
        """See Endpoint.judged. Of many questions for one token at a time one is asked, and all get its answer."""
        name = name_of(token)
        found = self._cached(name, judge, now)
        if found is not None:
            return found
        asked_at = self._monotonic()
        answer = self._asked(name, token)
        try:
            judged = judge(answer)
        except TokenRejected:
            self._landed(None)
            self._refused.put(name, answer, asked_at)
            raise
        except IntrospectionUnavailable as error:
            self._landed(error)
            raise
        self._landed(None)
        self._active.put(name, answer, asked_at)
        return judged

    def health(self) -> PartHealth:
        """See Endpoint.health."""
        problem = self._problem
        return PartHealth(True, (problem,) if problem else (), {})

    def _cached(self, name: bytes, judge: Judge, now: float) -> Judged | None:
        """What a cached answer says now; None where there is none, or where it has to be asked anew."""
        moment = self._monotonic()
        for memory in (self._refused, self._active):
            answer = memory.get(name, moment)
            if answer is None:
                continue
            try:
                # Anew, a refusal too: another audience may ask by now.
                judged = judge(answer)
            except IntrospectionUnavailable:
                # The key of its signature is gone, for example: the answer counts no more.
                judged = None
            # Within the leeway after `exp` only a fresh answer may say that the token is active.
            if judged is not None and now < judged.claims.expires_at:
                return judged
            memory.forget(name)
        return None

    def _asked(self, name: bytes, token: str) -> Answer:
        with self._lock:
            flight = self._flights.get(name)
            leads = flight is None
            if flight is None:
                self._check_pause()
                flight = self._flights[name] = _Flight()
        if leads:
            self._fly(flight, name, token)
        elif not flight.done.wait(self._timeout):
            raise _unreachable("another question for the same token is not answered in time")
        if flight.error is not None:
            raise IntrospectionUnavailable(flight.error.code, flight.error.message)
        if flight.answer is None:
            raise _unreachable("the question was truncated")
        return flight.answer

    def _fly(self, flight: _Flight, name: bytes, token: str) -> None:
        try:
            flight.answer = self._ask(token)
        except IntrospectionUnavailable as error:
            flight.error = error
            self._landed(error)
        finally:
            with self._lock:
                del self._flights[name]
            flight.done.set()

    def _ask(self, token: str) -> Answer:
        headers, form = self.client.shown(self._issuer, self._clock())
        question = {"token": token, "token_type_hint": "access_token", **form}
        reply = post(self._connection(), question, {"Accept": self.client.form.media_type, **headers})
        return Answer(reply.status, reply.content_type, reply.body, self._clock())

    def _connection(self) -> Connection:
        begun = time.monotonic()
        url = self._place.url()
        left = self._timeout - (time.monotonic() - begun)
        if left <= 0:
            raise _unreachable("its address was not known in time")
        return Connection(url, left, self.client.ca_file, self.client.certificate, self._place.check_peer)

    def _check_pause(self) -> None:
        if self._failures >= _FAILURES and 0 <= self._monotonic() - self._failed_at < _PAUSE_SECONDS:
            raise _unreachable("it did not answer several times in a row, and is asked again in a second")

    def _landed(self, error: IntrospectionUnavailable | None) -> None:
        with self._lock:
            if error is None:
                self._problem, self._failures = None, 0
                return
            self._problem = Problem(error.code, error.message)
            self._failures += 1
            self._failed_at = self._monotonic()


def _unreachable(why: str) -> IntrospectionUnavailable:
    return IntrospectionUnavailable("introspection_unreachable", f"the introspection endpoint cannot be asked: {why}")
