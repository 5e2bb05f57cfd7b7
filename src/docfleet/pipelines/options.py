"""One frozen options object per pipeline, and everything that derives from it.

      OCROptions (a dataclass) --accepts-->  PaddleOCR.__init__(*, ...)   signature, types and help for editors
                               --choices-->  docfleet ocr --...           flags, see docfleet.cli.flags
                               --parse---->  OCROptions(...)              unknown names refused, old names translated

A field is declared with `option(...)`: its help text, the values allowed, an old name it replaces.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import math
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from docfleet.errors import UsageError

P = ParamSpec("P")
O = TypeVar("O")  # noqa: E741 - the options dataclass
S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInfo:
    """What is known of an option beside its name, type and default."""

    help: str
    choices: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    formerly: str | None = None
    """Name of the option in PaddleOCR 2.x, still accepted; giving both is an error."""
    length: int | None = None
    """Number of values, for options that take several."""
    cli: bool = True
    """Whether the command line has a flag for it."""
    flag: type | None = None
    """What its flag takes, where that is less than what Python takes."""


def option(default: Any = None, *, help: str, secret: bool = False, **info: Any) -> Any:  # noqa: A002 - the usual word
    """A dataclass field that knows how to present itself; keywords as the fields of `OptionInfo`.

    `secret`: left out when the options are printed.
    """
    return dataclasses.field(default=default, repr=not secret, metadata={"option": OptionInfo(help=help, **info)})


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option as the command line and the documentation see it."""

    name: str
    type: type
    """bool, int, float, str, or object for anything; for options that take several values, the type of one."""
    default: Any
    info: OptionInfo


@functools.cache
def option_fields(options: type) -> tuple[OptionField, ...]:
    """The options that a dataclass declares with `option`, in order of declaration."""
    hints = typing.get_type_hints(options)
    return tuple(
        OptionField(field.name, _base_type(hints[field.name]), field.default, field.metadata["option"])
        for field in dataclasses.fields(options)
        if "option" in field.metadata
    )


def _base_type(hint: Any) -> type:
    """`float` for `float | None`, `int` for `tuple[int, int, int] | None`, `str` for unions that are not one type."""
    if typing.get_origin(hint) in (typing.Union, UnionType):
        kinds = [part for part in typing.get_args(hint) if part is not NoneType]
        hint = kinds[0]
    if typing.get_origin(hint) is tuple:
        hint = typing.get_args(hint)[0]
    if hint is Any:
        return object
    return hint if hint in (bool, int, float) else str


def parse(options: Callable[..., O], given: Mapping[str, Any]) -> O:
    """Build an options object from keyword arguments as a person writes them.

    Old names are translated with a DeprecationWarning. Values are checked against type, choices and range, so that a
    mistake is named where it enters and not where it would bite.

    Raises UsageError for a name that does not exist, an old name beside its new one, and a value that is not allowed.
    """
    declared = cast(type, options)
    fields = {field.name: field for field in option_fields(declared)}
    former = {field.info.formerly: field.name for field in fields.values() if field.info.formerly}
    names = {field.name for field in dataclasses.fields(declared)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        current = former.get(name, name)
        if current not in names:
            close = difflib.get_close_matches(name, [*names, *former], n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"Unknown argument: {name}{hint}")
        if current in values:
            raise UsageError(f"{name} and its other name are both given; keep {current}")
        if current != name:
            warnings.warn(f"{name} is now called {current}", DeprecationWarning, stacklevel=4)
        values[current] = _checked(fields[current], value) if current in fields else value
    return options(**values)


def _checked(field: OptionField, value: Any) -> Any:
    """`value` if the option allows it. None always means "not given"."""
    info = field.info
    if value is None:
        return None
    several = info.length is not None
    if several:
        if not isinstance(value, list | tuple) or len(value) != info.length:
            raise UsageError(f"{field.name} takes {info.length} values, not {value!r}")
        return tuple(_checked_one(field, one) for one in value)
    return _checked_one(field, value)


def _checked_one(field: OptionField, value: Any) -> Any:
    """One value of an option that takes one, or one of several."""
    info = field.info
    if field.type is object:
        return value
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    accepted: tuple[type, ...] = (int, float) if field.type is float else (field.type,)
    if field.type is str:
        if hasattr(value, "__fspath__"):
            value = value.__fspath__()
        accepted = (str,)
    fits: bool = isinstance(value, accepted) and (field.type is bool or not isinstance(value, bool))
    if not fits:
        raise UsageError(f"{field.name} takes a {_WORDS[field.type]}, not {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{field.name} takes a number, not {value!r}")
    if info.choices is not None and value not in info.choices:
        raise UsageError(f"{field.name} is one of {', '.join(info.choices)}, not {value!r}")
    if info.minimum is not None and not value >= info.minimum:
        raise UsageError(f"{field.name} is at least {info.minimum:g}, not {value!r}")
    if info.maximum is not None and not value <= info.maximum:
        raise UsageError(f"{field.name} is at most {info.maximum:g}, not {value!r}")
    return float(value) if field.type is float else value


_WORDS = {bool: "True or False", int: "whole number", float: "number", str: "text"}


def accepts(options: Callable[P, O]) -> Callable[[Callable[[S, O], R]], Callable[Concatenate[S, P], R]]:
    """Make a method that takes an options object callable with that object's fields.

        @accepts(OCROptions)
        def __init__(self, options: OCROptions) -> None: ...

        PaddleOCR(device="cpu", text_det_thresh=0.3)

    The signature seen by type checkers, editors and `help()` is the dataclass's own, so it is written once.
    """

    def decorate(method: Callable[[S, O], R]) -> Callable[Concatenate[S, P], R]:
        parameters = list(inspect.signature(options).parameters.values())
        positional = [one.name for one in parameters if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]

        @functools.wraps(method)
        def wrapper(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
            if len(args) > len(positional):
                raise TypeError(f"{method.__qualname__} takes its options by name")
            placed = dict(zip(positional, args, strict=False))
            if twice := placed.keys() & kwargs.keys():
                raise TypeError(f"{method.__qualname__} got {twice.pop()!r} twice")
            return method(self, parse(options, {**placed, **kwargs}))

        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        returns = inspect.signature(method).return_annotation
        signature = inspect.Signature([own, *parameters], return_annotation=returns)
        wrapper.__signature__ = signature  # type: ignore[attr-defined]
        return cast(Callable[Concatenate[S, P], R], wrapper)

    return decorate
