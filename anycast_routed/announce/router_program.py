"""Run a router's own program, `bird` or `vtysh`; a failure to run it is a router problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce import calls
from anycast_routed.errors import CommandError, RouterUnavailableError
from anycast_routed.system import commands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anycast_routed.system.commands import Completed


def run(
    argv: Sequence[str], *, within: float, stdin: str = "", env: Mapping[str, str] | None = None
) -> Completed:
    """Run `argv` as `commands.run` does; return its output, whatever its exit code.

    Raises:
        RouterUnavailableError: the program is not installed, cannot start, or did not end within
            `within` seconds.
        AccessDeniedError: this user may not execute it.
    """
    try:
        return commands.run(argv, within=within, stdin=stdin, env=env)
    except CommandError as error:
        raise RouterUnavailableError(error.message, hint=error.hint) from error
    finally:
        calls.ended()
