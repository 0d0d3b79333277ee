"""`setup`: what the router and systemd need once; shown first, done on demand, and taken back."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed import atomic, process, reconcile
from anycast_routed.cli import account, bird_conf, units
from anycast_routed.cli.settings import difference
from anycast_routed.config import Router
from anycast_routed.errors import AccessDeniedError, CannotWriteError, ConfigError, Exit, UsageError

if TYPE_CHECKING:
    from anycast_routed.cli.settings import Settings

_NEXT_UNITS = "now: systemctl daemon-reload && systemctl enable --now"
_NEXT_BIRD = "now: birdc configure, and then: anycast-routed apply"
_NOTHING_NEEDED = "FRR needs nothing: what we own there lives in its running config only"
_PIPX = (
    "install it where every user gets to: "
    "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install anycast-routed"
)
_LEFT = (
    "left to you: /etc/anycast-routed, /var/lib/anycast-routed, and user and group anycast-routed"
)
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_WITHIN = 90.0  # seconds for a command; a daemon that is stopped has 60 to withdraw


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done, in this order."""

    first: list[tuple[str, ...]] = field(default_factory=list)
    files: dict[Path, str] = field(default_factory=dict)
    bird_conf: dict[Path, str] = field(default_factory=dict)
    gone: list[Path] = field(default_factory=list)
    last: list[tuple[str, ...]] = field(default_factory=list)
    said: str = ""
    """What is left for the operator to do."""
    nothing: str = "nothing is missing"
    """What is said where there is nothing to do."""

    @property
    def is_for_root(self) -> bool:
        """Whether it is about more than bird.conf, which may be somebody else's to write."""
        return bool(self.first or self.files or self.gone or self.last)

    def is_empty(self) -> bool:
        return not (self.is_for_root or self.bird_conf)


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
        if reconcile.choose_speaker(config).name != "bird":
            settings.emit("setup", files={}, commands=[], removed=[], written=write)
            settings.say([_NOTHING_NEEDED])
            return Exit.OK
        job = _Job(bird_conf=_changed(bird_conf.with_line(config.router)), said=_NEXT_BIRD)
    _show(settings, job, write=write)
    if write and not job.is_empty():
        _do(settings, job, backup="with-anycast-routed" if remove else "before-anycast-routed")
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
        account.must_exist(user)


def _units(settings: Settings, user: str, *, timer: bool, write: bool) -> _Job:
    if write:
        _be_root()
    for program in (Path(units.program()[0]), Path(sys.executable)):
        if fault := account.out_of_reach(user, program, os.X_OK):
            if write:
                raise AccessDeniedError(fault, hint=_PIPX)
            settings.talk([f"warning: {fault}", f"  {_PIPX}"])
            break
    if fault := account.out_of_reach(user, units.config_path(settings), os.R_OK):
        settings.talk([f"warning: {fault}"])
    if user != units.NAME:
        for group in account.lacking(user):
            settings.talk([f"warning: {user} is not in group {group}: adduser {user} {group}"])
    files, commands = account.missing(user)
    files |= units.texts(settings, user, timer=timer)
    unit = units.TIMER if timer else units.NAME
    return _Job(files=_changed(files), last=commands, said=f"{_NEXT_UNITS} {unit}")


def _removal(settings: Settings) -> _Job:
    try:
        router = settings.load().router
    except (ConfigError, AccessDeniedError):
        # It goes without a config too, at the usual places.
        router = Router.model_construct()
    there = [path for path in units.every() if path.exists()]
    booted = _BOOTED.is_dir()
    stop = [("systemctl", "disable", "--now", *(path.name for path in there))]
    sysusers = [account.SYSUSERS] if account.SYSUSERS.exists() else []
    without = bird_conf.without_line(router)
    configure = " && birdc configure" if without else ""
    return _Job(
        first=stop if there and booted else [],
        bird_conf=without,
        gone=[*there, *sysusers],
        last=[("systemctl", "daemon-reload")] if there and booted else [],
        said=f"now: anycast-routed withdraw{configure}\n{_LEFT}",
        nothing="nothing of ours is there",
    )


def _changed(files: dict[Path, str]) -> dict[Path, str]:
    return {path: text for path, text in files.items() if atomic.read(path) != text}


def _show(settings: Settings, job: _Job, *, write: bool) -> None:
    files = {**job.files, **job.bird_conf}
    commands = [*job.first, *job.last]
    settings.emit(
        "setup",
        files={str(path): text for path, text in files.items()},
        commands=[list(command) for command in commands],
        removed=[str(path) for path in job.gone],
        written=write,
    )
    for path, text in files.items():
        settings.say(difference(path, atomic.read(path), text))
    settings.say(f"+ {shlex.join(command)}" for command in commands)
    if job.is_empty():
        settings.say([job.nothing])
    elif not write:
        settings.say(f"- {path}" for path in job.gone)
        settings.say(["nothing was written; --write does it"])


def _do(settings: Settings, job: _Job, *, backup: str) -> None:
    if job.is_for_root:
        _be_root()
    for command in job.first:
        _run(command)
    for path, text in job.bird_conf.items():
        bird_conf.install(path, text, backup=backup)
        settings.say([f"wrote {path}"])
    for path, text in job.files.items():
        atomic.write(path, text)
        settings.say([f"wrote {path}"])
    for path in job.gone:
        atomic.remove(path)
        settings.say([f"removed {path}"])
    for command in job.last:
        _run(command)


def _be_root() -> None:
    if os.geteuid() != 0:
        message = "only root may make users, and install or remove units"
        raise AccessDeniedError(message, hint="the same with sudo before it")


def _run(command: tuple[str, ...]) -> None:
    done = process.run(command, within=_WITHIN)
    if done.code != 0:
        said = done.err.strip() or f"exit code {done.code}"
        message = f"{shlex.join(command)}: {said}"
        raise CannotWriteError(message, hint="the rest was not done; run it again after that")
