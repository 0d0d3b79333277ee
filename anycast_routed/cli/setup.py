"""`setup`: show or install what the router and systemd need once, or remove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose
from anycast_routed.announce.bird import boot
from anycast_routed.config import Router
from anycast_routed.errors import AccessDeniedError, ConfigError, Exit, UsageError
from anycast_routed.setup import bird_conf, removal, service_user, units
from anycast_routed.setup.installation import Installation
from anycast_routed.setup.steps import Steps, changed
from anycast_routed.state import running_daemon

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config

_NEXT_BIRD = "now: birdc configure, and then: anycast-routed apply"
_NEXT_DAEMON = "now: birdc configure; the daemon does the rest"
_NOTHING_NEEDED = "FRR needs no setup: anycast-routed changes its running config only"

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
        config = _read_config(settings)
        # Without a config, the include line is looked for at the default paths.
        steps = removal.steps(settings, config.router if config else Router.model_construct())
    elif systemd:
        unit_set = units.UnitSet.TIMER if timer else units.UnitSet.DAEMON
        path, config = settings.intended_path(), _read_config(settings)
        wanted = Installation(path, config, settings.router, user or units.NAME, unit_set)
        steps = wanted.steps(settings, write=write)
    else:
        steps = _include_line(settings.load())
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


def _include_line(config: Config) -> Steps:
    """Return the steps that add the include line to bird.conf, and remove our file at boot.

    None for FRR.
    """
    if not choose.choose(config).layout.reads_file:
        return Steps(nothing_to_do=_NOTHING_NEEDED)
    no_daemon = running_daemon.pid(config.daemon.run_dir) is None
    file = config.router.include_file
    at_boot = {boot.TMPFILES: boot.tmpfiles_text(file)} if boot.survives(file) else {}
    return Steps(
        bird_conf=changed(bird_conf.with_line(config.router)),
        files=at_boot,
        next_step=_NEXT_BIRD if no_daemon else _NEXT_DAEMON,
    )


def _read_config(settings: Settings) -> Config | None:
    try:
        return settings.load()
    except (ConfigError, AccessDeniedError):
        return None
