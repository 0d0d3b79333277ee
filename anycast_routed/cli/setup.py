"""`setup`: our include line in bird.conf, and the systemd units; shown first, written on demand."""

from __future__ import annotations

import pwd
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed import atomic, reconcile
from anycast_routed.announce.bird import check_config, include_line, includes
from anycast_routed.cli.settings import difference
from anycast_routed.config import DEFAULTS
from anycast_routed.errors import ConfigError, Exit, UsageError

if TYPE_CHECKING:
    from anycast_routed.cli.settings import Settings
    from anycast_routed.config import Config

_NAME = "anycast-routed"
_UNITS = Path("/etc/systemd/system")
_PROGRAM = "/usr/local/bin/anycast-routed"  # as the units that we ship have it
_DAEMON = ("anycast-routed", "anycast-routed-withdraw", "anycast-routed-handover")
_ONE_SHOT = "anycast-routed-apply"
_NEXT_UNITS = "now: systemctl daemon-reload && systemctl enable --now"
_NEXT_BIRD = "now: birdc configure, and then: anycast-routed apply"
_NOTHING_NEEDED = "FRR needs nothing: what we own there lives in its running config only"


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(setup)


def setup(
    context: typer.Context,
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Write it; a changed file keeps a backup beside it.")
    ] = False,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="The systemd units of the daemon.")
    ] = False,
    timer: Annotated[
        bool, typer.Option("--timer", help="With --systemd: a timer for `apply` instead.")
    ] = False,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="With --systemd: the user to run as.")
    ] = "",
) -> int:
    """Show what the router needs once, or write it."""
    settings: Settings = context.obj
    if timer and not systemd:
        message = "--timer is for the units"
        raise UsageError(message, hint="anycast-routed setup --systemd --timer")
    if user:
        _must_exist(user, systemd=systemd)
    config = settings.load()
    files = _unit_files(settings, user, timer=timer) if systemd else _router_files(config)
    changed = {path: text for path, text in files.items() if atomic.read(path) != text}
    settings.emit("setup", files={str(path): text for path, text in changed.items()}, written=write)
    for path, text in changed.items():
        settings.say(difference(path, atomic.read(path), text))
        if write:
            _install(path, text, for_bird=not systemd)
    if not files:
        settings.say([_NOTHING_NEEDED])
    elif not changed:
        settings.say(["nothing is missing"])
    elif write:
        settings.say(f"wrote {path}" for path in changed)
    else:
        settings.say(["nothing was written; --write does it"])
    if write and changed:
        unit = f"{_ONE_SHOT}.timer" if timer else _DAEMON[0]
        settings.say([f"{_NEXT_UNITS} {unit}" if systemd else _NEXT_BIRD])
    return Exit.OK


def _router_files(config: Config) -> dict[Path, str]:
    """FRR needs no file: what we own there lives in its running config only."""
    if reconcile.choose_speaker(config).name != "bird":
        return {}
    # The file itself, should an operator have a link there.
    path = config.router.config_file.resolve()
    current = atomic.read(path)
    if current is None:
        message = f"router.config-file: {path} does not exist"
        raise ConfigError(message, hint="name BIRD's config file, or install bird2")
    if includes(current, config.router.include_file):
        return {path: current}
    line = include_line(config.router.include_file)
    text = (
        f"{current.rstrip()}\n\n# What anycast-routed announces; a missing file is fine.\n{line}\n"
    )
    return {path: text}


def _must_exist(user: str, *, systemd: bool) -> None:
    if not systemd:
        message = "--user is for the units"
        raise UsageError(message, hint="anycast-routed setup --systemd --user NAME")
    try:
        pwd.getpwnam(user)
    except KeyError as error:
        message = f"there is no user {user}"
        raise UsageError(message, hint=f"adduser --system --group {user}") from error


def _unit_files(settings: Settings, user: str, *, timer: bool) -> dict[Path, str]:
    own = Path(sys.argv[0])
    found = str(own.absolute()) if own.name == _NAME else shutil.which(_NAME)
    program = [found] if found else [sys.executable, "-m", "anycast_routed"]
    path = settings.path().absolute()
    options = [] if path in DEFAULTS else ["--config", str(path)]
    options += ["--router", settings.router] if settings.router else []
    command = " ".join(map(_word, [*program, *options]))
    names = [f"{_ONE_SHOT}.service", f"{_ONE_SHOT}.timer"]
    if not timer:
        names = [f"{name}.service" for name in _DAEMON]
    shipped = {name: (_shipped() / name).read_text(encoding="utf-8") for name in names}
    # In all of them, or the run folder would change hands with whichever is started.
    section = f"[Service]\nUser={user}\n" if user else "[Service]\n"
    return {
        _UNITS / name: text.replace(f"={_PROGRAM} ", f"={command} ").replace("[Service]\n", section)
        for name, text in shipped.items()
    }


def _shipped() -> Path:
    # In the wheel the units stand inside the package, in a checkout beside it.
    package = Path(__file__).parent.parent
    inside = package / "systemd"
    return inside if inside.is_dir() else package.parent / "packaging" / "systemd"


def _word(text: str) -> str:
    """Write one word of a command line as systemd.service(5) reads it."""
    literal = text.replace("%", "%%").replace("$", "$$")
    if not set(literal) & set(" \t\"'\\;"):
        return literal
    return '"' + literal.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _install(path: Path, text: str, *, for_bird: bool) -> None:
    """Write the file with the owner and the mode that it has; BIRD reads a new config first."""
    if not path.exists():
        atomic.write(path, text)
        return
    was = path.stat()
    mode, owner = stat.S_IMODE(was.st_mode), (was.st_uid, was.st_gid)
    if for_bird:
        # In the same folder, since an operator's own includes may be relative.
        candidate = path.with_name(f"{path.name}.candidate")
        atomic.write(candidate, text, mode=mode, owner=owner)
        try:
            check_config(candidate, path)
        finally:
            atomic.remove(candidate)
    backup = path.with_name(f"{path.name}.before-anycast-routed")
    if not backup.exists():
        before = atomic.read(path)
        atomic.write(backup, before or "", mode=mode, owner=owner)
    atomic.write(path, text, mode=mode, owner=owner)
