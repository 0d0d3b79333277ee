"""The options that every verb takes, before or after its name, and the reader of durations."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed import config as config_file
from anycast_routed.announce.render import template_files
from anycast_routed.cli.signals import VALUE_OPTIONS
from anycast_routed.config.values import Refused, seconds
from anycast_routed.errors import ConfigError, UsageError
from anycast_routed.model import Code, Finding
from anycast_routed.report.output import Output
from anycast_routed.system import directories

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.config import Config

FLAG_OPTIONS = frozenset({"--json", "-v", "--verbose", "-q", "--quiet"})
_VALUE_PREFIXES = tuple(f"{option}=" for option in VALUE_OPTIONS)


@dataclass(frozen=True, slots=True)
class Settings(Output):
    """The values of the options that every verb takes."""

    config: Path | None = None
    router: str | None = None

    def path(self) -> Path:
        """Return the path of the config file."""
        return config_file.locate(self.config, os.environ)

    def intended_path(self) -> Path:
        """Return the absolute path of the config file; the default path if none exists yet.

        Raises:
            ConfigError: `--config` names a file that does not exist.
        """
        try:
            return self.path().absolute()
        except ConfigError:
            if self.config is not None:
                raise
            return config_file.DEFAULTS[0]

    def digest(self) -> str:
        """Return the digest of the config file's content."""
        return config_file.digest(self.path())

    def load(self) -> Config:
        """Read the config file, with `--router` in place of its `router.daemon`."""
        return self.load_with_digest()[0]

    def load_with_digest(self) -> tuple[Config, str]:
        """Read the config file as `load` does; also return the digest of the content read."""
        loaded, digest = config_file.load_with_digest(self.path())
        if self.router is None:
            return loaded, digest
        router = loaded.router.model_copy(update={"daemon": self.router})
        return loaded.model_copy(update={"router": router}), digest

    def permission_findings(self, config: Config) -> list[Finding]:
        """Return a finding for each config or template file or directory writable by all users."""
        file, templates = self.path(), config.router.template_dir
        paths = [file.parent, file]
        if templates is not None:
            paths += [templates, *template_files(templates)]
        writable = filter(directories.writable_by_all, paths)
        return [
            Finding(Code.WRITABLE_BY_ALL, "", f"any user may change {path}", f"chmod o-w {path}")
            for path in writable
        ]


def parse_duration(option: str, given: str, least: float, most: float) -> float:
    """Parse an option's duration with the config's syntax; return seconds.

    Raises:
        UsageError: the text is not a duration, or is out of range.
    """
    try:
        return seconds(least, most)(given)
    except Refused as error:
        message = f"{option}: {error.message}"
        # The config's hint is about quotes, which the shell has removed.
        hint = f"write {given}s, or {given}m for minutes" if given.isdecimal() else error.hint
        raise UsageError(message, hint=hint) from None


def move_options_first(arguments: list[str]) -> list[str]:
    """Move the options of every verb before the verb, so that they work in any place."""
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif re.fullmatch("-[vq]{2,}", argument):
            front += [f"-{flag}" for flag in argument[1:]]
        elif argument in FLAG_OPTIONS or argument.startswith(_VALUE_PREFIXES):
            front.append(argument)
        elif argument in VALUE_OPTIONS:
            front += [argument, *([value] if (value := next(remaining, None)) is not None else [])]
        else:
            rest.append(argument)
    return front + rest
