"""The options that every verb takes, before or after its name, and how a verb speaks."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed import config as config_file
from anycast_routed import folder
from anycast_routed.announce.masking import masked
from anycast_routed.cli.early import VALUES
from anycast_routed.report.document import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anycast_routed.config import Config

FLAGS = frozenset({"--json", "-v", "--verbose", "-q", "--quiet"})
_START_TIME = 19  # the place of `starttime` behind the command's name
_COLOURS = {"+": "32", "-": "31", "~": "33", "!": "35"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options before the verb have set."""

    config: Path | None = None
    router: str | None = None
    json: bool = False
    verbose: bool = False
    quiet: bool = False

    def path(self) -> Path:
        """Return where the config file is."""
        return config_file.locate(self.config, os.environ)

    def digest(self) -> str:
        """Return what tells one content of the config file from another."""
        return config_file.digest(self.path())

    def load(self) -> Config:
        """Read the config file, with `--router` in place of its `router.daemon`."""
        return self.load_with_digest()[0]

    def load_with_digest(self) -> tuple[Config, str]:
        """Read the config file as `load` does, with the digest of the very content that it had."""
        loaded, digest = config_file.load_with_digest(self.path())
        if self.router is None:
            return loaded, digest
        router = loaded.router.model_copy(update={"daemon": self.router})
        return loaded.model_copy(update={"router": router}), digest

    def exposed(self, config: Config) -> list[str]:
        """Say which files that decide what is announced any user of this host may change."""
        file, templates = self.path(), config.router.template_dir
        paths = [file.parent, file]
        if templates is not None:
            paths += [templates, templates / "bird.conf.j2", templates / "frr.conf.j2"]
        open_ones = filter(folder.writable_by_all, paths)
        return [f"any user may change {path}: chmod o-w {path}" for path in open_ones]

    def say(self, lines: Iterable[str]) -> None:
        """Print the result for people, on stdout; nothing with `--json`."""
        if not self.json:
            for line in self.coloured(lines):
                print(line)

    def coloured(self, lines: Iterable[str]) -> Iterator[str]:
        """Colour the mark of each line, on a terminal only."""
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        for line in lines:
            code = _COLOURS.get(line[:1]) if colour else None
            yield f"\x1b[{code}m{line[0]}\x1b[0m{line[1:]}" if code else line

    def talk(self, lines: Iterable[str]) -> None:
        """Print what is said beside the result, on stderr; nothing with `-q`."""
        if not self.quiet:
            for line in lines:
                print(line, file=sys.stderr)

    def emit(self, verb: str, **facts: object) -> None:
        """Print the result for programs, on stdout, with `--json` only."""
        if self.json:
            print(json.dumps(document(verb, **facts), indent=2))


def difference(file: Path, before: str | None, after: str | None) -> list[str]:
    """Return the change of a file as a unified diff, without its passwords.

    Where one has changed, its two lines look the same, and show that it has.
    """
    import difflib  # noqa: PLC0415 - only where somebody asks for it

    # No password goes over the end of a line, as the routers know it: so each is masked alone.
    old, new = (text.removesuffix("\n").split("\n") if text else [] for text in (before, after))
    lines = difflib.unified_diff(old, new, str(file), str(file), lineterm="")
    return [masked(line) for line in lines]


def since_start() -> float:
    """Return the seconds since this process began, Python's own start included (proc(5), stat)."""
    facts = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    began = int(facts[_START_TIME]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


def hoist(arguments: list[str]) -> list[str]:
    """Move the options of every verb before the verb, so that they may stand anywhere."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif re.fullmatch("-[vq]{2,}", argument):
            front += [f"-{flag}" for flag in argument[1:]]
        elif argument in FLAGS or (argument.partition("=")[0] in VALUES and "=" in argument):
            front.append(argument)
        elif argument in VALUES:
            front += [argument, *([value] if (value := next(waiting, None)) is not None else [])]
        else:
            rest.append(argument)
    return front + rest
