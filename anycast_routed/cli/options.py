"""The options that every verb takes, before or after its name."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed import config as config_file
from anycast_routed.cli.signals import VALUES
from anycast_routed.errors import ConfigError
from anycast_routed.report.output import Output
from anycast_routed.system import directories

if TYPE_CHECKING:
    from anycast_routed.config import Config

FLAGS = frozenset({"--json", "-v", "--verbose", "-q", "--quiet"})
_START_TIME = 19  # the place of `starttime` behind the command's name


@dataclass(frozen=True, slots=True)
class Settings(Output):
    """What the options before the verb have set."""

    config: Path | None = None
    router: str | None = None

    def path(self) -> Path:
        """Return where the config file is."""
        return config_file.locate(self.config, os.environ)

    def intended_path(self) -> Path:
        """Return the absolute path of the config file, or of one that is still to be written.

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
        open_ones = filter(directories.writable_by_all, paths)
        return [f"any user may change {path}: chmod o-w {path}" for path in open_ones]


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
