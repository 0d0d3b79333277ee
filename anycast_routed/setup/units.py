"""The systemd units that we ship, adapted to the program, config file and user of this host."""

from __future__ import annotations

import shutil
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.config import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable


NAME = "anycast-routed"
DIRECTORY = Path("/etc/systemd/system")
PACKAGE_DIRECTORY = Path("/lib/systemd/system")
DAEMON_UNIT = "anycast-routed.service"
TIMER_UNIT = "anycast-routed-apply.timer"
WITHDRAW_SCRIPT = "anycast-routed-withdraw.sh"
_SHIPPED_PROGRAM = "/usr/bin/anycast-routed"
_SHIPPED_SCRIPT = (
    f"/usr/lib/anycast-routed/anycast_routed/systemd/{WITHDRAW_SCRIPT} /run/anycast-routed"
)
_SHIPPED_USER = f"User={NAME}\nGroup={NAME}\n"
_CONDITION = "ConditionPathExists="
_STATE_DIRECTORY = f"StateDirectory={NAME}\n"


class UnitSet(Enum):
    """The units that are installed together, by their names, with the script of one of them."""

    DAEMON = (
        DAEMON_UNIT,
        "anycast-routed-withdraw.service",
        WITHDRAW_SCRIPT,
        "anycast-routed-handover.service",
    )
    TIMER = ("anycast-routed-apply.service", TIMER_UNIT)

    @property
    def to_enable(self) -> str:
        """The unit that the operator enables."""
        return NAME if self is UnitSet.DAEMON else TIMER_UNIT


def all_paths() -> tuple[Path, ...]:
    """Return the path of every unit of both sets, installed or not."""
    return tuple(DIRECTORY / name for names in UnitSet for name in names.value)


def program() -> tuple[str, ...]:
    """Return the command that starts this program, by an absolute path."""
    own = Path(sys.argv[0])
    found = str(own.absolute()) if own.name == NAME else shutil.which(NAME)
    return (found,) if found else (sys.executable, "-m", "anycast_routed")


def texts(  # noqa: PLR0913 - what the units differ in
    path: Path,
    router: str | None,
    user: str,
    extra_lines: Iterable[str],
    unit_set: UnitSet,
    *,
    run_dir: Path,
) -> dict[Path, str]:
    """Return the text of each unit of a set for this host, by its path; the units run as `user`.

    `path` is the config file, `router` the value of `--router`, and `run_dir` the run directory of
    the config. `extra_lines` let the units write to more directories, see `sandbox`.
    """
    options = [] if path in DEFAULTS else ["--config", str(path)]
    options += ["--router", router] if router else []
    command = " ".join(map(_command_word, [*program(), *options]))
    # The same user in every unit: else the run directory's owner changes with the unit started.
    account = _SHIPPED_USER if user == NAME else f"User={user}\n"
    directories = _STATE_DIRECTORY + "".join(f"{line}\n" for line in extra_lines)
    script = f"{DIRECTORY / WITHDRAW_SCRIPT} {_command_word(str(run_dir))}"
    source = _shipped_directory()
    found = {}
    for name in unit_set.value:
        text = (source / name).read_text(encoding="utf-8")
        text = text.replace(f"={_SHIPPED_PROGRAM} ", f"={command} ")
        text = text.replace(_SHIPPED_SCRIPT, script)
        text = text.replace(_SHIPPED_USER, account).replace(_STATE_DIRECTORY, directories)
        found[DIRECTORY / name] = text if path in DEFAULTS else _with_condition(text, path)
    return found


def _with_condition(text: str, path: Path) -> str:
    """Replace a unit's conditions for the default config files by one for this config file."""
    lines: Iterable[str] = text.splitlines(keepends=True)
    condition = f"{_CONDITION}{str(path).replace('%', '%%')}\n"
    replaced = (condition if line.startswith(_CONDITION) else line for line in lines)
    # A shipped unit has one condition for each default path, one after the other.
    return "".join(replaced).replace(condition * len(DEFAULTS), condition)


def _shipped_directory() -> Path:
    """Return the directory of the shipped units: in the package, or in a checkout next to it."""
    package = Path(__file__).parent.parent
    inside = package / "systemd"
    return inside if inside.is_dir() else package.parent / "packaging" / "systemd"


def quoted(text: str) -> str:
    """Quote one word for a unit file (systemd.syntax(7), and the specifiers of systemd.unit(5))."""
    literal = text.replace("%", "%%")
    if not set(literal) & set(" \t\"'\\;"):
        return literal
    return '"' + literal.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _command_word(text: str) -> str:
    """Quote one word of a command line, where $ has a meaning too (systemd.service(5))."""
    return quoted(text.replace("$", "$$"))
