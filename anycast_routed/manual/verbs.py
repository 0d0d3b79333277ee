"""The verbs, options and arguments of the command line, read from the typer application."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from anycast_routed.cli import program as command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"--?[a-z][a-z-]*")
# typer adds the default and other facts to the help text: "[default: 1s; required]".
_DEFAULT = re.compile(r" *\[default: ([^];]*)[^]]*\]")
_REQUIRED = re.compile(r" *\[required\]")


@dataclass(frozen=True, slots=True)
class Option:
    """One option, with all its names."""

    names: tuple[str, ...]
    value: str
    """The placeholder of its value in the help, such as "<path>"; empty for a flag."""
    text: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values; empty if the option is a flag or allows any value."""
        return tuple(self.value.strip("<>[]").split("|")) if "|" in self.value else ()

    @property
    def is_path(self) -> bool:
        """Whether the value is the path of a file."""
        return self.value.strip("<>[]").lower() in {"path", "file"}


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb. The program itself is a verb with an empty name."""

    name: str
    """The name as an operator types it: "status", "config schema"."""
    text: str
    options: tuple[Option, ...]
    arguments: tuple[tuple[str, str], ...]
    """Each argument: its placeholder and its help text."""

    @property
    def summary(self) -> str:
        """The first line of the text, without its full stop."""
        return self.text.partition("\n")[0].rstrip(".")


def program() -> tuple[Verb, ...]:
    """Return the program itself, with the options that every verb has, and then each verb."""
    return tuple(_walk(typer.main.get_command(command_line.program()), ()))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[Verb]:  # noqa: ANN401 - the name of typer's class differs between its releases
    context = typer.Context(command, info_name=" ".join(words), **command.context_settings)
    options: list[Option] = []
    arguments: list[tuple[str, str]] = []
    for parameter in command.get_params(context):
        shown, help_text = parameter.get_help_record(context) or ("", "")
        text = _REQUIRED.sub("", _DEFAULT.sub(r" (\1 by default)", " ".join(help_text.split())))
        if parameter.param_type_name == "argument":
            name = shown.split()[0].strip("[].")
            name = name if parameter.required else f"[{name}]"
            arguments.append((f"{name}..." if parameter.nargs < 0 else name, text))
        elif shown:
            names = tuple(_NAME.findall(shown))
            options.append(Option(names, shown.rpartition(names[-1])[2].strip(), text))
    subcommands = getattr(command, "commands", {})
    if not words or not subcommands:
        text = inspect.cleandoc(command.help or "")
        yield Verb(" ".join(words), text, tuple(options), tuple(arguments))
    for name, subcommand in subcommands.items():
        yield from _walk(subcommand, (*words, name))
