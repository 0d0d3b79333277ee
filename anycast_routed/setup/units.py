"""The systemd units that we ship, with the program, the config and the user that are meant."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.config import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable


NAME = "anycast-routed"
FOLDER = Path("/etc/systemd/system")
PACKAGED = Path("/lib/systemd/system")
DAEMON = "anycast-routed.service"
TIMER = "anycast-routed-apply.timer"
_PROGRAM = "/usr/bin/anycast-routed"  # as the units that we ship have it
_ACCOUNT = f"User={NAME}\nGroup={NAME}\n"
_CONDITION = "ConditionPathExists="
_FOLDERS = f"StateDirectory={NAME}\n"
_WITH_TIMER = ("anycast-routed-apply.service", TIMER)
_WITH_DAEMON = (DAEMON, "anycast-routed-withdraw.service", "anycast-routed-handover.service")


def shipped(*, timer: bool) -> tuple[str, ...]:
    """Return the names of the units of the timer, or of the daemon."""
    return _WITH_TIMER if timer else _WITH_DAEMON


def every() -> tuple[Path, ...]:
    """Return where each of our units stands when all are installed."""
    return tuple(FOLDER / name for name in (*_WITH_DAEMON, *_WITH_TIMER))


def program() -> tuple[str, ...]:
    """Return the words that start this very program, by an absolute path."""
    own = Path(sys.argv[0])
    found = str(own.absolute()) if own.name == NAME else shutil.which(NAME)
    return (found,) if found else (sys.executable, "-m", "anycast_routed")


def texts(
    path: Path, router: str | None, user: str, opened: Iterable[str], *, timer: bool
) -> dict[Path, str]:
    """Return the units as they are to stand on this host; they run as `user`.

    `path` is the config file, `router` what `--router` was. `opened` are the lines that let them
    write elsewhere too, see `sandbox`.
    """
    options = [] if path in DEFAULTS else ["--config", str(path)]
    options += ["--router", router] if router else []
    command = " ".join(map(_word, [*program(), *options]))
    # In all of them, or the run folder would change hands with whichever is started.
    account = _ACCOUNT if user == NAME else f"User={user}\n"
    folders = _FOLDERS + "".join(f"{line}\n" for line in opened)
    shelf = _folder()
    found = {}
    for name in shipped(timer=timer):
        text = (shelf / name).read_text(encoding="utf-8")
        text = text.replace(f"={_PROGRAM} ", f"={command} ").replace(_ACCOUNT, account)
        text = text.replace(_FOLDERS, folders)
        found[FOLDER / name] = text if path in DEFAULTS else _conditioned(text, path)
    return found


def _conditioned(text: str, path: Path) -> str:
    """Have a unit wait for this config in place of the usual ones."""
    lines: Iterable[str] = text.splitlines(keepends=True)
    condition = f"{_CONDITION}{str(path).replace('%', '%%')}\n"
    own = (condition if line.startswith(_CONDITION) else line for line in lines)
    # Each unit had one for each usual place, one after the other.
    return "".join(own).replace(condition * len(DEFAULTS), condition)


def _folder() -> Path:
    # In the wheel the units stand inside the package, in a checkout beside it.
    package = Path(__file__).parent.parent
    inside = package / "systemd"
    return inside if inside.is_dir() else package.parent / "packaging" / "systemd"


def quoted(text: str) -> str:
    """Write one word as systemd.syntax(7) and the specifiers of systemd.unit(5) read it."""
    literal = text.replace("%", "%%")
    if not set(literal) & set(" \t\"'\\;"):
        return literal
    return '"' + literal.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _word(text: str) -> str:
    # In a command line $ has a meaning too (systemd.service(5)).
    return quoted(text.replace("$", "$$"))
