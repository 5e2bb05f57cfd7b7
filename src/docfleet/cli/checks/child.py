"""The process that does the looking: `python -m docfleet.cli.checks.child REQUEST`.

REQUEST, one line of JSON --> examinations, one by one --> standard output, a line of JSON for each

    {"begin": 3}                      the fourth examination of the request begins
    {"doing": "importing cv2"}        what it is about to do
    {"check": {...}}                  what it found

It announces before it touches, so that whoever reads knows what crashed it or what it waits for. An exception costs the
examination that raised it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
from typing import Any, TextIO

from docfleet.cli.checks.check import Check, Examination, Question, attention


def main() -> None:
    """Entry point."""
    request = json.loads(sys.argv[1])
    sys.path[:] = request["path"]
    # Libraries may print; what is ours to write goes through a descriptor that they do not know.
    with os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1) as answer:
        os.dup2(2, 1)
        question = Question(**request["question"])
        for number, (name, target) in enumerate(request["examinations"]):
            _say(answer, begin=number)
            _examine(name, target, question, answer)


def _examine(name: str, target: str, question: Question, answer: TextIO) -> None:
    try:
        module, _, attr = target.partition(":")
        examination: Examination = getattr(importlib.import_module(module), attr)
        for finding in examination(question):
            if isinstance(finding, Check):
                _say(answer, check=dataclasses.asdict(finding))
            else:
                _say(answer, doing=finding)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other examinations are worth making
        text = " ".join(f"{type(error).__name__}: {error}".split())
        check = attention(name, f"this could not be looked at: {text}", "look at it yourself, if it matters to you")
        _say(answer, check=dataclasses.asdict(check))


def _say(answer: TextIO, **message: Any) -> None:
    answer.write(json.dumps(message) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        # Nobody waits for the rest. Not sys.exit: a library's threads may be in the midst of something.
        os._exit(1)
