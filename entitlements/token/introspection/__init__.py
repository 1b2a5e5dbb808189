"""What an issuer's introspection endpoint says of a token becomes VerifiedClaims, or a refusal.

An answer is judged, never trusted: the endpoint may speak of another token, of another audience, or of a refresh token.
Whatever is wrong with the endpoint itself is no word about the token, and no decision can be made then.
"""

from entitlements.token.introspection.answer import Answer, AnswerForm, Question, judge

__all__ = ["Answer", "AnswerForm", "Question", "judge"]
