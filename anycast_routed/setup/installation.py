"""Find the steps that install the systemd units, their user and the directory of the config."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.config import Daemon
from anycast_routed.errors import AccessDeniedError, ConfigError, UsageError
from anycast_routed.setup import sandbox, service_user, units
from anycast_routed.setup.steps import Steps, changed, require_root, without_links

if TYPE_CHECKING:
    from anycast_routed.config import Config
    from anycast_routed.errors import AnycastRoutedError
    from anycast_routed.report.output import Output

_NEXT = "now: systemctl daemon-reload && systemctl enable --now"
_PIPX = (
    "install it where every user can reach it, from the source directory: "
    "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install ."
)
_OTHER_PATH = "set another path in the config; the default paths need nothing"


@dataclass(frozen=True, slots=True)
class Installation:
    """What to install: the units for one config file, one user and one router."""

    config_path: Path
    config: Config | None
    """None: the file does not exist or cannot be read. The units can be installed before it."""
    router: str | None
    """The value of `--router`, which the units then repeat."""
    user: str
    unit_set: units.UnitSet

    def steps(self, output: Output, *, write: bool) -> Steps:
        """Return the steps, and warn of what will fail; with `write`, refuse that instead.

        Raises:
            UsageError, AccessDeniedError, ConfigError: with `write`, the steps must not be done.
        """
        _refuse_over_package(output, write=write)
        if write:
            require_root()
        self._check_user(output, write=write)
        needs = self._sandbox_needs(output, write=write)
        missing, commands = service_user.missing(self.user)
        run_dir = (self.config.daemon if self.config else Daemon()).run_dir
        texts = units.texts(
            self.config_path, self.router, self.user, needs.lines, self.unit_set, run_dir=run_dir
        )
        for path in without_links(output, texts):
            missing[path] = texts[path]
        return Steps(
            files=changed(missing),
            commands_after=[*commands, *needs.commands],
            next_step=f"{_NEXT} {self.unit_set.to_enable}",
        )

    def _check_user(self, output: Output, *, write: bool) -> None:
        """Check that the user can reach the program and the config, and use the routers.

        Raises:
            AccessDeniedError: with `write`, the user cannot reach the program.
        """
        for program in (Path(units.program()[0]), Path(sys.executable)):
            if problem := service_user.access_problem(self.user, program, os.X_OK):
                _raise_or_warn(output, AccessDeniedError(problem, hint=_PIPX), write=write)
                break
        if problem := service_user.access_problem(self.user, self.config_path, os.R_OK):
            output.talk([f"warning: {problem}"])
        if self.user != units.NAME:
            for group in service_user.missing_groups(self.user):
                message = f"{self.user} is not in group {group}: adduser {self.user} {group}"
                output.talk([f"warning: {message}"])

    def _sandbox_needs(self, output: Output, *, write: bool) -> sandbox.Needs:
        """Return what the units need for the paths in the config; nothing if it cannot be read.

        Raises:
            ConfigError: with `write`, the units would fail with this config.
        """
        if self.config is None:
            if self.config_path.is_file():
                problem = f"{self.config_path} cannot be read, so its paths are not checked"
                output.talk([f"warning: {problem}: anycast-routed validate"])
            return sandbox.Needs()
        found = sandbox.needs(self.config, self.user)
        if found.faults and write:
            raise ConfigError("\n".join(found.faults), hint=_OTHER_PATH)
        output.talk(f"warning: {one}" for one in [*found.faults, *found.doubts])
        return found


def _raise_or_warn(output: Output, error: AnycastRoutedError, *, write: bool) -> None:
    """Raise the error if the steps are to be done; else print it as a warning."""
    if write:
        raise error
    output.talk([f"warning: {error}"])


def _refuse_over_package(output: Output, *, write: bool) -> None:
    """Refuse to install units over those of the package: they would hide its later versions.

    Raises:
        UsageError: with `write`, the package is installed.
    """
    packaged = units.PACKAGE_DIRECTORY / units.DAEMON_UNIT
    if packaged.exists():
        message = f"{packaged} exists: the package has installed the units"
        hint = f"change one by a drop-in: systemctl edit {units.NAME}"
        _raise_or_warn(output, UsageError(message, hint=hint), write=write)
