"""Looks at the installed PaddleOCR. Runs in a child process, because it has to import it.

      paddleocr.SealRecognition.__init__   --signature-->  names of options
      its sub-command's argument parser    --flags----->   their types, choices and help
      its predict_iter                     --signature-->  names of settings of one call

The constructors declare nothing but names (every default is None); the types are known to the package's command line.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from docfleet.integrations.paddleocr.description import ASKED, FlagType, Parameter

_CALLS = ("visual_predict_iter", "predict_iter")
_NOT_OPTIONS = ("self", "input", "save_path", "help")
_IN_EVERY_CONSTRUCTOR = (Parameter(name="engine_config", flag="any"), Parameter(name="paddlex_config", flag="any"))
"""Passed on by every class, and declared by none."""
_OF_QUERIES = (
    Parameter(name="max_new_tokens", flag="int"),
    Parameter(name="skip_special_tokens", flag="bool"),
    Parameter(name="repetition_penalty", flag="float"),
    Parameter(name="temperature", flag="float"),
    Parameter(name="top_p", flag="float"),
    Parameter(name="min_pixels", flag="int"),
    Parameter(name="max_pixels", flag="int"),
    Parameter(name="use_cache", flag="bool"),
)
"""What the networks that answer questions take, by their documentation; their calls declare `**kwargs` alone."""


def main() -> None:
    """Print a JSON document on standard output: the classes, or why there are none."""
    # Whatever the package prints while it is imported must not stand beside the answer.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        os.environ["PADDLEOCR_DISABLE_AUTO_LOGGING_CONFIG"] = "1"
        try:
            import paddleocr
        except Exception as error:  # noqa: BLE001 - a package that is half installed raises anything
            json.dump({"error": f"{type(error).__name__}: {error}"}, answer)
            return
        json.dump({"classes": list(_classes(paddleocr))}, answer)


def _classes(module: ModuleType) -> Iterable[Mapping[str, Any]]:
    for name in getattr(module, "__all__", dir(module)):
        kind = getattr(module, name, None)
        if inspect.isclass(kind) and (call := next((each for each in _CALLS if hasattr(kind, each)), None)):
            yield _described(name, kind, call)


def _described(name: str, kind: type, call: str) -> dict[str, Any]:
    command, flags = _command_of(kind)
    constructor = _parameters(_names_in_constructors(kind), flags)
    settings, is_open = _settings(kind, call, flags)
    if name in ASKED:
        settings += [each for each in _OF_QUERIES if each.name not in {one.name for one in settings}]
    return {
        "name": name,
        "command": command,
        "call": call,
        "constructor": [_plain(each) for each in constructor],
        "settings": [_plain(each) for each in settings],
        "open": is_open,
    }


def _command_of(kind: Any) -> tuple[str, dict[str, argparse.Action]]:
    """Name of the sub-command, and its flags by name; nothing where the class has none."""
    if not hasattr(kind, "get_cli_subcommand_executor"):
        return "", {}
    executor = kind.get_cli_subcommand_executor()
    parser = executor.add_subparser(argparse.ArgumentParser().add_subparsers())
    return executor.subparser_name, {action.dest: action for action in parser._actions}


def _names_in_constructors(kind: type) -> list[str]:
    """What the constructor takes by name: a class passes on what it does not know to those that it derives from."""
    names: dict[str, None] = {}
    for each in kind.__mro__:
        if "__init__" in vars(each) and each is not object:
            parameters = inspect.signature(vars(each)["__init__"]).parameters.values()
            names |= dict.fromkeys(
                parameter.name
                for parameter in parameters
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            )
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                break
    return [name for name in names if name not in _NOT_OPTIONS]


def _parameters(names: Iterable[str], flags: Mapping[str, argparse.Action]) -> list[Parameter]:
    """The parameters of constructors. Flags that no signature declares get there by `**kwargs`: shared or old names."""
    known = dict.fromkeys(names)
    known |= dict.fromkeys(name for name in flags if name not in _NOT_OPTIONS and name not in _OF_COMMANDS)
    found = [_parameter(name, flags.get(name)) for name in known]
    return found + [each for each in _IN_EVERY_CONSTRUCTOR if each.name not in known]


_OF_COMMANDS = ("keys", "invoke_mllm", "qianfan_api_key", "pp_docbee_base_url", "target_language")
"""Flags that concern what the package's commands do after the pages are read."""


def _settings(kind: type, call: str, flags: Mapping[str, argparse.Action]) -> tuple[list[Parameter], bool]:
    parameters = inspect.signature(getattr(kind, call)).parameters.values()
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    found = [_parameter(each.name, flags.get(each.name), each.default) for each in named]
    # A call that declares its settings swallows others without a word; one that declares none hands all of them on.
    is_open = not [each for each in found if each.name not in _NOT_OPTIONS] and any(
        each.kind is each.VAR_KEYWORD for each in parameters
    )
    return [each for each in found if each.name not in _NOT_OPTIONS], is_open


def _parameter(name: str, action: argparse.Action | None, default: Any = None) -> Parameter:
    """A parameter as its flag declares it; without a flag as its default does."""
    if action is None:
        kind: FlagType = _TYPES.get(type(default).__name__, "any")
        return Parameter(name=name, flag="int" if name.endswith("_batch_size") else kind)
    choices = None if action.choices is None else tuple(str(choice) for choice in action.choices)
    return Parameter(
        name=name, flag=_flag_type(name, action), help=" ".join((action.help or "").split()), choices=choices
    )


_TYPES: Mapping[str, FlagType] = {"bool": "bool", "str2bool": "bool", "int": "int", "float": "float", "str": "str"}


def _flag_type(name: str, action: argparse.Action) -> FlagType:
    if action.nargs not in (None, "?"):
        return "any"
    if name.endswith("_batch_size"):
        return "int"  # One of them is declared as text, and its class cannot be made from that.
    return "str" if action.type is None else _TYPES.get(getattr(action.type, "__name__", ""), "any")


def _plain(parameter: Parameter) -> dict[str, Any]:
    return {name: getattr(parameter, name) for name in ("name", "flag", "help", "choices")}
