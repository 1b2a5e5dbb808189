"""HTTP over a Unix socket, asked of no one but whom we expect behind it.

The kernel tells who listens on the other side of a connection. That is compared with who was expected before the first
byte is sent, on each connection anew: a path alone says nothing of who answers there.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from entitlements.errors import EngineUnavailable

# What a path may take in the kernel's address, on every platform (sun_path: 108 bytes on Linux, 104 on macOS).
MAX_PATH = 100
# Of <sys/un.h> on macOS: the level, and the options for `struct xucred` and the process id.
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2
_XUCRED_BYTES = 76


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that listens on a Unix socket, as the kernel knows it."""

    uid: int
    pid: int


Check = Callable[[socket.socket], None]
"""Raises EngineUnavailable `engine_not_trusted` where the peer of a connection is not the expected one."""


def peer_of(connection: socket.socket) -> Peer:
    """Who listens on the other side. Raises EngineUnavailable where the platform does not tell."""
    platform: str = sys.platform
    try:
        if platform == "linux":
            pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return Peer(uid, pid)
        if platform == "darwin":
            credentials = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES)
            (pid,) = struct.unpack("i", connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))
            return Peer(struct.unpack_from("II", credentials)[1], pid)
    except OSError:
        raise EngineUnavailable("engine_unreachable", "the engine cannot be reached") from None
    raise EngineUnavailable("engine_not_trusted", "this platform does not say who listens on a Unix socket")


def only_process(pid: int, alive: Callable[[], bool]) -> Check:
    """The peer must be the process `pid` of our own user, and still be it."""

    def check(connection: socket.socket) -> None:
        # A number that the process has left may be another's by now.
        if peer_of(connection) != Peer(os.geteuid(), pid) or not alive():
            raise EngineUnavailable(
                "engine_not_trusted", "another process than the OPA that was started listens for it"
            )

    return check


def only_ours_or_roots(path: str) -> Check:
    """The peer must be of our own user or root; so must the socket and its folder, which no one else may write to."""

    def check(connection: socket.socket) -> None:
        if peer_of(connection).uid not in {os.geteuid(), 0}:
            raise EngineUnavailable("engine_not_trusted", "another user listens on the engine's socket")
        for place in (Path(path), Path(path).parent):
            try:
                status = place.stat()
            except OSError:
                raise EngineUnavailable("engine_unreachable", "the engine cannot be reached") from None
            if status.st_uid not in {os.geteuid(), 0} or status.st_mode & 0o022:
                raise EngineUnavailable(
                    "engine_not_trusted",
                    "the engine's socket or its folder can be written to by others, `chmod go-w` it",
                )

    return check


def connected(path: str, check: Check, seconds: float | None) -> socket.socket:
    """A connection to the socket at `path`, whose peer `check` has let pass. Raises EngineUnavailable and OSError.

    seconds: until it has to stand, and its first timeout; None to wait.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(path)
        check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


class UnixConnection(HTTPConnection):
    """A connection of urllib3 to the socket at `path`, whose peer `check` has let pass."""

    def __init__(self, host: str = "localhost", *, path: str, check: Check, **options: object) -> None:
        super().__init__(host, **options)  # type: ignore[arg-type]
        self._path = path
        self._check = check

    def _new_conn(self) -> socket.socket:
        try:
            return connected(self._path, self._check, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "the socket did not take the connection in time") from error
        except OSError as error:
            raise NewConnectionError(self, "the socket takes no connection") from error
