"""A real nginx with njs: the one on PATH, else Debian's packages, fetched and unpacked without root."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.issuers.installing import TOOLS, NotInstalled, made_beside, run

MODULE = "ngx_http_js_module.so"
_PACKAGES = ("nginx", "libnginx-mod-http-js")


@dataclass(frozen=True)
class Nginx:
    """An executable and its njs module."""

    executable: Path
    module: Path


def nginx() -> Nginx:
    """Raises NotInstalled where there is neither nginx with njs nor apt-get."""
    target = TOOLS / "nginx-of-debian"
    here = _on_path() or _unpacked(target)
    if here is None:
        _fetch(target)
        here = _unpacked(target)
    if here is None:
        raise NotInstalled("the packages of nginx hold no executable with njs")
    run([str(here.executable), "-v"], target if target.is_dir() else TOOLS)
    return here


def _on_path() -> Nginx | None:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not found:
        return None
    told = subprocess.run([found, "-V"], capture_output=True, text=True, timeout=30, check=False).stderr
    folder = re.search(r"--modules-path=(\S+)", told)
    module = Path(folder[1]) / MODULE if folder else None
    return Nginx(Path(found), module) if module and module.is_file() else None


def _unpacked(folder: Path) -> Nginx | None:
    found = Nginx(folder / "usr/sbin/nginx", folder / "usr/lib/nginx/modules" / MODULE)
    return found if found.executable.is_file() and found.module.is_file() else None


def _fetch(target: Path) -> None:
    """Debian's packages, checked by apt-get against signed lists, which it reads anew into a folder of their own."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NotInstalled("neither nginx with njs nor apt-get is on PATH")
    with made_beside(target) as making:
        own = making / "apt"
        (own / "lists/partial").mkdir(parents=True)
        (own / "archives/partial").mkdir(parents=True)
        folders = {"State::Lists": own / "lists", "Cache": own, "Cache::Archives": own / "archives"}
        options = [f"-oDir::{name}={folder}" for name, folder in folders.items()]
        # Only root changes to another user for downloads, and that user may not write here.
        apt = ["apt-get", "-qq", *options, "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none"]
        run([*apt, "update"], making)
        run([*apt, "download", *_PACKAGES], making)
        for package in sorted(making.glob("*.deb")):
            run(["dpkg-deb", "-x", str(package), str(making)], making)
        shutil.rmtree(own)


class RunningNginx:
    """nginx with a configuration, as one process that ends with `stop`."""

    def __init__(self, program: Nginx, folder: Path, listen: str) -> None:
        self.address = listen
        self._said = folder / "said"
        command = [program.executable, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"]
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [*command, "-g", "daemon off; master_process off;"], stdout=said, stderr=said
            )
        self._wait()

    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _wait(self) -> None:
        host, _, port = self.address.rpartition(":")
        deadline = time.monotonic() + 30
        while True:
            assert self._process.poll() is None, self.said()
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, self.said()
                time.sleep(0.02)
            else:
                return
