"""A stage of its own, `make test-keycloak`: other runs collect nothing here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from entitlements.token import SigningKey, generate_key
from tests.issuers.installing import NotInstalled, leave_out
from tests.keycloak.installation import ToolMissing, keycloak
from tests.keycloak.project import Project
from tests.keycloak.server import Keycloak

if TYPE_CHECKING:
    from tests.conftest import RunningService, StartService

collect_ignore_glob = [] if os.environ.get("KEYCLOAK") == "1" else ["test_*.py"]


@pytest.fixture(scope="session")
def client_key() -> SigningKey:
    """The key by which a client shows who it is."""
    return generate_key("ES256", "of-the-client")


@pytest.fixture(scope="session")
def server(client_key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    try:
        distribution = keycloak()
    except ToolMissing as cause:
        pytest.exit(f"the stage with Keycloak cannot run: {cause}", returncode=1)
    except NotInstalled as cause:
        leave_out("Keycloak", cause)
        raise
    found = Keycloak(distribution, tmp_path_factory.mktemp("keycloak"), client_key.public_jwk())
    try:
        found.wait()
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def project(server: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(server, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def service(project: Project, start_service: StartService) -> RunningService:
    """A service that verifies JWTs by the keys that Keycloak's metadata names."""
    return start_service(project.settings())
