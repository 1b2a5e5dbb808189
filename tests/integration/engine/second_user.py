"""What another local user tries: to enter the folder of the child OPA, to answer in its place, to take its name.

Run as that user, with the folder below which private folders are made. Prints `ready`, then tries for as long as its
standard input is open, and prints what it managed, as JSON: questions that it was sent, folders that it entered.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import threading
from pathlib import Path

ANSWER = b'{"provenance": {"version": "1.22.2", "bundles": {"p": {"revision": "r1"}}}, "result": true}'
asked: list[str] = []
entered: list[str] = []
taken: set[str] = set()
tried = 0


def serve(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                while data := connection.recv(65536):
                    asked.append(data.decode("latin-1"))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)


def attack(folder: Path) -> None:
    path = folder / "opa.sock"
    with contextlib.suppress(OSError):
        list(folder.iterdir())
        if folder.name not in taken:
            entered.append(f"listed {folder}")
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        if folder.name not in taken:
            entered.append(f"connected {path}")
    # Once the child's folder is gone, its name is anyone's.
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o777)
        taken.add(folder.name)
    with contextlib.suppress(OSError):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()
        if folder.name not in taken:
            entered.append(f"bound {path}")
        threading.Thread(target=serve, args=(listener,), daemon=True).start()


def main() -> None:
    base = Path(sys.argv[1])
    known: set[Path] = set()
    print("ready", flush=True)
    global tried  # noqa: PLW0603
    while not select.select([sys.stdin], [], [], 0)[0]:
        known |= {one for one in base.iterdir() if one.name.startswith("entitlements-")}
        for folder in known:
            attack(folder)
            tried += 1
    print(json.dumps({"asked": asked, "entered": entered, "taken": len(taken), "tried": tried}), flush=True)


main()
