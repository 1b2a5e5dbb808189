"""A socket whose time is up is shut down, and a TLS socket stays a TLS socket."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from entitlements.engine.deadline import DeadlineWatch

_GUARD_SECONDS = 30


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(_GUARD_SECONDS)
    theirs.settimeout(_GUARD_SECONDS)
    with ours, theirs:
        yield ours, theirs


def test_a_read_that_waits_ends_at_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    DeadlineWatch().watch(pair[0], time.monotonic() + 0.05)
    assert pair[0].recv(1) == b""


def test_a_deadline_that_has_passed_ends_the_read_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    DeadlineWatch().watch(pair[0], time.monotonic() - 1)
    assert pair[0].recv(1) == b""


def test_a_later_deadline_does_not_hold_back_an_earlier_one(pair: tuple[socket.socket, socket.socket]) -> None:
    watch = DeadlineWatch()
    watch.watch(pair[1], time.monotonic() + 3600)
    watch.watch(pair[0], time.monotonic() + 0.05)
    assert pair[0].recv(1) == b""


def test_a_forgotten_socket_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    watch = DeadlineWatch()
    with socket.socket() as other:
        number = watch.watch(pair[0], time.monotonic() + 0.05)
        watch.forget(number)
        watch.forget(number)
        watch.watch(other, time.monotonic() + 0.1)
    time.sleep(0.2)
    pair[0].sendall(b"still open")
    assert pair[1].recv(16) == b"still open"


def test_a_socket_that_was_closed_does_not_stop_the_watch(pair: tuple[socket.socket, socket.socket]) -> None:
    watch = DeadlineWatch()
    closed = socket.socket()
    closed.close()
    watch.watch(closed, time.monotonic() - 1)
    watch.watch(pair[0], time.monotonic() + 0.05)
    assert pair[0].recv(1) == b""


def certificate(folder: Path) -> Path:
    """A key and a certificate of its own for `localhost`, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def tls(ours: socket.socket, certificate_file: Path) -> ssl.SSLSocket:
    """A TLS client on `ours` whose peer has answered the handshake; the peer is driven in memory."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(certificate_file)
    return client.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)


def shake_hands(client: ssl.SSLSocket, theirs: socket.socket, certificate_file: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    client.setblocking(False)
    theirs.setblocking(False)
    open_ends = {client.do_handshake, server.do_handshake}
    deadline = time.monotonic() + _GUARD_SECONDS
    while open_ends:
        assert time.monotonic() < deadline, "the handshake does not end"
        for step in list(open_ends):
            try:
                step()
                open_ends.discard(step)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        theirs.sendall(outgoing.read())
        with contextlib.suppress(BlockingIOError):
            incoming.write(theirs.recv(65536))
    client.settimeout(_GUARD_SECONDS)
    theirs.settimeout(_GUARD_SECONDS)


def test_octets_in_the_clear_are_no_answer_of_a_tls_socket_after_its_deadline(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    """K11: who sits on the wire must not speak once the time is up; nor may we go on in the clear."""
    file = certificate(tmp_path)
    ours, theirs = pair
    with tls(ours, file) as client:
        shake_hands(client, theirs, file)
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        DeadlineWatch().watch(client, time.monotonic() - 1)
        while theirs.recv(65536):
            pass
        with pytest.raises(ssl.SSLError):
            client.recv(65536)
        with pytest.raises(OSError):
            client.sendall(b"Authorization: Bearer x")
