"""The HTTP edge: parse, call, render. No rule about tokens, contracts or policy lives here."""

from entitlements.web.app import create_app

__all__ = ["create_app"]
