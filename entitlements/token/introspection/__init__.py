"""What an issuer's introspection endpoint says of a token becomes VerifiedClaims, or a refusal.

An answer is judged, never trusted: the endpoint may speak of another token, of another audience, or of a refresh token.
Whatever is wrong with the endpoint itself is no word about the token, and no decision can be made then.
"""

from entitlements.token.introspection.answer import Answer, AnswerForm, Judged, Question, judge
from entitlements.token.introspection.client import Client, read_client
from entitlements.token.introspection.endpoint import Endpoint, HttpEndpoint
from entitlements.token.introspection.place import DiscoveredPlace, FixedPlace, Place
from entitlements.token.introspection.verifier import IntrospectingVerifier

__all__ = [
    "Answer",
    "AnswerForm",
    "Client",
    "DiscoveredPlace",
    "Endpoint",
    "FixedPlace",
    "HttpEndpoint",
    "IntrospectingVerifier",
    "Judged",
    "Place",
    "Question",
    "judge",
    "read_client",
]
