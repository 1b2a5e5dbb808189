"""The demonstration and the benchmark do what they say, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from demo.service import free_address

ROOT = Path(__file__).resolve().parents[2]


def test_the_demonstration_answers_every_request_as_expected() -> None:
    done = subprocess.run([sys.executable, "-m", "demo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    asked, right = map(int, re.findall(r"(\d+) requests, (\d+) answered as expected", done.stdout)[0])
    assert asked == right
    assert asked >= 15


def test_the_line_that_serve_prints_can_be_pasted() -> None:
    environment = {**os.environ, "ENTITLEMENTS_LISTEN": free_address()}
    with subprocess.Popen(
        [sys.executable, "-m", "demo", "--serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            line = next(line for line in serving.stdout if line.startswith("curl "))
            answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout
            assert json.loads(answer)["decision"] is True
            logged = json.loads(next(line for line in serving.stdout if line.strip()))
            assert logged["effect"] == "allow"
        finally:
            serving.send_signal(signal.SIGINT)
            assert serving.wait(20) == 0


def test_the_benchmark_measures_every_row() -> None:
    command = [sys.executable, "-m", "bench", "--seconds", "0.2", "--rounds", "1", "--cold", "20", "--rules", "20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^/authorize, (?:remembered token|new tokens), \w+ +\d+", done.stdout, re.M)) == 6
    assert re.search(r"^OPA alone +\d+ .* 1\.00$", done.stdout, re.M)
    assert re.search(r"^ask OPA +\d+\.\d+$", done.stdout, re.M)
    assert len(re.findall(r"^(?:5|20) +(?:5|20) +(?:unchanged|proved|refuted) +\d+", done.stdout, re.M)) == 6
    assert "The comparison with Cedar's analyzer was left out" in done.stdout or "ours / Cedar's" in done.stdout
