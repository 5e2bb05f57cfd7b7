"""Command-line flags from an options object: one flag per option, `_` and `-` alike, values checked.

OCROptions --flags_of--> [--text_det_thresh NUMBER, ...] --click--> {"text_det_thresh": 0.3} --parse--> OCROptions
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import click

from docfleet.pipelines.options import OptionField, option_fields


class Boolean(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.5
    """True or False in the reference's spellings. Anything else is an error; the reference takes it for False."""

    name = "boolean"
    words: ClassVar[dict[str, bool]] = {
        **dict.fromkeys(("true", "yes", "t", "y", "1", "on"), True),
        **dict.fromkeys(("false", "no", "f", "n", "0", "off"), False),
    }

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        if isinstance(value, bool):
            return value
        known = self.words.get(str(value).strip().lower())
        if known is None:
            self.fail(f"{value!r} is neither True nor False", param, ctx)
        return known


class Literal(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.5
    """A list, an object, a number, true or false as JSON writes them; anything else is text."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            return value


TYPES: dict[type, Any] = {
    bool: Boolean(), int: click.INT, float: click.FLOAT, str: click.STRING, object: Literal(),
}  # fmt: skip

CONTEXT = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 110,
    # Flags may be typed with dashes or underscores; click compares them after this.
    "token_normalize_func": lambda token: token.replace("-", "_"),
}


def flags_of(options: type) -> Callable[[click.Command], click.Command]:
    """A decorator that gives a command one flag for every option of a dataclass, old names included (hidden)."""

    def decorate(command: click.Command) -> click.Command:
        for field in option_fields(options):
            if field.info.cli:
                command.params.append(_flag(field, field.name))
                if field.info.formerly:
                    command.params.append(_flag(field, field.info.formerly, hidden=True))
        return command

    return decorate


def _flag(field: OptionField, name: str, *, hidden: bool = False) -> click.Option:
    info = field.info
    taken = info.flag or field.type
    kind: Any = click.Choice(info.choices) if info.choices else TYPES[taken]
    return click.Option(
        [f"--{name}"], type=kind, nargs=info.length or 1, default=None, help=info.help, hidden=hidden,
        metavar=None if info.choices else _METAVARS[taken],
        deprecated=False if name == field.name else f"it is now called --{field.name}",
    )  # fmt: skip


_METAVARS = {bool: "True|False", int: "N", float: "NUMBER", str: "TEXT", object: "JSON|TEXT"}


def given(values: dict[str, Any]) -> dict[str, Any]:
    """The flags that were typed: those whose value is not None."""
    return {name: value for name, value in values.items() if value is not None}
