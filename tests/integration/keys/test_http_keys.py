"""The key set of an issuer over real HTTP: rotation, floods, and every way in which an endpoint can fail."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entitlements.errors import KeysUnavailable, StartupFault, TokenRejected
from entitlements.token import HttpKeys, KeySource, generate_key
from entitlements.token.key_fetch import check_url, fetch
from tests.loopback_server import Answer, Handler, LoopbackServer, server_side
from tests.loopback_server import answered as plain

FIRST, SECOND = generate_key("ES256", "first").public_jwk(), generate_key("ES256", "second").public_jwk()
TIMEOUT = 5.0


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def cut_short(request: Handler) -> None:
    body = document(FIRST)
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[:-5])


def endless(request: Handler) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for _ in range(1000):
        request.wfile.write(b"1000\r\n" + b" " * 4096 + b"\r\n")


def cut_short_after_a_document(request: Handler) -> None:
    body = document(SECOND)
    request.send_response(200)
    request.send_header("Content-Length", str(len(body) + 2))
    request.end_headers()
    request.wfile.write(body)


def chunked(*lines: bytes, **headers: str) -> Answer:
    def answer(request: Handler) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        for name, value in ({"Transfer-Encoding": "chunked"} | headers).items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(b"".join(lines))
        request.close_connection = True

    return answer


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


END = b"0\r\n\r\n"
unended_chunks = chunked(chunk(document(SECOND)))
half_a_chunk = chunked(b"1000\r\n", document(SECOND))
length_and_chunks = chunked(chunk(document(SECOND)), END, Content_Length=str(len(document(SECOND))))


def ended_by_hanging_up(request: Handler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(document(SECOND))


def hang_up(request: Handler) -> None:
    request.connection.close()


class Endpoint(LoopbackServer):
    """A server on loopback that answers as it is told and counts what it was asked."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__("/jwks", plain(document(FIRST)), tls)

    @property
    def asked(self) -> list[str]:
        return [question.path for question in self.questions]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    running = Endpoint()
    yield running
    running.close()


@pytest.fixture
def keys(endpoint: Endpoint) -> Iterator[HttpKeys]:
    source = HttpKeys(endpoint.url, timeout=TIMEOUT, max_bytes=65536, refresh_after=300, cooldown=10, max_stale=3600)
    yield source
    source.close()


def settle(source: HttpKeys) -> None:
    """Wait for the fetch under way, if there is one."""
    flight = source._flight
    if flight is not None:
        flight.thread.join(2 * TIMEOUT)


def finds(source: KeySource, kid: str, now: float) -> bool:
    try:
        return source.find(kid, "ES256", now).kid == kid
    except TokenRejected:
        return False


def answer_for(source: KeySource, kid: str, now: float) -> str | int:
    """What a question for a key that is not there gets: a refusal, or the seconds after which to ask again."""
    try:
        source.find(kid, "ES256", now)
    except TokenRejected:
        return "refused"
    except KeysUnavailable as unavailable:
        return unavailable.retry_after
    return "found"


def not_now(source: KeySource, kid: str, now: float) -> int:
    """The seconds after which to ask again for a key of which there is no word of the issuer's."""
    with pytest.raises(KeysUnavailable) as unavailable:
        source.find(kid, "ES256", now)
    assert unavailable.value.code == "key_not_confirmed"
    return unavailable.value.retry_after


def test_first_question_fetches_once_and_the_next_ones_do_not(endpoint: Endpoint, keys: HttpKeys) -> None:
    assert all(finds(keys, "first", now) for now in (0.0, 1.0, 299.0))
    assert endpoint.asked == ["/jwks"]


def test_new_key_is_found_at_once_and_the_removed_one_is_refused(endpoint: Endpoint, keys: HttpKeys) -> None:
    assert finds(keys, "first", 0)
    endpoint.answer = plain(document(SECOND))
    assert finds(keys, "second", 0.1)
    assert not finds(keys, "first", 0.2)
    assert keys.generation == 2
    # A name that the issuer took away costs no fetch within the cooldown.
    assert len(endpoint.asked) == 2


def test_unknown_name_after_the_burst_is_no_refusal_until_the_issuer_can_be_asked(
    endpoint: Endpoint, keys: HttpKeys
) -> None:
    assert finds(keys, "first", 0)
    assert not finds(keys, "made-up", 1)
    assert not finds(keys, "second", 1)
    assert not finds(keys, "second", 1)
    endpoint.answer = plain(document(FIRST, SECOND))
    assert [not_now(keys, "second", now) for now in (1.5, 10, 10.9)] == [10, 1, 1]
    assert finds(keys, "second", 11)
    assert len(endpoint.asked) == 5


def test_quiet_cooldowns_give_the_burst_back(endpoint: Endpoint, keys: HttpKeys) -> None:
    assert finds(keys, "first", 0)
    assert not any(finds(keys, f"made-up-{number}", 0) for number in range(3))
    assert not_now(keys, "made-up", 9) == 1
    assert not any(finds(keys, f"made-up-{number}", 40) for number in range(3))
    assert not_now(keys, "made-up", 40) == 10
    assert len(endpoint.asked) == 7


def test_name_that_the_set_binds_to_another_algorithm_is_refused_without_a_fetch(
    endpoint: Endpoint, keys: HttpKeys
) -> None:
    assert finds(keys, "first", 0)
    for now in range(1, 10):
        with pytest.raises(TokenRejected):
            keys.find("first", "RS256", now)
    assert len(endpoint.asked) == 1


def test_key_that_is_given_again_is_found_after_a_cooldown(endpoint: Endpoint, keys: HttpKeys) -> None:
    assert finds(keys, "first", 0)
    endpoint.answer = plain(document(SECOND))
    assert finds(keys, "second", 1)
    endpoint.answer = plain(document(FIRST, SECOND))
    assert not finds(keys, "first", 10)
    assert finds(keys, "first", 11)


def test_new_key_is_no_refusal_while_the_endpoint_fails(endpoint: Endpoint, keys: HttpKeys) -> None:
    assert finds(keys, "first", 0)
    endpoint.answer = plain(b"", 500)
    assert not_now(keys, "second", 1) == 1
    assert not_now(keys, "second", 2) == 1
    settle(keys)
    endpoint.answer = plain(document(FIRST, SECOND))
    assert not_now(keys, "second", 3) >= 1
    assert finds(keys, "first", 3)
    assert not_now(keys, "second", 12) == 1
    settle(keys)
    assert finds(keys, "second", 12)


def test_old_set_is_refreshed_in_the_background_and_a_retired_key_goes(endpoint: Endpoint, keys: HttpKeys) -> None:
    assert finds(keys, "first", 0)
    endpoint.answer = plain(document(SECOND))
    assert finds(keys, "first", 300)
    settle(keys)
    assert not finds(keys, "first", 301)
    assert finds(keys, "second", 301)


def test_set_is_refreshed_without_a_question(endpoint: Endpoint, keys: HttpKeys) -> None:
    keys.tend(0)
    settle(keys)
    assert keys.known("first", "ES256", 1)
    endpoint.answer = plain(document(SECOND))
    keys.tend(299)
    settle(keys)
    assert keys.known("first", "ES256", 299)
    keys.tend(300)
    settle(keys)
    assert keys.known("first", "ES256", 300) is None
    assert len(endpoint.asked) == 2


def test_flood_of_unknown_names_asks_in_a_burst_and_then_once_a_cooldown(endpoint: Endpoint, keys: HttpKeys) -> None:
    assert finds(keys, "first", 0)
    answers = []
    for number in range(2000):
        answers.append(answer_for(keys, f"made-up-{number}", number / 100))
        assert keys.known("first", "ES256", number / 100)
    # Twenty seconds with a cooldown of ten: by the first question, three in a burst, one after ten seconds.
    assert len(endpoint.asked) == 5
    assert answers.count("refused") == 4
    assert set(answers) == {"refused", *range(1, 11)}


def test_parallel_first_questions_share_one_fetch(endpoint: Endpoint, keys: HttpKeys) -> None:
    together = threading.Barrier(16)
    found: list[bool] = []

    def ask() -> None:
        together.wait(60)
        found.append(finds(keys, "first", 0))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [True] * 16
    assert len(endpoint.asked) == 1


FAILURES: dict[str, Answer] = {
    "404": plain(document(SECOND), 404),
    "500": plain(document(SECOND), 500),
    "503": plain(b"", 503),
    "204": plain(b"", 204),
    "201 with a good body": plain(document(SECOND), 201),
    "HTML": plain(b"<html><body>sign in</body></html>"),
    "empty": plain(b""),
    "cut short": cut_short,
    "cut short where a document ends": cut_short_after_a_document,
    "chunks without an end": unended_chunks,
    "half a chunk": half_a_chunk,
    "ended by hanging up": ended_by_hanging_up,
    "length and chunks": length_and_chunks,
    "two lengths": plain(document(SECOND), **{"content-length": "5"}),
    "chunks of gzip": plain(document(SECOND), Content_Length="", Transfer_Encoding="gzip, chunked"),
    "206": plain(document(SECOND), 206),
    "401": plain(document(), 401),
    "empty set with 500": plain(document(), 500),
    "empty set with 404": plain(document(), 404),
    "keys null": plain(b'{"keys": null}'),
    "list of keys": plain(document(SECOND)[9:-1]),
    "string": plain(b'"keys"'),
    "half a document": plain(document(SECOND)[:-3]),
    "duplicate members": plain(b'{"keys": [], ' + document(SECOND)[1:]),
    "too large": plain(document(SECOND) + b" " * 65536),
    "endless": endless,
    "gzip": plain(gzip.compress(document(SECOND)), Content_Encoding="gzip"),
    "said to be gzip": plain(document(SECOND), Content_Encoding="gzip"),
    "10,000 keys": plain(document(*[{"kid": str(number)} for number in range(2000)])),
    "length no number": plain(document(SECOND), Content_Length="many"),
    "hangs up": hang_up,
    "redirect": plain(b"", 302, Location="/elsewhere"),
    "permanent redirect": plain(b"", 308, Location="/elsewhere"),
    "redirect to a file": plain(b"", 302, Location="file:///etc/passwd"),
    "redirect to metadata": plain(b"", 302, Location="http://169.254.169.254/"),
    "redirect with a good body": plain(document(SECOND), 302, Location="/elsewhere"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failing_endpoint_leaves_the_last_good_set_until_its_hard_maximum_age(
    endpoint: Endpoint, keys: HttpKeys, name: str
) -> None:
    assert finds(keys, "first", 0)
    endpoint.answer = FAILURES[name]
    assert finds(keys, "first", 400)
    settle(keys)
    assert finds(keys, "first", 401)
    health = keys.health(402)
    settle(keys)
    assert health.ready
    assert health.problem
    assert finds(keys, "first", 3600)
    settle(keys)
    with pytest.raises(KeysUnavailable):
        keys.find("first", "ES256", 3601)
    assert set(endpoint.asked) == {"/jwks"}
    endpoint.answer = plain(document(SECOND))
    assert finds(keys, "second", 3700)


@pytest.mark.parametrize("name", FAILURES)
def test_failing_endpoint_at_the_first_question_is_no_decision(endpoint: Endpoint, keys: HttpKeys, name: str) -> None:
    endpoint.answer = FAILURES[name]
    with pytest.raises(KeysUnavailable):
        keys.find("second", "ES256", 0)
    assert not keys.health(1).ready


def test_slow_endpoint_holds_up_a_question_for_its_share_of_the_budget_only(endpoint: Endpoint) -> None:
    """K3: no answer yet is no refusal; who asks for a key that is known does not wait at all."""
    go_on = threading.Event()

    def slow(request: Handler) -> None:
        go_on.wait(2 * TIMEOUT)
        plain(document(FIRST, SECOND))(request)

    source = HttpKeys(endpoint.url, timeout=2 * TIMEOUT, wait=0.1, cooldown=10)
    try:
        assert finds(source, "first", 0)
        endpoint.answer = slow
        started = time.monotonic()
        # One question waits its share; the others would take all threads from good tokens.
        for _ in range(200):
            with pytest.raises(KeysUnavailable):
                source.find("second", "ES256", 20)
            assert finds(source, "first", 20)
        assert time.monotonic() - started < TIMEOUT
        go_on.set()
        settle(source)
        assert finds(source, "second", 20)
        assert len(endpoint.asked) == 2
    finally:
        go_on.set()
        source.close()


@pytest.mark.parametrize("place", ["head", "body"])
def test_dripping_endpoint_ends_at_the_deadline(endpoint: Endpoint, place: str) -> None:
    stop = threading.Event()

    def drip(request: Handler) -> None:
        text = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n"
        if place == "body":
            request.wfile.write(text + b"\r\n")
            text = b" " * 10000
        for letter in text * 100:
            request.wfile.write(bytes([letter]))
            if stop.wait(0.02):
                return

    endpoint.answer = drip
    try:
        with pytest.raises(KeysUnavailable, match="in time"):
            fetch(endpoint.url, timeout=0.5, max_bytes=65536, ca_file=None)
    finally:
        stop.set()


def test_address_where_nobody_listens_is_no_decision() -> None:
    endpoint = Endpoint()
    endpoint.close()
    source = HttpKeys(endpoint.url, timeout=TIMEOUT)
    with pytest.raises(KeysUnavailable):
        source.find("first", "ES256", 0)
    source.close()


def test_proxy_of_the_environment_is_not_asked(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Endpoint()
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert fetch(endpoint.url, timeout=TIMEOUT, max_bytes=65536, ca_file=None) == document(FIRST)
    assert not proxy.asked
    proxy.close()


def test_only_a_trusted_certificate_for_the_right_host_is_believed(tmp_path: Path) -> None:
    good, context = server_side(tmp_path, "localhost")
    trusted = Endpoint(context)
    assert fetch(trusted.url, timeout=TIMEOUT, max_bytes=65536, ca_file=str(good)) == document(FIRST)
    with pytest.raises(KeysUnavailable):
        fetch(trusted.url, timeout=TIMEOUT, max_bytes=65536, ca_file=None)
    trusted.close()
    other, context = server_side(tmp_path, "other.example")
    foreign = Endpoint(context)
    with pytest.raises(KeysUnavailable):
        fetch(foreign.url, timeout=TIMEOUT, max_bytes=65536, ca_file=str(other))
    assert not foreign.asked
    foreign.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys.json",
        "file:///etc/passwd",
        "ftp://login.example/jwks",
        "http://login.example/jwks",
        "http://127.0.0.1.evil.example/jwks",
        "http://10.0.0.1/jwks",
        "https://",
        "https://user:secret@login.example/jwks",
        "https://login.example/jwks#x",
        "https://login.example:0/jwks",
        "https://login.example:99999/jwks",
        "https://login.example/a b",
        "https://lоgin.example/jwks",
    ],
)
def test_address_that_is_not_safe_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(StartupFault) as refusal:
        check_url(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["https://login.example/jwks", "http://127.0.0.1:8080/x", "http://[::1]:1/x"])
def test_address_that_is_safe_is_taken(url: str) -> None:
    assert check_url(url) == url
