"""R8: a key whose private part its issuer published is reported by the service, and never the key."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from entitlements.token import generate_key

if TYPE_CHECKING:
    from tests.conftest import StartService
    from tests.wire.conftest import Wire


def test_leaked_key_is_told_by_the_service_with_its_name_and_never_the_key(
    start_service: StartService, wire: Wire, tmp_path: Path
) -> None:
    path = tmp_path / "jwks.json"
    public = json.loads(wire.issuer.jwks.read_bytes())["keys"]
    path.write_text(json.dumps({"keys": public}))
    running = start_service({"ENTITLEMENTS_KEYS": f"https://login.example.com={path}"})
    assert running.one(wire.ask()).allows
    spare = generate_key("RS256", 'spare "key"\n')
    path.write_text(json.dumps({"keys": [*(member | {"use": "enc"} for member in public), spare.to_jwk()]}))
    _until(lambda: running.one(wire.ask()).status == 401)
    ready, metrics = running.one(wire.get("/readyz")), running.one(wire.get("/metrics"))
    alarm = {"code": "key_leaked", "issuer": "https://login.example.com", "kid": "spare??key??"}
    assert ready.json()["parts"]["keys"]["alarms"] == [alarm]
    sample = 'entitlements_key_leaked{issuer="https://login.example.com",kid="spare??key??"} 1.0'
    assert sample in metrics.body.decode().splitlines()
    told = ready.body + metrics.body + running.said().encode() + running.log.read_bytes()
    assert not [value for value in spare.to_jwk().values() if len(str(value)) > 16 and str(value).encode() in told]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come true within a minute"
        time.sleep(0.1)
