"""Entitlements: the contract between an authorization server and everyone who reads its tokens."""

__version__ = "0.1.0"
