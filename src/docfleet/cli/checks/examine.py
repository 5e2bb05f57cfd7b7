"""Has everything looked at in another process, which may crash or hang: that is a finding too.

A driver that hangs, a file server that does not answer, a library that was built for another processor: what ends or
stops the looking would do the same to a job. It is named, and the looking goes on behind it in a new process.
"""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from docfleet.cli.checks.check import Check, Level, Question, problem
from docfleet.cli.checks.table import EXAMINATIONS
from docfleet.fleet.tasks import signal_name

_LIMIT_S = 60.0
"""Without a word. nvidia-smi has 20 s; libraries on a cold network file system take long to load."""
_LEAVE_S = 1.0


def examine(
    question: Question, *, examinations: Sequence[tuple[str, str]] = EXAMINATIONS, limit: float = _LIMIT_S
) -> Iterator[Check]:
    """Everything that is found, as it is found. Raises nothing but what starting a process raises."""
    first = 0
    while first < len(examinations):
        child = _Child(question, examinations[first:])
        begun, doing = -1, ""
        try:
            for message in child.messages(limit):
                if "begin" in message:
                    begun, doing = message["begin"], ""
                elif "doing" in message:
                    doing = message["doing"]
                else:
                    found = message["check"]
                    yield Check(**{**found, "level": Level(found["level"])})
            end = child.end()
        finally:
            child.leave()
        if end is None:
            return
        if begun < 0:
            yield problem("doctor", f"the process that looks {end} before it began", "see whether Python itself works")
            return
        name = examinations[first + begun][0]
        what = f"{doing}: the process that did it" if doing else "the process that looked at it"
        yield problem(name, f"{what} {end}", "a job would do the same there: see to that first")
        first += begun + 1


class _Child:
    """One process that looks, and what it says."""

    def __init__(self, question: Question, examinations: Sequence[tuple[str, str]]) -> None:
        request = {"path": sys.path, "question": dataclasses.asdict(question), "examinations": list(examinations)}
        self._process = subprocess.Popen(
            # -P: what lies in the working directory is imported only if it was to be imported here.
            [sys.executable, "-P", "-m", "docfleet.cli.checks.child", json.dumps(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._hangs = 0.0

    def messages(self, limit: float) -> Iterator[dict[str, Any]]:
        """What it says, until it ends or has said nothing for `limit` seconds."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            begun = b""
            while True:
                since = time.monotonic()
                if not selector.select(limit):
                    self._hangs = time.monotonic() - since
                    return
                data = os.read(descriptor, 1 << 16)
                if not data:
                    return
                *lines, begun = (begun + data).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    def end(self) -> str | None:
        """How it ended, as the end of a sentence; None if it came to its end."""
        if self._hangs:
            return f"did not answer for {self._hangs:.0f} s"
        status = self._process.wait()
        if status == 0:
            return None
        return f"was ended by {signal_name(-status)}" if status < 0 else f"ended with status {status}"

    def leave(self) -> None:
        """End it, if it has not ended. One that waits for a dead file server cannot be ended: it is left to itself."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.kill()
        try:
            self._process.wait(timeout=_LEAVE_S)
        except subprocess.TimeoutExpired:
            # Said to be waited for, so that Python does not complain at its own end.
            self._process.returncode = -9
