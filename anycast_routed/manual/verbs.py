"""What the command line takes, read from the program itself."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from anycast_routed.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"--?[a-z][a-z-]*")
# What typer says behind the help: the default, among what else it thinks of.
_DEFAULT = re.compile(r" *\[default: ([^];]*)[^]]*\]")
_REQUIRED = re.compile(r" *\[required\]")


@dataclass(frozen=True, slots=True)
class Option:
    """One option, with all its names."""

    names: tuple[str, ...]
    value: str
    """What it takes, as the help has it; empty for a flag."""
    text: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it takes, where no others are allowed."""
        return tuple(self.value.strip("<>[]").split("|")) if "|" in self.value else ()

    @property
    def is_path(self) -> bool:
        """Whether it takes the path of a file."""
        return self.value.strip("<>[]").lower() in {"path", "file"}


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb, or the program itself, whose name is empty."""

    name: str
    """As it is typed; that of a group's verb has a space."""
    text: str
    options: tuple[Option, ...]
    arguments: tuple[tuple[str, str], ...]
    """What it takes beside options, and what that is."""

    @property
    def summary(self) -> str:
        """The first line, without its full stop."""
        return self.text.partition("\n")[0].rstrip(".")


def program() -> tuple[Verb, ...]:
    """Return the program itself, with the options of every verb, and then each verb."""
    return tuple(_walk(typer.main.get_command(app), ()))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[Verb]:  # noqa: ANN401 - typer's, which has moved its classes from version to version
    context = typer.Context(command, info_name=" ".join(words), **command.context_settings)
    options: list[Option] = []
    arguments: list[tuple[str, str]] = []
    for parameter in command.get_params(context):
        shown, said = parameter.get_help_record(context) or ("", "")
        text = _REQUIRED.sub("", _DEFAULT.sub(r" (\1 by default)", " ".join(said.split())))
        if parameter.param_type_name == "argument":
            name = shown.split()[0].strip("[].")
            name = name if parameter.required else f"[{name}]"
            arguments.append((f"{name}..." if parameter.nargs < 0 else name, text))
        elif shown:
            names = tuple(_NAME.findall(shown))
            options.append(Option(names, shown.rpartition(names[-1])[2].strip(), text))
    below = getattr(command, "commands", {})
    if not words or not below:
        text = inspect.cleandoc(command.help or "")
        yield Verb(" ".join(words), text, tuple(options), tuple(arguments))
    for name, one in below.items():
        yield from _walk(one, (*words, name))
