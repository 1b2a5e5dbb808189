"""Keys of an issuer that change while a real service decides: no good token is refused, and a removed key is."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from devkit.service import Issuer, contracts
from entitlements.key_ring import KeyRing
from entitlements.settings import load_settings
from entitlements.token import SigningKey, generate_key, mint
from tests.attacks.test_running_service import good_claims
from tests.conftest import Reply, RunningService, StartService
from tests.integration.keys.test_http_keys import Endpoint, document, plain
from tests.wire.conftest import Wire

_LONGEST = 60


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    running = Endpoint()
    yield running
    running.close()


@pytest.fixture
def keys() -> list[SigningKey]:
    return [generate_key("ES256", f"key-{number}") for number in range(4)]


@pytest.fixture
def wire(issuer: Issuer) -> Wire:
    return Wire(issuer)


@pytest.fixture
def service(
    endpoint: Endpoint, keys: list[SigningKey], issuer: Issuer, wire: Wire, start_service: StartService
) -> RunningService:
    endpoint.answer = publish(keys[0])
    ours = wire.contract.profile.issuer
    issuers = sorted({one.profile.issuer for one in contracts().values()})
    sets = " ".join(f"{one}={endpoint.url if one == ours else issuer.jwks}" for one in issuers)
    settings = {"ENTITLEMENTS_KEYS": sets, "ENTITLEMENTS_KEYS_COOLDOWN": "2", "ENTITLEMENTS_BUDGET_MS": "5000"}
    return start_service(settings)


def publish(*keys: SigningKey):  # type: ignore[no-untyped-def]
    return plain(document(*[key.public_jwk() for key in keys]))


def ask(service: RunningService, wire: Wire, key: SigningKey, number: int = 0) -> Reply:
    """One question with a token of its own, so that nothing is cached."""
    token = mint(key, {**good_claims(wire), "jti": f"{key.kid}-{number}"})
    return service.one(wire.ask(bearer=b"Authorization: Bearer " + token.encode()))


def ask_until_decided(service: RunningService, wire: Wire, key: SigningKey, number: int = 0) -> Reply:
    """As a client does that is told when to ask again."""
    until = time.monotonic() + _LONGEST
    reply = ask(service, wire, key, number)
    while reply.status == 503 and time.monotonic() < until:
        time.sleep(int(reply.headers["retry-after"][0]))
        reply = ask(service, wire, key, number)
    return reply


class Load:
    """Clients that ask all the time with tokens of the key that signs now."""

    def __init__(self, service: RunningService, wire: Wire, first: SigningKey) -> None:
        self.signs_now = first
        self.statuses: Counter[int] = Counter()
        self._service, self._wire = service, wire
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(6)]
        for thread in self._threads:
            thread.start()

    def _run(self, client: int) -> None:
        number = client
        while not self._stop.is_set():
            number += len(self._threads)
            self.statuses[ask_until_decided(self._service, self._wire, self.signs_now, number).status] += 1

    def wait_for(self, answers: int) -> None:
        until = time.monotonic() + _LONGEST
        wanted = self.statuses.total() + answers
        while self.statuses.total() < wanted and time.monotonic() < until:
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_LONGEST)


def test_rotation_under_load_refuses_no_good_token(
    service: RunningService, endpoint: Endpoint, wire: Wire, keys: list[SigningKey]
) -> None:
    load = Load(service, wire, keys[0])
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(load.stop)
        load.wait_for(30)
        for number in range(1, len(keys)):
            # As Keycloak does: the new key signs at once, the old one stays published.
            endpoint.answer = publish(*keys[: number + 1])
            load.signs_now = keys[number]
            load.wait_for(60)
            assert ask_until_decided(service, wire, keys[0], number).allows
    assert set(load.statuses) == {200}, load.statuses
    assert load.statuses.total() >= 200


def test_new_key_is_taken_up_and_known_keys_serve_on_in_a_flood_of_made_up_ones(
    service: RunningService, endpoint: Endpoint, wire: Wire, keys: list[SigningKey]
) -> None:
    stranger = generate_key("ES256", "stranger")
    statuses = Counter(
        ask(service, wire, SigningKey(f"made-up-{number}", "ES256", stranger.private_key)).status
        for number in range(60)
    )
    assert set(statuses) <= {401, 503}
    assert statuses[503] > 0
    assert ask(service, wire, keys[0]).allows
    endpoint.answer = publish(*keys[:2])
    first = ask(service, wire, keys[1])
    # It may be that the cooldown has just passed; a refusal it never is.
    assert first.allows or (first.status == 503 and first.json()["code"] == "key_not_confirmed")
    assert ask_until_decided(service, wire, keys[1], 1).allows
    assert ask(service, wire, keys[0], 2).allows


def test_no_issuer_is_asked_for_the_key_of_a_token_that_is_refused_anyway(
    service: RunningService, endpoint: Endpoint, wire: Wire
) -> None:
    stranger = generate_key("ES256", "stranger")
    asked = len(endpoint.asked)
    expired = mint(stranger, {**good_claims(wire), "iat": 1_000_000_000, "exp": 1_000_000_060})
    another_kind = mint(stranger, {**good_claims(wire), "at_hash": "x"})
    for token in (expired, another_kind):
        for _ in range(5):
            assert service.one(wire.ask(bearer=b"Authorization: Bearer " + token.encode())).status == 401
    assert len(endpoint.asked) == asked


def test_removed_key_is_refused_after_the_next_refresh_without_a_question(
    endpoint: Endpoint, keys: list[SigningKey], wire: Wire
) -> None:
    issuer = wire.contract.profile.issuer
    endpoint.answer = publish(*keys[:2])
    ring = KeyRing(load_settings({"ENTITLEMENTS_KEYS": f"{issuer}={endpoint.url}", "ENTITLEMENTS_KEYS_REFRESH": "5"}))
    with contextlib.closing(ring):
        source = ring.of([wire.contract.profile])[issuer]
        ring.start()
        wait_for_fetches(endpoint, 1)
        assert source.find("key-0", "ES256", time.monotonic())
        endpoint.answer = publish(keys[1])
        wait_for_fetches(endpoint, 2)
        # The body of the third answer is sent after the second one was taken up.
        wait_for_fetches(endpoint, 3)
        assert source.known("key-0", "ES256", time.monotonic()) is None
        assert source.known("key-1", "ES256", time.monotonic()) is not None


def wait_for_fetches(endpoint: Endpoint, number: int) -> None:
    until = time.monotonic() + _LONGEST
    while len(endpoint.asked) < number and time.monotonic() < until:
        time.sleep(0.02)
    assert len(endpoint.asked) >= number
