"""Guards of the client: each keeps something from being read as an allow, or the token from going elsewhere."""

from __future__ import annotations

from tests.mutate.mutation import Mutation

_HOSTILE = ("tests/integration/client/test_hostile_service.py",)

CLIENT = (
    Mutation(
        "client-takes-any-truth-for-an-allow",
        "client/reading.py",
        'if not isinstance(allow, bool) or effect != ("allow" if allow else "deny"):',
        "if False:",
        _HOSTILE,
        'an answer with `"decision": "true"` is an allow',
    ),
    Mutation(
        "client-reads-over-unknown-members",
        "client/reading.py",
        "if not required <= members.keys() <= required | optional:",
        "if not required <= members.keys():",
        _HOSTILE,
        "a condition of an allow that the client does not know is not fulfilled",
    ),
    Mutation(
        "client-forgets-obligations",
        "client/reading.py",
        "if obligations or challenge:",
        "if challenge:",
        ("tests/unit/client/test_client.py",),
        "an allow with obligations is taken for one without",
    ),
    Mutation(
        "client-shares-connections-with-a-fork",
        "client/connection.py",
        "if self._process != os.getpid() or ",
        "if ",
        _HOSTILE,
        "two processes read the answers of one another",
    ),
    Mutation(
        "client-uses-a-connection-that-spoke",
        "client/sync.py",
        "            if connection.usable():",
        "            if True:",
        _HOSTILE,
        "what came while nothing was asked is taken for the next answer",
    ),
    Mutation(
        "client-sends-what-is-no-token",
        "client/asking.py",
        "if token is None or len(token) > MAX_TOKEN_BYTES or not _VISIBLE.fullmatch(token):",
        "if token is None:",
        _HOSTILE,
        "a caller of the API writes headers of the question",
    ),
    Mutation(
        "guard-needs-no-handler",
        "client/guard.py",
        "case AllowIf(obligations=obligations) if obligations and all(one.id in handled for one in obligations):",
        "case AllowIf(obligations=obligations) if all(one.id in handled for one in obligations):",
        ("tests/integration/client/test_middleware.py",),
        "an allow with a challenge alone reaches the API",
    ),
    Mutation(
        "guard-takes-any-truth-of-a-handler",
        "client/wsgi.py",
        "(obligation, environ) is True for",
        "(obligation, environ) for",
        ("tests/integration/client/test_middleware.py",),
        "an obligation counts as fulfilled by a handler that says what",
    ),
    Mutation(
        "guard-lets-unguarded-views-pass",
        "client/flask.py",
        "if name is None or name in self._public:",
        "if True:",
        ("tests/integration/client/test_middleware.py",),
        "a view whose decorator was forgotten is open to everybody",
    ),
    Mutation(
        "loop-client-uses-a-connection-that-spoke",
        "client/aio.py",
        "return not ready.poll(0)",
        "return True",
        _HOSTILE,
        "what came while nothing was asked is taken for the next answer",
    ),
    Mutation(
        "asgi-guard-takes-any-truth-of-a-handler",
        "client/asgi.py",
        "(obligation, scope)) is not True:",
        "(obligation, scope)) is None:",
        ("tests/integration/client/test_middleware.py",),
        "an obligation counts as fulfilled by a handler that says what",
    ),
    Mutation(
        "asgi-guard-lets-websockets-pass",
        "client/asgi.py",
        'if scope["type"] == "lifespan":',
        'if scope["type"] != "http":',
        ("tests/integration/client/test_middleware.py",),
        "a WebSocket is open to everybody",
    ),
)
