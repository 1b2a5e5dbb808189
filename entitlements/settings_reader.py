"""One environment variable after another, read strictly, with every fault collected."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from entitlements.addresses import LOOPBACK, is_confidential
from entitlements.errors import Fault

DISCOVER = "discover"
"""The word in place of an address: it stands in the issuer's metadata."""


class SettingsReader:
    """Reads one variable after another and collects what is wrong with each; `defaults` by name."""

    def __init__(self, environment: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        self._environment = environment
        self._defaults = defaults
        self.faults: list[Fault] = []

    def _fault(self, name: str, message: str) -> None:
        self.faults.append(Fault("setting_invalid", message, path=name))

    def refuse_unknown_names(self) -> None:
        # A misspelt setting must not silently fall back to its default.
        for name in sorted(self._environment):
            if name.startswith("ENTITLEMENTS_") and name not in self._defaults:
                self._fault(name, "no such setting")

    def text(self, name: str) -> str:
        return self._environment.get(name, "").strip() or self._defaults[name]

    def integer(self, name: str, low: int, high: int) -> int:
        text = self.text(name)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            self._fault(name, f"must be a whole number from {low} to {high}")
            return low
        return int(text)

    def listen(self, name: str) -> tuple[str, int]:
        match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})", self.text(name))
        if match is None or not 1 <= int(match[2]) <= 65535:
            self._fault(name, "must be `host:port`, for example `127.0.0.1:8080`")
            return "", 0
        return match[1].strip("[]"), int(match[2])

    def url(self, name: str) -> str:
        text = self.text(name)
        if text.startswith("unix://"):
            path = text.removeprefix("unix://")
            if not path.startswith("/") or len(os.fsencode(path)) > 100:
                self._fault(name, "must be `unix:///` and an absolute path of 100 bytes at most")
            return text
        if text and not _is_plain_url(text):
            self._fault(
                name,
                "must be an `http://` or `https://` address without user, path, query or fragment, or `unix:///path`",
            )
        return text.rstrip("/")

    def plain_http(self, name: str, address: str) -> bool:
        """Whether the address is one of another host without TLS; a fault where that is not permitted."""
        permitted = self.text(name)
        if permitted not in {"yes", "no"}:
            self._fault(name, "must be `yes` or `no`")
        text = self.text(address)
        if not text.startswith("http://") or not _is_plain_url(text) or urlsplit(text).hostname in LOOPBACK:
            return False
        if permitted != "yes":
            self._fault(
                address,
                "sends tokens and decisions in the clear to another host: use `https://`, "
                f"or set {name}=yes where no one else is on that network",
            )
        return True

    def opa_token(self, name: str, file_name: str) -> str:
        text, file = self.text(name), self.text(file_name)
        if file:
            if text:
                self._fault(file_name, f"names a token beside {name}: set one of them")
            return self.token(file_name)
        self._check_token(name, text)
        return text

    def token(self, name: str) -> str:
        """The bearer token in a file; empty where the setting names none."""
        file = self.text(name)
        text = self._secret(name, Path(file)) if file else ""
        self._check_token(name, text)
        return text

    def _check_token(self, name: str, text: str) -> None:
        if text and not re.fullmatch(r"[\x21-\x7e]{16,}", text):
            self._fault(name, "must be 16 or more printable characters without whitespace")

    def _secret(self, name: str, file: Path) -> str:
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as opened:
                mode = os.fstat(descriptor).st_mode
                if not stat.S_ISREG(mode) or mode & 0o027:
                    self._fault(name, f"`{file}` can be read by everybody or written by others: run `chmod 640 {file}`")
                    return ""
                text = opened.read(4096).decode("ascii").strip()
        except (OSError, ValueError):
            self._fault(name, f"`{file}` cannot be read as a token")
            return ""
        if not text:
            self._fault(name, f"`{file}` is empty")
        return text

    def keys(self, name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for issuer, location in self._by_issuer(
            name, f"each entry must be `issuer={DISCOVER}`, `issuer=file` or `issuer=URL`"
        ):
            if issuer in found:
                self._fault(name, f"names the issuer `{issuer}` twice")
            elif location.startswith("http://") and urlsplit(location).hostname not in LOOPBACK:
                self._fault(name, f"the key set of `{issuer}` must come over `https://`")
            else:
                found[issuer] = location
        return found

    def endpoints(self, name: str) -> dict[str, str]:
        """By issuer the address of an endpoint: by https, or by http on a loopback host."""
        found = self._one_by_issuer(name, "each entry must be `issuer=URL`")
        for issuer, url in found.items():
            try:
                parts = urlsplit(url)
                plain = parts.username is None and not parts.fragment and bool(parts.hostname) and parts.port != 0
            except ValueError:
                plain = False
            if not plain or not url.isascii():
                self._fault(name, f"the address for `{issuer}` is malformed")
            elif not is_confidential(parts):
                self._fault(name, f"the address for `{issuer}` must begin with `https://`: tokens are sent there")
        return found

    def files(self, name: str) -> dict[str, str]:
        """By issuer the path of a file."""
        return self._one_by_issuer(name, "each entry must be `issuer=file`")

    def _one_by_issuer(self, name: str, rule: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for issuer, value in self._by_issuer(name, rule):
            if issuer in found:
                self._fault(name, f"names the issuer `{issuer}` twice")
            found[issuer] = value
        return found

    def hosts(self, name: str) -> dict[str, tuple[str, ...]]:
        """By issuer, hosts with or without a port."""
        found: dict[str, tuple[str, ...]] = {}
        for issuer, host in self._by_issuer(name, "each entry must be `issuer=host` or `issuer=host:port`"):
            if re.fullmatch(r"(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[1-9][0-9]{0,4})?", host) is None:
                self._fault(name, f"`{host}` must be a host in lower case, with a port or without")
            found[issuer] = (*found.get(issuer, ()), host)
        return found

    def _by_issuer(self, name: str, rule: str) -> list[tuple[str, str]]:
        pairs = []
        for entry in self.text(name).split():
            issuer, separator, value = entry.partition("=")
            if not separator or not value or not issuer.startswith(("https://", "http://")):
                self._fault(name, rule)
            else:
                pairs.append((issuer, value))
        return pairs


def _is_plain_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return False
    extras = (parts.username, parts.password, parts.path.strip("/"), parts.query, parts.fragment)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port_is_fine and not any(extras)
