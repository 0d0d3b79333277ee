"""`setup`: show or install what the router and systemd need once, or remove it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose
from anycast_routed.config import Router
from anycast_routed.errors import AccessDeniedError, ConfigError, Exit, UsageError
from anycast_routed.setup import bird_conf, sandbox, service_user, units
from anycast_routed.setup.steps import Steps, require_root
from anycast_routed.state import running_daemon
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.cli.options import Settings
    from anycast_routed.errors import AnycastRoutedError

_NEXT_UNITS = "now: systemctl daemon-reload && systemctl enable --now"
_NEXT_BIRD = "now: birdc configure, and then: anycast-routed apply"
_NEXT_DAEMON = "now: birdc configure; the daemon does the rest"
_NOTHING_NEEDED = "FRR needs no setup: anycast-routed changes its running config only"
_PIPX = (
    "install it where every user can reach it: "
    "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install anycast-routed"
)
_OTHER_PATH = "set another path in the config; the default paths need nothing"
_KEPT = (
    "left to you: /etc/anycast-routed, /var/lib/anycast-routed, and user and group anycast-routed"
)
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)

_Write = Annotated[
    bool,
    typer.Option("--write", help="Do it; a backup of each changed file is kept next to it."),
]
_Systemd = Annotated[
    bool, typer.Option("--systemd", help="Install the daemon's systemd units and their user.")
]
_Timer = Annotated[
    bool, typer.Option("--timer", help="With --systemd: a timer for `apply` instead of the daemon.")
]
_User = Annotated[
    str,
    typer.Option(
        "--user",
        metavar="NAME",
        help="With --systemd: run as this user; by default as anycast-routed, which is created.",
    ),
]
_Remove = Annotated[
    bool, typer.Option("--remove", help="Undo everything that setup did; the config stays.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(setup)


def setup(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    *,
    write: _Write = False,
    systemd: _Systemd = False,
    timer: _Timer = False,
    user: _User = "",
    remove: _Remove = False,
) -> int:
    """Show what the router or systemd needs once, or install it.

    Without `--systemd`: the include line in BIRD's config (FRR needs no setup). With it, what the
    Debian package installs: the user, its groups, the directory of the config, and the units.
    """
    settings: Settings = context.obj
    _refuse_wrong_options(systemd=systemd, timer=timer, user=user, remove=remove)
    if remove:
        steps = _removal_steps(settings)
    elif systemd:
        unit_set = units.UnitSet.TIMER if timer else units.UnitSet.DAEMON
        steps = _unit_steps(settings, user or units.NAME, unit_set, write=write)
    else:
        config = settings.load()
        if not choose.choose(config).layout.reads_file:
            settings.emit("setup", files={}, commands=[], removed=[], written=write)
            settings.say([_NOTHING_NEEDED])
            return Exit.OK
        no_daemon = running_daemon.pid(config.daemon.run_dir) is None
        steps = Steps(
            bird_conf=_changed(bird_conf.with_line(config.router)),
            next_step=_NEXT_BIRD if no_daemon else _NEXT_DAEMON,
        )
    steps.show(settings, write=write)
    if write and not steps.is_empty():
        steps.run(settings, backup="with-anycast-routed" if remove else "before-anycast-routed")
        settings.say([steps.next_step])
    return Exit.OK


def _refuse_wrong_options(*, systemd: bool, timer: bool, user: str, remove: bool) -> None:
    """Check the options and the user.

    Raises:
        UsageError: options contradict each other, or the user does not exist.
    """
    hint = "anycast-routed setup --systemd"
    if remove and (systemd or timer or user):
        message = "--remove undoes everything, and takes no other option than --write"
        raise UsageError(message, hint="anycast-routed setup --remove --write")
    if timer and not systemd:
        message = "--timer needs --systemd"
        raise UsageError(message, hint=f"{hint} --timer")
    if user and not systemd:
        message = "--user needs --systemd"
        raise UsageError(message, hint=f"{hint} --user NAME")
    if user:
        service_user.must_exist(user)


def _unit_steps(settings: Settings, user: str, unit_set: units.UnitSet, *, write: bool) -> Steps:
    """Return the steps that install the units and their user.

    Raises:
        UsageError, AccessDeniedError, ConfigError: with `write`, the steps must not be done.
    """
    _refuse_over_package(settings, write=write)
    if write:
        require_root()
    for program in (Path(units.program()[0]), Path(sys.executable)):
        if problem := service_user.access_problem(user, program, os.X_OK):
            _raise_or_warn(settings, AccessDeniedError(problem, hint=_PIPX), write=write)
            break
    if problem := service_user.access_problem(user, settings.intended_path(), os.R_OK):
        settings.talk([f"warning: {problem}"])
    if user != units.NAME:
        for group in service_user.missing_groups(user):
            settings.talk([f"warning: {user} is not in group {group}: adduser {user} {group}"])
    needs = _sandbox_needs(settings, user, write=write)
    missing, commands = service_user.missing(user)
    texts = units.texts(settings.intended_path(), settings.router, user, needs.lines, unit_set)
    for path in _without_links(settings, texts):
        missing[path] = texts[path]
    return Steps(
        files=_changed(missing),
        commands_after=[*commands, *needs.commands],
        next_step=f"{_NEXT_UNITS} {unit_set.to_enable}",
    )


def _raise_or_warn(settings: Settings, error: AnycastRoutedError, *, write: bool) -> None:
    """Raise the error if the steps are to be done; else print it as a warning."""
    if write:
        raise error
    settings.talk([f"warning: {error}"])


def _refuse_over_package(settings: Settings, *, write: bool) -> None:
    """Refuse to install units over those of the package: they would hide its later versions.

    Raises:
        UsageError: with `write`, the package is installed.
    """
    packaged = units.PACKAGE_DIRECTORY / units.DAEMON_UNIT
    if packaged.exists():
        message = f"{packaged} exists: the package has installed the units"
        hint = f"change one by a drop-in: systemctl edit {units.NAME}"
        _raise_or_warn(settings, UsageError(message, hint=hint), write=write)


def _sandbox_needs(settings: Settings, user: str, *, write: bool) -> sandbox.Needs:
    """Return what the units need for the paths in the config; nothing if it cannot be read.

    Raises:
        ConfigError: with `write`, the units would fail with this config.
    """
    try:
        found = sandbox.needs(settings.load(), user)
    except (ConfigError, AccessDeniedError):
        # The units can be installed before a valid config exists.
        if (path := settings.intended_path()).is_file():
            problem = f"{path} cannot be read, so its paths are not checked"
            settings.talk([f"warning: {problem}: anycast-routed validate"])
        return sandbox.Needs()
    if found.faults and write:
        raise ConfigError("\n".join(found.faults), hint=_OTHER_PATH)
    settings.talk(f"warning: {one}" for one in [*found.faults, *found.doubts])
    return found


def _without_links(settings: Settings, paths: Iterable[Path]) -> list[Path]:
    """Leave out links, which belong to the operator; a masked unit is one."""
    kept = []
    for path in paths:
        if path.is_symlink():
            settings.talk(
                [f"warning: {path} is a link to {path.readlink()}, and is left unchanged"]
            )
        else:
            kept.append(path)
    return kept


def _removal_steps(settings: Settings) -> Steps:
    """Return the steps that undo setup; without a config, at the default paths."""
    try:
        router = settings.load().router
    except (ConfigError, AccessDeniedError):
        router = Router.model_construct()
    installed = [path for path in _without_links(settings, units.all_paths()) if path.exists()]
    booted = _BOOTED.is_dir()
    stop = [("systemctl", "disable", "--now", *(path.name for path in installed))]
    sysusers = [service_user.SYSUSERS] if service_user.SYSUSERS.exists() else []
    without_include = bird_conf.without_line(router)
    configure = " && birdc configure" if without_include else ""
    return Steps(
        commands_before=stop if installed and booted else [],
        bird_conf=without_include,
        removed_files=[*installed, *sysusers],
        commands_after=[("systemctl", "daemon-reload")] if installed and booted else [],
        next_step=f"now: anycast-routed withdraw{configure}\n{_KEPT}",
        nothing_to_do="there is nothing to remove",
    )


def _changed(texts: dict[Path, str]) -> dict[Path, str]:
    """Return the texts that differ from the files as they are now."""
    return {path: text for path, text in texts.items() if files.read(path) != text}
