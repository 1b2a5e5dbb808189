"""Opaque tokens over real HTTP: who is asked, with what, how often, and every way in which an endpoint can fail."""

from __future__ import annotations

import base64
import gc
import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from entitlements.errors import EntitlementsError, IntrospectionUnavailable, StartupFault, TokenRejected
from entitlements.model import OpaqueTokens, TokenProfile
from entitlements.token import FileKeys, TokenVerifier, access_token_claims, generate_key, mint
from entitlements.token.introspection import AnswerForm, Client, HttpEndpoint, IntrospectingVerifier, read_client
from tests.loopback_server import Answer, Handler, certificate, server_side, sockets_to

from .endpoints import FakeIssuer, says

ISSUER, OTHER = "https://login.example.com", "https://login.example.org"
AUDIENCE, NOW = "https://api.example.com", 1001.0
TOKEN = "at_kilo-lima"
KEY = generate_key("ES256", "of-the-issuer")
PROFILE = TokenProfile(ISSUER, AUDIENCE, ("ES256",), 3600, opaque=OpaqueTokens())
CLIENT = Client("entitlements", "client_secret_basic", secret="s3cret of ours")
TIMEOUT = 5.0


def active(**changes: Any) -> dict[str, Any]:
    found = {"active": True, "token_type": "Bearer", "iss": ISSUER, "aud": AUDIENCE, "sub": "u_1", "client_id": "web"}
    return {**found, "iat": 1000, "exp": 1600, **changes}


@dataclass
class World:
    """A verifier with endpoints, and the clocks that it is told."""

    folder: Path
    issuers: dict[str, FakeIssuer] = field(default_factory=dict)
    monotonic: float = 0.0
    timeout: float = TIMEOUT
    entries: int = 4096

    def issuer(self, name: str = ISSUER) -> FakeIssuer:
        return self.issuers.setdefault(name, FakeIssuer())

    def endpoint(self, name: str, client: Client = CLIENT, url: str = "") -> HttpEndpoint:
        return HttpEndpoint(
            name,
            url or self.issuer(name).url,
            client,
            timeout=self.timeout,
            cache_seconds=60,
            entries=self.entries,
            clock=lambda: NOW,
            monotonic=lambda: self.monotonic,
        )

    def verifier(self, *profiles: TokenProfile, client: Client = CLIENT, url: str = "") -> IntrospectingVerifier:
        profiles = profiles or (PROFILE,)
        path = self.folder / "jwks.json"
        path.write_text(json.dumps({"keys": [KEY.public_jwk()]}))
        names = {profile.issuer for profile in profiles}
        keys = {name: FileKeys(path) for name in names}
        permitting = {profile.issuer for profile in profiles if profile.opaque is not None}
        self.endpoints = {name: self.endpoint(name, client, url) for name in permitting}
        return IntrospectingVerifier(profiles, TokenVerifier(profiles, keys), keys, self.endpoints)

    @property
    def asked(self) -> int:
        return sum(len(issuer.asked) for issuer in self.issuers.values())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    for issuer in found.issuers.values():
        issuer.close()


def code_of(verifier: IntrospectingVerifier, token: str = TOKEN, now: float = NOW, audience: str = AUDIENCE) -> str:
    try:
        verifier.verify(token, now=now, audience=audience)
    except EntitlementsError as error:
        return error.code
    return "accepted"


def test_active_token_is_accepted_and_stands_in_the_body_of_the_question_alone(world: World) -> None:
    world.issuer().answer = says(active())
    claims = world.verifier().verify(TOKEN, now=NOW, audience=AUDIENCE)
    assert (claims.issuer, claims.audience, claims.introspected) == (ISSUER, AUDIENCE, True)
    (asked,) = world.issuer().asked
    assert (asked.method, asked.path) == ("POST", "/introspect")
    assert asked.form == {"token": TOKEN, "token_type_hint": "access_token"}
    assert asked.headers["accept"] == "application/json"
    assert TOKEN not in str(asked.headers)
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"entitlements:s3cret+of+ours"


@pytest.mark.parametrize(
    ("form", "accept"),
    [
        ("json", "application/json"),
        ("signed", "application/token-introspection+jwt"),
        ("token", "application/jwt"),
    ],
)
def test_one_form_of_answer_is_asked_for(world: World, form: str, accept: str) -> None:
    verifier = world.verifier(client=replace(CLIENT, form=AnswerForm(form)))
    code_of(verifier)
    assert [asked.headers["accept"] for asked in world.issuer().asked] == [accept]


def test_inactive_token_is_refused(world: World) -> None:
    assert code_of(world.verifier()) == "token_inactive"
    assert not world.endpoints[ISSUER].health().problems


def hang(request: Handler) -> None:
    time.sleep(30)


def hang_up(request: Handler) -> None:
    request.connection.close()


def drip(request: Handler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "1000")
    request.end_headers()
    for _ in range(1000):
        request.wfile.write(b" ")
        time.sleep(0.05)


def endless(request: Handler) -> None:
    request.protocol_version = "HTTP/1.1"
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for _ in range(1000):
        request.wfile.write(b"1000\r\n" + b" " * 4096 + b"\r\n")


def two_lengths(request: Handler) -> None:
    """The library refuses the head, and would keep the connection of a body that no one reads."""
    says(active(), **{"Content_Length": "400", "content_length": "40"})(request)


SLOW = ("hang", "drip")
TROUBLE: dict[str, tuple[Answer, str]] = {
    "hang": (hang, "introspection_unreachable"),
    "drip": (drip, "introspection_unreachable"),
    "hang-up": (hang_up, "introspection_unreachable"),
    "endless": (endless, "introspection_unreachable"),
    "cut-short": (says(json.dumps(active()).encode(), Content_Length="5000"), "introspection_unreachable"),
    "no-end-told": (says(active(), Content_Length=""), "introspection_unreachable"),
    "two-lengths": (two_lengths, "introspection_unreachable"),
    "too-large": (says(active(x="x" * 70000)), "introspection_unreachable"),
    "gzip": (
        says(gzip.compress(json.dumps(active()).encode()), Content_Encoding="gzip"),
        "introspection_unreachable",
    ),
    "html": (says(b"<html></html>", kind="text/html"), "introspection_answer_invalid"),
    "html-as-json": (says(b"<html></html>"), "introspection_answer_invalid"),
    "redirect": (says(active(), 302, Location="http://127.0.0.1:1/introspect"), "introspection_failed"),
    "not-found": (says(active(), 404), "introspection_failed"),
    "too-many": (says(active(), 429), "introspection_failed"),
    "defect": (says(active(), 500), "introspection_failed"),
    "down": (says(b"", 503), "introspection_failed"),
    "our-secret-is-wrong": (says({"error": "invalid_client"}, 401), "introspection_client_refused"),
    "we-may-not": (says(b"", 403), "introspection_client_refused"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_of_the_endpoint_is_no_word_about_the_token(world: World, name: str) -> None:
    """K8: never an allow, never a refusal, never cached; told until an answer comes."""
    world.timeout = 0.5 if name in SLOW else TIMEOUT
    answer, code = TROUBLE[name]
    world.issuer().answer = answer
    verifier = world.verifier()
    with pytest.raises(IntrospectionUnavailable) as error:
        verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)
    assert error.value.code == code
    assert [problem.code for problem in world.endpoints[ISSUER].health().problems] == [code]
    assert TOKEN not in error.value.message + world.endpoints[ISSUER].health().problem
    world.issuer().answer = says(active())
    assert code_of(verifier) == "accepted"
    assert not world.endpoints[ISSUER].health().problems


@pytest.mark.parametrize("name", [name for name in TROUBLE if name not in SLOW])
def test_answer_that_is_refused_leaves_no_socket_open(world: World, name: str, request: pytest.FixtureRequest) -> None:
    """A connection that is kept would be one for each token that someone makes up; nothing waits for a collector."""
    gc.disable()
    request.addfinalizer(gc.enable)
    world.issuer().answer, code = TROUBLE[name]
    verifier = world.verifier()
    for number in range(4):
        world.monotonic += 10
        with pytest.raises(IntrospectionUnavailable) as error:
            verifier.verify(f"at_{number}", now=NOW, audience=AUDIENCE)
        assert error.value.code == code
    assert len(world.issuer().asked) == 4
    assert sockets_to(world.issuer().port) == 0


def test_socket_of_a_question_is_seen_by_the_count(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.issuer().port)):
        assert sockets_to(world.issuer().port) == 1


def test_endpoint_that_is_not_there_is_no_word_about_the_token(world: World) -> None:
    gone = FakeIssuer()
    gone.close()
    assert code_of(world.verifier(url=gone.url)) == "introspection_unreachable"


def test_redirect_leads_nowhere(world: World) -> None:
    """K4."""
    other = world.issuer(OTHER)
    other.answer = says(active())
    for status in (301, 302, 303, 307, 308):
        world.issuer().answer = says(b"", status, Location=other.url)
        assert code_of(world.verifier()) == "introspection_failed"
    assert other.asked == []


def test_endpoint_that_fails_in_a_row_holds_nobody_up_for_a_second(world: World) -> None:
    world.issuer().answer = says(b"", 503)
    verifier = world.verifier()
    codes = [code_of(verifier, f"at_{number}") for number in range(6)]
    assert codes[:3] == ["introspection_failed"] * 3
    assert codes[3:] == ["introspection_unreachable"] * 3
    assert world.asked == 3
    world.monotonic = 1.0
    world.issuer().answer = says(active())
    assert code_of(verifier, "at_9") == "accepted"
    assert code_of(verifier, "at_10") == "accepted"


def test_many_questions_for_one_token_are_one(world: World) -> None:
    """K9: parallel requests with one fresh token."""
    waiting, go = threading.Barrier(17), threading.Event()

    def slow(request: Handler) -> None:
        go.wait(30)
        says(active())(request)

    world.issuer().answer = slow
    verifier = world.verifier()

    def ask(_: int) -> str:
        waiting.wait(30)
        return code_of(verifier)

    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(ask, number) for number in range(16)]
        waiting.wait(30)
        deadline = time.monotonic() + 30
        while not world.issuer().asked and time.monotonic() < deadline:
            time.sleep(0.01)
        go.set()
        assert {answer.result(60) for answer in answers} == {"accepted"}
    assert world.asked == 1


def test_answer_is_remembered_for_the_maximum_and_no_longer(world: World) -> None:
    world.issuer().answer = says(active())
    verifier = world.verifier()
    for moment, asked in ((0.0, 1), (59.9, 1), (60.0, 2), (119.9, 2), (10.0, 3)):
        world.monotonic = moment
        assert (code_of(verifier), world.asked) == ("accepted", asked)


def test_answer_is_not_remembered_past_exp(world: World) -> None:
    """X2: within the leeway only a fresh answer says that the token is active."""
    world.issuer().answer = says(active(exp=1010))
    verifier = world.verifier()
    assert (code_of(verifier, now=1001), world.asked) == ("accepted", 1)
    assert (code_of(verifier, now=1009), world.asked) == ("accepted", 1)
    assert (code_of(verifier, now=1010), world.asked) == ("accepted", 2)
    assert (code_of(verifier, now=1019), world.asked) == ("accepted", 3)
    assert code_of(verifier, now=1020) == "token_expired"


def test_refusal_is_remembered_for_a_moment(world: World) -> None:
    verifier = world.verifier()
    for moment, asked in ((0.0, 1), (9.9, 1), (10.0, 2)):
        world.monotonic = moment
        assert (code_of(verifier), world.asked) == ("token_inactive", asked)


def test_flood_of_made_up_tokens_displaces_no_good_one(world: World) -> None:
    world.entries = 2
    world.issuer().answer = says(active())
    verifier = world.verifier()
    assert code_of(verifier) == "accepted"
    world.issuer().answer = says({"active": False})
    assert {code_of(verifier, f"at_{number}") for number in range(5)} == {"token_inactive"}
    assert (code_of(verifier, "at_4"), code_of(verifier, "at_0"), world.asked) == (
        "token_inactive",
        "token_inactive",
        7,
    )
    assert (code_of(verifier), world.asked) == ("accepted", 7)


def test_remembered_answer_is_judged_anew_for_another_audience(world: World) -> None:
    world.issuer().answer = says(active())
    verifier = world.verifier(PROFILE, replace(PROFILE, audience="https://other.example.com"))
    assert code_of(verifier) == "accepted"
    assert code_of(verifier, audience="https://other.example.com") == "audience_mismatch"
    assert world.asked == 1


def test_opaque_token_is_not_sent_to_the_issuer_of_another_audience(world: World) -> None:
    """The endpoint of a second issuer receives nothing."""
    second = replace(PROFILE, issuer=OTHER, audience="https://other.example.com")
    verifier = world.verifier(PROFILE, second)
    world.issuer(OTHER).answer = says(active(iss=OTHER))
    world.issuer().answer = says(active())
    assert code_of(verifier) == "accepted"
    assert code_of(verifier, "at_revoked") == "accepted"
    assert code_of(verifier, audience="https://nobody.example.com") == "token_malformed"
    assert (len(world.issuer().asked), len(world.issuer(OTHER).asked)) == (2, 0)
    assert code_of(verifier, audience=second.audience) == "audience_mismatch"
    assert len(world.issuer(OTHER).asked) == 1


def test_prefix_tells_whose_an_opaque_token_is(world: World) -> None:
    first = replace(PROFILE, opaque=OpaqueTokens("one_"))
    second = replace(PROFILE, issuer=OTHER, opaque=OpaqueTokens("two_"))
    verifier = world.verifier(first, second)
    world.issuer().answer, world.issuer(OTHER).answer = says(active()), says(active(iss=OTHER))
    assert code_of(verifier, "two_x") == "accepted"
    assert (len(world.issuer().asked), len(world.issuer(OTHER).asked)) == (0, 1)
    assert code_of(verifier, "one_x") == "accepted"
    assert (len(world.issuer().asked), len(world.issuer(OTHER).asked)) == (1, 1)
    assert code_of(verifier, "three_x") == "token_malformed"
    assert world.asked == 2


def test_one_version_that_permits_opaque_tokens_asks_its_own_issuer(world: World) -> None:
    world.issuer(OTHER)
    verifier = world.verifier(replace(PROFILE, issuer=OTHER, opaque=None), PROFILE)
    world.issuer().answer = says(active())
    assert code_of(verifier) == "accepted"
    assert world.issuer(OTHER).asked == []


@pytest.mark.parametrize("prefixes", [("", ""), ("a", ""), ("a", "ab"), ("a", "a")])
def test_versions_by_which_a_token_could_be_of_two_issuers_are_not_served(
    world: World, prefixes: tuple[str, str]
) -> None:
    first, second = (replace(PROFILE, opaque=OpaqueTokens(prefix)) for prefix in prefixes)
    with pytest.raises(StartupFault) as fault:
        world.verifier(first, replace(second, issuer=OTHER))
    assert [one.code for one in fault.value.faults] == ["opaque_ambiguous"]


def test_issuer_without_an_endpoint_is_a_fault(world: World) -> None:
    jwts = TokenVerifier([PROFILE], {ISSUER: FileKeys(world.folder / "none")})
    with pytest.raises(StartupFault) as fault:
        IntrospectingVerifier([PROFILE], jwts, {}, {})
    assert [one.code for one in fault.value.faults] == ["introspection_missing"]


def jwt(**changes: Any) -> str:
    claims = access_token_claims(
        issuer=ISSUER, audience=AUDIENCE, subject="u_1", client_id="web", now=1000.0, lifetime=600
    )
    return mint(KEY, {**claims, **changes})


def test_jwt_is_verified_here_and_not_introspected(world: World) -> None:
    verifier = world.verifier()
    world.issuer()
    assert code_of(verifier, jwt()) == "accepted"
    assert code_of(verifier, jwt(aud="x")) == "audience_mismatch"
    assert code_of(verifier, jwt(nonce="n")) == "id_token"
    assert code_of(verifier, jwt()[:-3]) in ("signature_invalid", "token_malformed")
    assert world.asked == 0


def test_jwt_is_introspected_where_the_contract_says_so(world: World) -> None:
    verifier = world.verifier(replace(PROFILE, opaque=OpaqueTokens("", jwts=True)))
    assert code_of(verifier, jwt()) == "token_inactive"
    world.monotonic = 100
    world.issuer().answer = says(active())
    assert verifier.verify(jwt(sub=None), now=NOW, audience=AUDIENCE).introspected
    # Whom it names chooses among the issuers of the audience.
    assert code_of(verifier, jwt(iss=OTHER)) == "issuer_unknown"
    assert world.asked == 2


@pytest.mark.parametrize("token", ["at kilo", "at\nkilo", "kilo,lima", "ünder", "", "x" * 16385, '"kilo"'])
def test_text_that_is_no_token_is_not_sent(world: World, token: str) -> None:
    assert code_of(world.verifier(), token) in ("token_malformed", "token_too_large")
    assert world.asked == 0


def test_nobody_is_asked_where_no_audience_is_named(world: World) -> None:
    with pytest.raises(TokenRejected):
        world.verifier().audiences(TOKEN, now=NOW)
    assert world.asked == 0


def test_bound_opaque_token_needs_a_proof(world: World) -> None:
    verifier = world.verifier(replace(PROFILE, sender_constrained="permitted"))
    world.issuer().answer = says(active(token_type="DPoP", cnf={"jkt": "A" * 42 + "E"}))
    assert code_of(verifier) == "proof_missing"
    world.monotonic = 100
    refusing = world.verifier()
    assert code_of(refusing) == "sender_constrained"


def test_phantom_token_is_verified_by_the_keys_of_the_issuer(world: World) -> None:
    verifier = world.verifier(client=replace(CLIENT, form=AnswerForm.TOKEN))
    world.issuer().answer = says(jwt().encode(), kind="application/jwt")
    claims = verifier.verify(TOKEN, now=NOW, audience=AUDIENCE)
    assert (claims.introspected, claims.exchanged) == (False, True)
    assert code_of(verifier) == "accepted"
    assert world.asked == 1
    other = generate_key("ES256", KEY.kid)
    world.issuer().answer = says(mint(other, {"iss": ISSUER}).encode(), kind="application/jwt")
    assert code_of(verifier, "at_other") == "introspection_answer_invalid"


def write(path: Path, content: Any, mode: int = 0o600) -> Path:
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_private_key_jwt_names_us_to_this_issuer_alone(world: World) -> None:
    ours = generate_key("ES256", "ours")
    file = write(world.folder / "client.json", {"client_id": "entitlements", "private_key": ours.to_jwk()})
    code_of(world.verifier(client=read_client(file)))
    (asked,) = world.issuer().asked
    assert asked.form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "authorization" not in asked.headers
    header, payload, _ = (asked.form["client_assertion"] + "..").split(".")[:3]
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert (said["iss"], said["sub"], said["aud"]) == ("entitlements", "entitlements", ISSUER)
    assert (said["iat"], said["exp"]) == (1001, 1061)
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["kid"] == "ours"
    assert "d" not in json.loads(base64.urlsafe_b64decode(payload + "=="))


def test_secret_in_the_form_where_the_server_wants_it_there(world: World) -> None:
    client = {"client_id": "entitlements", "client_secret": "s3cret", "method": "client_secret_post"}
    code_of(world.verifier(client=read_client(write(world.folder / "client.json", client))))
    (asked,) = world.issuer().asked
    assert (asked.form["client_id"], asked.form["client_secret"]) == ("entitlements", "s3cret")
    assert "authorization" not in asked.headers


def test_certificate_is_shown_to_a_server_that_asks_for_it(world: World) -> None:
    server, context = server_side(world.folder, "localhost")
    ours, our_key = certificate(world.folder, "entitlements")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours)
    world.issuers[ISSUER] = FakeIssuer(context)
    world.issuer().answer = says(active())
    members = {"client_id": "entitlements", "certificate": str(ours), "certificate_key": str(our_key)}
    client = read_client(write(world.folder / "client.json", {**members, "ca_file": str(server)}))
    assert client.method == "tls_client_auth"
    assert code_of(world.verifier(client=client)) == "accepted"
    assert code_of(world.verifier(client=replace(client, certificate=None)), "at_2") == "introspection_unreachable"
    # K11: a server that no one vouches for
    assert code_of(world.verifier(client=replace(client, ca_file=None)), "at_3") == "introspection_unreachable"
    assert [asked.form["client_id"] for asked in world.issuer().asked] == ["entitlements"]


BAD: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "none.json",
    "readable": lambda folder: write(folder / "c", {"client_id": "a", "client_secret": "kilo"}, 0o640),
    "no-json": lambda folder: write(folder / "c", "kilo"),
    "no-object": lambda folder: write(folder / "c", ["kilo"]),
    "no-credentials": lambda folder: write(folder / "c", {"client_id": "kilo"}),
    "no-client": lambda folder: write(folder / "c", {"client_secret": "kilo"}),
    "unknown": lambda folder: write(folder / "c", {"client_id": "a", "client_secret": "kilo", "x": 1}),
    "two-ways": lambda folder: write(
        folder / "c", {"client_id": "a", "client_secret": "kilo", "private_key": KEY.to_jwk()}
    ),
    "public-key": lambda folder: write(folder / "c", {"client_id": "a", "private_key": KEY.public_jwk()}),
    "no-form": lambda folder: write(folder / "c", {"client_id": "a", "client_secret": "kilo", "answer": "xml"}),
    "no-text": lambda folder: write(folder / "c", {"client_id": "a", "client_secret": ["kilo"]}),
    "method": lambda folder: write(folder / "c", {"client_id": "a", "client_secret": "kilo", "method": "basic"}),
    "twice": lambda folder: write(folder / "c", '{"client_id": "a", "client_id": "b", "client_secret": "kilo"}'),
    "key-readable": lambda folder: write(
        folder / "c",
        {
            "client_id": "a",
            "certificate": str(write(folder / "c.pem", "kilo")),
            "certificate_key": str(write(folder / "c.key", "kilo", 0o644)),
        },
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_file_of_credentials_that_cannot_be_used_is_refused_without_its_content(name: str, tmp_path: Path) -> None:
    with pytest.raises(StartupFault) as fault:
        read_client(BAD[name](tmp_path))
    assert fault.value.code == "introspection_client_invalid"
    assert "kilo" not in fault.value.message


def test_credentials_are_not_shown_in_the_text_of_a_client(tmp_path: Path) -> None:
    client = read_client(write(tmp_path / "c", {"client_id": "a", "client_secret": "kilo"}))
    assert "kilo" not in repr(client)
    none = read_client(write(tmp_path / "d", {"client_id": "a", "method": "none"}))
    assert none.shown(ISSUER, NOW) == ({}, {"client_id": "a"})
