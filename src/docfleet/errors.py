"""The errors people meet, and the category each one counts under when it costs a page.

    DocfleetError               category pipeline
    ├── UsageError              the call itself is wrong: an option, a device string, a flag
    ├── InputError              category input: missing, unreadable, corrupt, encrypted, over a limit
    ├── StartError              nothing could start: device, weights, engine
    │   ├── DeviceError
    │   ├── EngineError
    │   └── WeightsError
    ├── OutputError             category output: disk full, not writable
    └── ClosedError             a pipeline was used after close(), or after fork()

Every message says what happened, to which file, and what to do next. The category of a foreign exception is decided in
one place, `docfleet.fleet.tasks.failure_of`.
"""

from __future__ import annotations

from typing import ClassVar


class DocfleetError(Exception):
    """Base of every error that docfleet raises on purpose; its text is meant for a person."""

    category: ClassVar[str] = "pipeline"
    exit_status: ClassVar[int] = 4
    """What the command line exits with when this error ends a command (DESIGN 3.6)."""


class UsageError(DocfleetError, ValueError):
    """The call is wrong: an option that does not exist, a value out of range, options that exclude each other."""

    exit_status = 2


class InputError(DocfleetError):
    """One input cannot be used. It costs that input and nothing else."""

    category = "input"
    exit_status = 1


class StartError(DocfleetError):
    """An instance cannot start; nothing has been processed by it."""

    exit_status = 3


class DeviceError(StartError, ValueError):
    """A device string that means nothing, or a device that is not there."""


class EngineError(StartError):
    """An inference engine is missing, refuses the device, or cannot load a model."""


class WeightsError(StartError):
    """A model's files are missing and cannot be fetched, or are not what their hash says."""


class OutputError(DocfleetError):
    """A result cannot be written."""

    category = "output"


class ClosedError(DocfleetError, RuntimeError):
    """A closed pipeline, or one inherited through fork(), was used."""
