"""Runs OPA and makes sure it never outlives the service. Started as a script; imports as little as it can.

Standard input is a pipe whose other end only the service holds: when the service ends, however it ends, the pipe
closes, OPA is killed and the folder that was made for it is removed. Standard output is a pipe to the service: the
process id of OPA is written to it, in one line. Usage: guardian.py FOLDER OPA ARGUMENT...
"""

import ctypes
import os
import shutil
import signal
import sys
import threading


def _die_with_parent() -> None:
    # Linux only: should the guardian itself be killed, OPA goes too. PR_SET_PDEATHSIG is 1.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _become_opa() -> None:
    _die_with_parent()
    os.umask(0o077)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606


def main() -> int:
    """Start OPA, wait for it or for the service to end; returns OPA's exit status."""
    child = os.fork()
    if child == 0:
        try:
            _become_opa()
        finally:
            os._exit(127)
    os.write(1, b"%d\n" % child)
    os.close(1)

    abandoned = threading.Event()

    def wait_for_the_service() -> None:
        while os.read(0, 1):
            pass
        abandoned.set()
        os.kill(child, signal.SIGKILL)

    threading.Thread(target=wait_for_the_service, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    if abandoned.is_set():
        shutil.rmtree(sys.argv[1], ignore_errors=True)
    return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main())
