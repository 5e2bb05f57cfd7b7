"""`docfleet run` as it looks on a terminal."""

from __future__ import annotations

import codecs
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.batch.jobs import Bench
from tests.report.terminal import Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
WIDTH, HEIGHT = 100, 30


class _Seen:
    """A job on a terminal of its own, and what is to be seen there."""

    def __init__(self, bench: Bench, *flags: str) -> None:
        self.terminal = Terminal(WIDTH, HEIGHT)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self.job = subprocess.Popen(
            bench.command(*flags),
            cwd=bench.folder,
            env={**bench.environment(), "TERM": "xterm-256color"},
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        os.close(theirs)

    def until(self, said: str, limit: float = 60.0) -> None:
        """Look on until a line holds `said`."""
        end = time.monotonic() + limit
        while not any(said in line for line in self.terminal.lines):
            assert time.monotonic() < end, self.terminal.lines
            assert self._look(), self.terminal.lines

    def to_the_end(self) -> list[str]:
        """Look on until the job leaves the terminal."""
        while self._look():
            pass
        os.close(self._ours)
        self.job.wait()
        return self.terminal.lines

    def _look(self) -> bool:
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # Linux ends a pseudo-terminal with an error.
            return False
        self.terminal.write(self._decoder.decode(data))
        return bool(data)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Slow pages, and some that fail."""
    (tmp_path / "in").mkdir()
    bench = Bench(tmp_path)
    for number in range(6):
        bench.image(f"slow-文件-{number}.png")
        bench.image(f"fail-{number}.png")
    return bench


def test_notes_the_panel_and_the_last_lines(bench: Bench) -> None:
    seen = _Seen(bench)
    seen.until("cpu#1  busy      in/slow-文件-")
    lines = seen.to_the_end()
    assert seen.job.returncode == 1
    panel = lines.index(next(line for line in lines if line.startswith("pages ")))
    assert sorted(lines[:panel]) == [
        f"pipeline: in/fail-{number}.png: ValueError: this page is bad" for number in range(6)
    ]
    assert lines[panel].startswith("pages      12 of 12   ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %  6 failed")
    last = lines.index(next(line for line in lines if line.startswith("docfleet: done, but some failed: ")))
    assert lines[last - 1] == ""
    # Each once: nothing is left of earlier frames.
    assert sum(line.startswith("speed ") for line in lines) == 1
    assert lines[-1].endswith("_docfleet/failures.jsonl") or "instances" in lines[-1]


@pytest.mark.kills
def test_ctrl_c_is_answered_and_said_again_at_the_end(bench: Bench) -> None:
    seen = _Seen(bench, "--seconds", "0.3")
    seen.until("cpu#1  busy")
    seen.job.send_signal(signal.SIGINT)
    lines = seen.to_the_end()
    assert seen.job.returncode == 130
    assert "SIGINT: finishing the pages that are being computed; once more to end at once" in lines
    assert any(line.startswith("docfleet: interrupted (SIGINT): ") for line in lines)
    assert any(line.startswith("to go on:  docfleet run ") for line in lines)
