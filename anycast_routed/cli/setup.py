"""`setup`: what the router and systemd need once; shown first, done on demand, and taken back."""

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
from anycast_routed.setup.steps import Job, be_root
from anycast_routed.state import running_daemon
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.cli.options import Settings

_NEXT_UNITS = "now: systemctl daemon-reload && systemctl enable --now"
_NEXT_BIRD = "now: birdc configure, and then: anycast-routed apply"
_NEXT_DAEMON = "now: birdc configure; the daemon does the rest"
_NOTHING_NEEDED = "FRR needs nothing: what we own there lives in its running config only"
_PIPX = (
    "install it where every user gets to: "
    "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install anycast-routed"
)
_ELSEWHERE = "name another place in the config: the best are the default ones"
_LEFT = (
    "left to you: /etc/anycast-routed, /var/lib/anycast-routed, and user and group anycast-routed"
)
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(setup)


def setup(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Do it; a changed file keeps a backup beside it.")
    ] = False,
    systemd: Annotated[
        bool,
        typer.Option("--systemd", help="The systemd units of the daemon, and what they need."),
    ] = False,
    timer: Annotated[
        bool, typer.Option("--timer", help="With --systemd: a timer for `apply` instead.")
    ] = False,
    user: Annotated[
        str,
        typer.Option(
            "--user",
            metavar="NAME",
            help="With --systemd: run as this user; by default as anycast-routed, which is made.",
        ),
    ] = "",
    remove: Annotated[
        bool, typer.Option("--remove", help="Take all of it back; the config stays.")
    ] = False,
) -> int:
    """Show what the router or systemd needs once, or do it.

    Without `--systemd` that is BIRD's include line; FRR needs nothing. With it, what the Debian
    package brings: the user, its groups, the folder of the config, and the units.
    """
    settings: Settings = context.obj
    _refuse_nonsense(systemd=systemd, timer=timer, user=user, remove=remove)
    if remove:
        job = _removal(settings)
    elif systemd:
        job = _units(settings, user or units.NAME, timer=timer, write=write)
    else:
        config = settings.load()
        if choose.choose(config).name != "bird":
            settings.emit("setup", files={}, commands=[], removed=[], written=write)
            settings.say([_NOTHING_NEEDED])
            return Exit.OK
        said = _NEXT_BIRD if running_daemon.pid(config.daemon.run_dir) is None else _NEXT_DAEMON
        job = Job(bird_conf=_changed(bird_conf.with_line(config.router)), said=said)
    job.show(settings, write=write)
    if write and not job.is_empty():
        job.do(settings, backup="with-anycast-routed" if remove else "before-anycast-routed")
        settings.say([job.said])
    return Exit.OK


def _refuse_nonsense(*, systemd: bool, timer: bool, user: str, remove: bool) -> None:
    hint = "anycast-routed setup --systemd"
    if remove and (systemd or timer or user):
        message = "--remove takes all back, and no other option but --write"
        raise UsageError(message, hint="anycast-routed setup --remove --write")
    if timer and not systemd:
        message = "--timer is for the units"
        raise UsageError(message, hint=f"{hint} --timer")
    if user and not systemd:
        message = "--user is for the units"
        raise UsageError(message, hint=f"{hint} --user NAME")
    if user:
        service_user.must_exist(user)


def _units(settings: Settings, user: str, *, timer: bool, write: bool) -> Job:
    _leave_the_packages(settings, write=write)
    if write:
        be_root()
    for program in (Path(units.program()[0]), Path(sys.executable)):
        if fault := service_user.out_of_reach(user, program, os.X_OK):
            if write:
                raise AccessDeniedError(fault, hint=_PIPX)
            settings.talk([f"warning: {fault}", f"  {_PIPX}"])
            break
    if fault := service_user.out_of_reach(user, settings.intended_path(), os.R_OK):
        settings.talk([f"warning: {fault}"])
    if user != units.NAME:
        for group in service_user.lacking(user):
            settings.talk([f"warning: {user} is not in group {group}: adduser {user} {group}"])
    needs = _needs(settings, user, write=write)
    missing, commands = service_user.missing(user)
    texts = units.texts(settings.intended_path(), settings.router, user, needs.lines, timer=timer)
    for path in _own(settings, texts):
        missing[path] = texts[path]
    unit = units.TIMER if timer else units.NAME
    return Job(
        files=_changed(missing), last=[*commands, *needs.commands], said=f"{_NEXT_UNITS} {unit}"
    )


def _leave_the_packages(settings: Settings, *, write: bool) -> None:
    """Refuse to hide the package's units, and so each later version of them, behind copies."""
    packaged = units.PACKAGED / units.DAEMON
    if packaged.exists():
        message = f"{packaged} is there already: the package has installed our units"
        if write:
            raise UsageError(message, hint=f"change one by a drop-in: systemctl edit {units.NAME}")
        settings.talk([f"warning: {message}"])


def _needs(settings: Settings, user: str, *, write: bool) -> sandbox.Needs:
    try:
        found = sandbox.needs(settings.load(), user)
    except (ConfigError, AccessDeniedError):
        # The units may be there before a config that can be read.
        if (path := settings.intended_path()).is_file():
            settings.talk([f"warning: what {path} needs of the units is not known: validate it"])
        return sandbox.Needs()
    if found.faults and write:
        raise ConfigError("\n".join(found.faults), hint=_ELSEWHERE)
    settings.talk(f"warning: {one}" for one in [*found.faults, *found.doubts])
    return found


def _own(settings: Settings, paths: Iterable[Path]) -> list[Path]:
    """Leave out the links, which are the operator's: a masked unit is one."""
    own = []
    for path in paths:
        if path.is_symlink():
            settings.talk([f"warning: {path} leads to {path.readlink()}, and is left as it is"])
        else:
            own.append(path)
    return own


def _removal(settings: Settings) -> Job:
    try:
        router = settings.load().router
    except (ConfigError, AccessDeniedError):
        # It goes without a config too, at the usual places.
        router = Router.model_construct()
    there = [path for path in _own(settings, units.every()) if path.exists()]
    booted = _BOOTED.is_dir()
    stop = [("systemctl", "disable", "--now", *(path.name for path in there))]
    sysusers = [service_user.SYSUSERS] if service_user.SYSUSERS.exists() else []
    without = bird_conf.without_line(router)
    configure = " && birdc configure" if without else ""
    return Job(
        first=stop if there and booted else [],
        bird_conf=without,
        gone=[*there, *sysusers],
        last=[("systemctl", "daemon-reload")] if there and booted else [],
        said=f"now: anycast-routed withdraw{configure}\n{_LEFT}",
        nothing="nothing of ours is there",
    )


def _changed(texts: dict[Path, str]) -> dict[Path, str]:
    return {path: text for path, text in texts.items() if files.read(path) != text}
