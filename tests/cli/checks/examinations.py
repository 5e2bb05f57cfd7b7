"""Examinations for tests: each ends the looking in another way."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator

from docfleet.cli.checks.check import Check, Question, ok


def fine(question: Question) -> Iterator[Check | str]:
    yield "doing something"
    yield ok("fine", question.output_dir)


def talks(_: Question) -> Iterator[Check | str]:
    """As libraries do that were not asked."""
    print("hello")
    os.write(1, b"hello\n")
    sys.stderr.write("hello\n" * 100_000)
    yield ok("talks", "it did")


def raises(_: Question) -> Iterator[Check | str]:
    yield ok("raises", "not yet")
    raise ValueError("two\nlines")


def crashes(_: Question) -> Iterator[Check | str]:
    yield "importing a library for another processor"
    os.kill(os.getpid(), signal.SIGILL)


def leaves(_: Question) -> Iterator[Check | str]:
    yield ok("leaves", "before")
    os._exit(7)


def hangs(_: Question) -> Iterator[Check | str]:
    yield "asking a server that is gone"
    threading.Event().wait()
