"""A running Keycloak with one imported realm: tokens, the admin's changes, and its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from devkit.service import free_address
from tests.keycloak.realm import REALM, realm, secret

_START_SECONDS = 300
_ADMIN = ("admin", "admin-of-the-tests")


class Keycloak:
    """A server process. Every run has its own folder of data, beside the distribution that is shared."""

    def __init__(self, distribution: Path, folder: Path, client_key: Mapping[str, Any]) -> None:
        self.base = f"http://{free_address()}"
        self.issuer = f"{self.base}/realms/{REALM}"
        self._endpoint = f"{self.issuer}/protocol/openid-connect"
        self._said = folder / "said"
        self._admin_token = ""
        home = _home(distribution, folder / "keycloak")
        (home / f"data/import/{REALM}-realm.json").write_text(json.dumps(realm(client_key)))
        self._process = self._start(home)

    def _start(self, home: Path) -> subprocess.Popen[bytes]:
        host, _, port = self.base.removeprefix("http://").rpartition(":")
        options = ["--optimized", "--import-realm", "--http-enabled=true", "--hostname-strict=false", "--cache=local"]
        environment = os.environ | {
            "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx384m",
            "KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN[0],
            "KC_BOOTSTRAP_ADMIN_PASSWORD": _ADMIN[1],
        }
        with self._said.open("wb") as said:
            # A session of its own: kc.sh stays beside the Java process that it starts, and both have to end.
            return subprocess.Popen(
                [home / "bin/kc.sh", "start", *options, f"--http-host={host}", f"--http-port={port}"],
                stdout=said,
                stderr=said,
                env=environment,
                start_new_session=True,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            assert self._process.poll() is None, self._said.read_text()[-3000:]
            assert time.monotonic() < deadline, self._said.read_text()[-3000:]
            try:
                if requests.get(self.issuer, timeout=10).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.5)

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(60)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def token_endpoint(self) -> str:
        return f"{self._endpoint}/token"

    @property
    def introspection(self) -> str:
        return f"{self._endpoint}/token/introspect"

    def answer(self, client: str, headers: Mapping[str, str] | None = None, **form: str) -> dict[str, Any]:
        """What the token endpoint answers a client. form: the members of the request, the grant among them."""
        known = secret(client)
        form |= {"client_id": client, **({"client_secret": known} if known else {})}
        done = requests.post(self.token_endpoint, data=form, headers=headers or {}, timeout=60)
        assert done.status_code == 200, done.text
        found = done.json()
        assert isinstance(found, dict)
        return found

    def of_user(self, client: str, user: str = "alice", **form: Any) -> dict[str, Any]:
        password = f"{user}-of-the-tests"
        return self.answer(client, grant_type="password", username=user, password=password, **form)

    def user_token(self, client: str, user: str = "alice", **form: str) -> str:
        return str(self.of_user(client, user, **form)["access_token"])

    def client_token(self, client: str) -> str:
        return str(self.answer(client, grant_type="client_credentials")["access_token"])

    def userinfo(self, token: str) -> str:
        done = requests.get(f"{self._endpoint}/userinfo", headers={"Authorization": f"Bearer {token}"}, timeout=60)
        assert done.status_code == 200, done.text
        return done.text

    def revoke(self, client: str, token: str) -> None:
        form = {"client_id": client, "client_secret": secret(client), "token": token}
        done = requests.post(f"{self._endpoint}/revoke", data=form, timeout=60)
        assert done.status_code == 200, done.text

    def admin(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A call of the Admin REST API, below the realm."""
        done = self._as_admin(method, path, body)
        if done.status_code == 401:
            self._admin_token = self._log_in()
            done = self._as_admin(method, path, body)
        assert done.status_code < 300, (method, path, done.status_code, done.text)
        return done

    def add_key(self, component: Mapping[str, Any]) -> str:
        """Publish a key; its id. Of the highest priority, it signs from now on."""
        kind = "org.keycloak.keys.KeyProvider"
        realm_id = self.admin("GET", "").json()["id"]
        made = self.admin("POST", "/components", {**component, "providerType": kind, "parentId": realm_id})
        return made.headers["Location"].rpartition("/")[2]

    def remove_key(self, component: str) -> None:
        self.admin("DELETE", f"/components/{component}")

    def _as_admin(self, method: str, path: str, body: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._admin_token}"}
        return requests.request(
            method, f"{self.base}/admin/realms/{REALM}{path}", json=body, headers=headers, timeout=60
        )

    def _log_in(self) -> str:
        form = {"grant_type": "password", "client_id": "admin-cli", "username": _ADMIN[0], "password": _ADMIN[1]}
        done = requests.post(f"{self.base}/realms/master/protocol/openid-connect/token", data=form, timeout=60)
        assert done.status_code == 200, done.text
        return str(done.json()["access_token"])


def _home(distribution: Path, home: Path) -> Path:
    """A folder that Keycloak takes for its own, with everything but its data in the distribution."""
    (home / "data/import").mkdir(parents=True)
    (home / "bin").mkdir()
    # The script finds its folder by its own place, whatever leads to it.
    shutil.copy(distribution / "bin/kc.sh", home / "bin/kc.sh")
    for entry in distribution.iterdir():
        if entry.name not in ("bin", "data"):
            (home / entry.name).symlink_to(entry)
    return home
