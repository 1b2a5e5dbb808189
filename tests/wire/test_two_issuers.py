"""Two issuers of one audience, side by side over real HTTP: equal names are two subjects, no token changes sides."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from entitlements.token import SigningKey, generate_key
from tests.locked_project import AUDIENCE
from tests.two_issuers import IssuerServer, Move, two_servers
from tests.unit.token.proofs import jkt, proof_jwt

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService, StartService

URL = "https://shop.example.com/items/1"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[IssuerServer, IssuerServer]]:
    with two_servers() as pair:
        yield pair


@pytest.fixture(scope="module")
def old(servers: tuple[IssuerServer, IssuerServer]) -> IssuerServer:
    return servers[0]


@pytest.fixture(scope="module")
def new(servers: tuple[IssuerServer, IssuerServer]) -> IssuerServer:
    return servers[1]


@pytest.fixture(scope="module")
def service(
    old: IssuerServer, new: IssuerServer, start_service: StartService, tmp_path_factory: pytest.TempPathFactory
) -> RunningService:
    return start_service(Move(tmp_path_factory.mktemp("move"), old, new).settings)


def ask(service: RunningService, token: str, owner: IssuerServer, name: str = "u_1", proof: Any = None) -> Reply:
    """Ask to read an item of someone of an issuer."""
    properties = {"owner": name, "owner_issuer": owner.url}
    body = {
        "audience": AUDIENCE,
        "action": "read",
        "resource": {"type": "item", "id": "1", "properties": properties},
        **({} if proof is None else {"proof": {"dpop": {"jwt": proof, "method": "GET", "url": URL}}}),
    }
    content = json.dumps(body).encode()
    head = (
        f"POST /authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    return service.one(head.encode() + content)


def refusal(service: RunningService, token: str, owner: IssuerServer, proof: Any = None) -> str:
    reply = ask(service, token, owner, proof=proof)
    assert reply.status == 401, reply.body
    return str(service.rows()[-1]["refusal"])


def test_equal_subjects_of_two_issuers_are_two_to_policy(
    service: RunningService, old: IssuerServer, new: IssuerServer
) -> None:
    """Each is the owner of what is their own, whatever the other one is called."""
    for server, version in ((old, "1.0.0"), (new, "2.0.0")):
        for form in (server.token(), server.answer_for(f"{'ab'[server is new]}_{version}")):
            for owner in (old, new):
                reply = ask(service, form, owner)
                assert reply.json()["decision"] is (owner is server)
                assert reply.json()["contract"]["version"] == version


def test_log_names_the_issuer_of_each_and_masks_equal_values_apart(
    service: RunningService, old: IssuerServer, new: IssuerServer
) -> None:
    rows = []
    for server in (old, new, old):
        assert ask(service, server.token(), server).allows
        rows.append(service.rows()[-1])
    assert [row["subject"] for row in rows] == ["u_1"] * 3
    assert [row["issuer"] for row in rows] == [old.url, new.url, old.url]
    masked = [row["client_id"] for row in rows]
    assert masked[0] == masked[2] != masked[1]
    assert all(one.startswith("hmac-sha256:") for one in masked)


def test_key_of_one_issuer_makes_no_token_of_the_other(
    service: RunningService, old: IssuerServer, new: IssuerServer
) -> None:
    """C7: both keys are called `one`, so that nothing but the issuer distinguishes them."""
    assert refusal(service, new.token(key=old.key), new) == "signature_invalid"
    assert refusal(service, old.token(key=new.key), old) == "signature_invalid"
    assert ask(service, old.token(), old).allows


@pytest.mark.parametrize("change", ["/", "?x=1", "#", " ", "/realms/a"])
def test_issuer_that_only_resembles_one_of_them_is_unknown(
    service: RunningService, old: IssuerServer, change: str
) -> None:
    asked = len(old.questions)
    assert refusal(service, old.token(iss=old.url + change), old) == "issuer_unknown"
    assert len(old.questions) == asked


def test_opaque_token_is_sent_to_the_issuer_of_its_prefix_alone(
    service: RunningService, old: IssuerServer, new: IssuerServer
) -> None:
    for server, other, token in ((old, new, "a_alone"), (new, old, "b_alone")):
        before = len(other.questions)
        server.answer_for(token)
        assert ask(service, token, server).allows
        assert server.introspected[-1] == token
        assert len(other.questions) == before
    before = len(old.questions), len(new.questions)
    for token in ("c_x", "A_alone", "ab_", "a", "b"):
        assert refusal(service, token, old) == "token_malformed"
    assert (len(old.questions), len(new.questions)) == before


def test_issuer_cannot_speak_for_the_other_one(service: RunningService, old: IssuerServer, new: IssuerServer) -> None:
    new.answer_for("b_liar", iss=old.url)
    assert refusal(service, "b_liar", old) == "issuer_mismatch"
    new.answer_for("b_silent", iss=None)
    assert refusal(service, "b_silent", old) in ("claim_missing", "issuer_mismatch")


@pytest.fixture(scope="module")
def holder() -> SigningKey:
    return generate_key("ES256")


@pytest.fixture
def nonce(service: RunningService, old: IssuerServer, holder: SigningKey) -> str:
    """That the service asks for, as it cannot know what was used before its start."""
    token = old.token(cnf={"jkt": jkt(holder)})
    reply = ask(service, token, old, proof=proof_jwt(holder, token, url=URL, now=time.time() - 30, jti="first"))
    return reply.headers["dpop-nonce"][0]


def test_proof_is_for_the_token_of_one_issuer(
    service: RunningService, old: IssuerServer, new: IssuerServer, holder: SigningKey, nonce: str
) -> None:
    """One client key, tokens of both issuers: a proof goes with the token that it was made for, once."""
    tokens = [server.token(cnf={"jkt": jkt(holder)}) for server in (old, new)]
    for number, (server, token) in enumerate(zip((old, new), tokens, strict=True)):
        proof = proof_jwt(holder, token, url=URL, now=time.time(), jti=f"pair-{number}", nonce=nonce)
        other = tokens[1 - number]
        assert refusal(service, other, server, proof) == "proof_invalid"
        assert ask(service, token, server, proof=proof).allows
        assert refusal(service, token, server, proof) == "proof_replayed"


def test_proof_that_was_used_is_used_for_the_other_issuer_too(
    service: RunningService, old: IssuerServer, new: IssuerServer, holder: SigningKey, nonce: str
) -> None:
    """One `jti` of one key for one target: the token's issuer opens no second drawer."""
    for number, server in enumerate((old, new)):
        token = server.token(cnf={"jkt": jkt(holder)})
        proof = proof_jwt(holder, token, url=URL, now=time.time(), jti="shared", nonce=nonce)
        if number == 0:
            assert ask(service, token, server, proof=proof).allows
        else:
            assert refusal(service, token, server, proof) == "proof_replayed"


def test_bound_token_of_one_issuer_is_no_bearer_token_by_the_version_of_the_other(
    service: RunningService, old: IssuerServer, new: IssuerServer, holder: SigningKey
) -> None:
    for server in (old, new):
        assert refusal(service, server.token(cnf={"jkt": jkt(holder)}), server) == "proof_missing"
