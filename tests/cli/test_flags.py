"""Flags that derive from options: spelling, values, misuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from docfleet.cli.flags import CONTEXT, flags_of, given
from docfleet.pipelines.options import option


@dataclass(frozen=True, kw_only=True)
class Options:
    use_colour: bool | None = option(help="in colour", formerly="colour")
    side_len: int | None = option(help="pixels")
    thresh: float | None = option(help="score")
    shape: tuple[int, int, int] | None = option(help="C H W", length=3)
    kind: str | None = option(help="which", choices=("small", "large"))
    secret: str | None = option(help="Python only", cli=False)
    anything: Any = option(help="of whatever kind", flag=object)
    half: Any = option(help="a number, or more in Python", flag=float)


def call(*arguments: str) -> tuple[dict[str, Any], Result]:
    taken: dict[str, Any] = {}

    @flags_of(Options)
    @click.command(context_settings=CONTEXT)
    def command(**values: Any) -> None:
        taken.update(given(values))

    return taken, CliRunner().invoke(command, list(arguments))


@pytest.mark.parametrize("word", ["True", "true", "T", "yes", "y", "1", "on"])
def test_every_spelling_of_true(word: str) -> None:
    assert call("--use_colour", word)[0] == {"use_colour": True}


@pytest.mark.parametrize("word", ["False", "false", "F", "no", "n", "0", "off"])
def test_every_spelling_of_false(word: str) -> None:
    assert call("--use_colour", word)[0] == {"use_colour": False}


def test_dashes_and_underscores_are_alike() -> None:
    assert call("--side-len", "3", "--use_colour", "1")[0] == {"side_len": 3, "use_colour": True}


def test_options_of_several_values() -> None:
    assert call("--shape", "3", "48", "320")[0] == {"shape": (3, 48, 320)}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("0.5", 0.5), ("[1, 2]", [1, 2]), ('{"a": null}', {"a": None}), ("true", True), ("True", "True"),
        ("no", "no"), ("a/b.yaml", "a/b.yaml"), ('"0.5"', "0.5"), ("", ""),
    ],
)  # fmt: skip
def test_flags_of_any_kind_are_json_or_text(word: str, value: Any) -> None:
    assert call("--anything", word)[0] == {"anything": value}


def test_a_flag_may_take_less_than_python() -> None:
    assert call("--half", "0.5")[0] == {"half": 0.5}
    assert call("--half", "[1]")[1].exit_code == 2


def test_what_is_not_typed_is_not_given() -> None:
    assert call()[0] == {}


def test_old_names_work_and_stay_out_of_the_help() -> None:
    taken, result = call("--colour", "True")
    assert taken == {"colour": True}
    assert "it is now called --use_colour" in result.stderr
    text = call("--help")[1].output
    assert "--use_colour True|False" in text
    assert "--colour" not in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--use_colour", "maybe"], "'maybe' is neither True nor False"),
        (["--use_colour", ""], "'' is neither True nor False"),
        (["--use_colour"], "requires an argument"),
        (["--side_len", "3.5"], "'3.5' is not a valid integer"),
        (["--thresh", "high"], "'high' is not a valid float"),
        (["--shape", "3", "48"], "requires 3 arguments"),
        (["--kind", "medium"], "'medium' is not one of 'small', 'large'"),
        (["--side_length", "3"], "Did you mean '--side_len'?"),
        (["--side", "3"], "No such option"),
        (["--secret", "x"], "No such option"),
        (["stray"], "unexpected extra argument"),
    ],
)
def test_misuse_is_an_error_and_exits_with_2(arguments: list[str], message: str) -> None:
    taken, result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert taken == {}
