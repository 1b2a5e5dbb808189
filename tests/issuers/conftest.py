"""What the tests with a real authorization server share: the server, started once a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.issuers import node
from tests.issuers.installing import NotInstalled, leave_out
from tests.issuers.provider import Provider


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    try:
        executable, npm = node.node()
        program = node.provider(executable, npm)
    except NotInstalled as cause:
        leave_out("node-oidc-provider", cause)
    found = Provider(executable, program, tmp_path_factory.mktemp("provider"))
    found.start()
    yield found
    found.kill()
