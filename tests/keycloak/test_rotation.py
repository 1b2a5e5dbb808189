"""Keys that Keycloak changes while tokens are judged: no good token is refused, and a removed key's tokens are."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from entitlements.token import compact
from tests.keycloak.realm import keys
from tests.keycloak.test_tokens import ask, refusal

if TYPE_CHECKING:
    from tests.conftest import RunningService
    from tests.keycloak.server import Keycloak


def test_new_key_signs_at_once_and_no_good_token_is_refused(server: Keycloak, service: RunningService) -> None:
    old, over, refused = server.user_token("web"), threading.Event(), []

    def load() -> None:
        while not over.is_set():
            reply = ask(service, old)
            if not reply.allows:
                refused.append((reply.status, reply.body))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        added = server.add_key(keys("rsa", "newer", priority="200"))
        new = server.user_token("web")
        assert compact.parse(new).header["kid"] != compact.parse(old).header["kid"]
        reply = ask(service, new)
        assert reply.allows, (reply.status, reply.body)
    finally:
        over.set()
        thread.join(60)
    assert refused == []
    # Taken out of the key set by its owner: refused when the set was fetched anew (ENTITLEMENTS_KEYS_REFRESH).
    server.remove_key(added)
    deadline = time.monotonic() + 60
    while ask(service, new).allows:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert refusal(service, new) == "unknown_key"
    assert ask(service, server.user_token("web")).allows
