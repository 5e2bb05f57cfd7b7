"""What is known of the package's classes: plain data, made in a child process, read in the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FlagType = Literal["bool", "int", "float", "str", "any"]
"""How a flag of the command line is read; `any` is JSON, or else text."""

ASKED = ("DocUnderstanding", "DocVLM", "ChartParsing")
"""Classes whose input is a dict: an image, and what is asked of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One keyword argument of a class or of its calls."""

    name: str
    flag: FlagType
    help: str = ""
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageClass:
    """One class of the package that takes pages: a pipeline, or a single network."""

    name: str
    command: str
    """Its sub-command in the package's command line; empty where it has none."""
    call: str
    """The method that takes pages lazily: `predict_iter` or `visual_predict_iter`."""
    constructor: tuple[Parameter, ...]
    settings: tuple[Parameter, ...]
    """What its calls take."""
    open: bool
    """Whether its calls take names that they do not declare, and pass them on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What is installed."""

    versions: dict[str, str]
    """Of the package and of what it is made of: distribution -> version."""
    classes: tuple[PackageClass, ...]
