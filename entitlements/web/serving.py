"""Serving the application with granian: one worker process, watched from both sides."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from dataclasses import replace

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from entitlements.errors import StartupFault
from entitlements.settings import Settings, load_settings
from entitlements.web.app import create_app
from entitlements.web.authorize import MAX_BODY
from entitlements.web.batch import MAX_BATCH_BODY, PATH
from entitlements.web.lean import LeanRoute
from entitlements.web.metrics import Metrics
from entitlements.web.server import HEADER_BYTES, Door
from entitlements.wiring import Service, build

# From the serving process to its worker; the command line sets both anew at every start.
_PARENT = "_ENTITLEMENTS_SERVING_PARENT"
_UNLOCKED = "_ENTITLEMENTS_SERVING_UNLOCKED"
# More than the door lets pass, so that the door's own 431 is what most callers get.
_BUFFER_BYTES = HEADER_BYTES + 8 * 1024


class Application(Door):
    """The door together with the service behind it, which ends with the worker."""

    def __init__(self, service: Service, settings: Settings) -> None:
        metrics = Metrics()
        metrics.watch_keys(service.leaked_keys)
        metrics.watch_issuers(service.fetched)
        metrics.watch_log(service.log_counts)
        metrics.watch_readiness(service.readiness)
        metrics.watch_approvals(service.days_left)
        app = create_app(
            service.pdp,
            service.readiness,
            metrics,
            operator_token=settings.operator_token,
            releases=service.releases,
            bundles_token=settings.bundles_token,
        )
        lean = LeanRoute(service.lean, metrics).answer if service.lean is not None else None
        super().__init__(
            app.wsgi_app,
            count=metrics.turned_away,
            threads=settings.threads,
            max_body=MAX_BODY,
            lean=lean,
            larger={PATH.encode(): MAX_BATCH_BODY},
        )
        self._service = service

    def close(self) -> None:
        """Stop what serves."""
        self._service.close()


def application() -> Application:
    """Build the application in granian's worker process."""
    _end_with_parent()
    settings = replace(load_settings(os.environ), unlocked=os.environ.get(_UNLOCKED) == "1")
    return Application(build(settings), settings)


def serve(settings: Settings) -> None:
    """Serve until a signal ends it."""
    os.environ[_PARENT] = str(os.getpid())
    os.environ[_UNLOCKED] = "1" if settings.unlocked else "0"
    Granian(
        "entitlements.web.serving:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=5000, max_buffer_size=_BUFFER_BYTES),
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_enabled=False,
    ).serve()


def check_address(settings: Settings) -> None:
    """Whether the address can be listened on. Raises StartupFault `address_unavailable`."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:
        # A name look-up has error numbers of its own; a name that cannot be looked up at all is a UnicodeError.
        why = (error.strerror if isinstance(error, OSError) else None) or "no such address"
        raise StartupFault(
            "address_unavailable",
            f"cannot listen on `{settings.host}:{settings.port}`: {why.lower()}, "
            "set ENTITLEMENTS_LISTEN to another address",
        ) from None


def _end_with_parent() -> None:
    """End this worker when the process that started it is gone, also after a kill that it could not see."""
    parent = int(os.environ.get(_PARENT, "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
