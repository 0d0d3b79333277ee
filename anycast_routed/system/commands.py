"""The one way to run a command: argument list, deadline, captured output, no shell."""

from __future__ import annotations

import subprocess  # nosec B404  # noqa: TID251 - this is the one home of subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left behind: its exit code and its output as text."""

    code: int
    out: str
    err: str


def run(
    argv: Sequence[str],
    *,
    within: float,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run `argv` and return what it left, whatever its exit code.

    `within` is in seconds; a command that takes longer is killed.

    Raises:
        CommandError: the program is not installed, cannot start, or did not end in time.
        AccessDeniedError: we may not execute it.
    """
    try:
        done = subprocess.run(  # nosec B603
            argv,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=within,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{argv[0]} did not end within {within:g} s and was killed"
        raise CommandError(message, hint="is its daemon hung or stopped?") from error
    except FileNotFoundError as error:
        message = f"{argv[0]} is not installed"
        raise CommandError(message, hint="install it, or name its path") from error
    except PermissionError as error:
        message = f"{argv[0]} may not be executed by this user"
        raise AccessDeniedError(message) from error
    except OSError as error:
        message = f"{argv[0]} cannot be run: {error.strerror}"
        raise CommandError(message, hint="see ulimit -a, and the memory") from error
    return Completed(done.returncode, done.stdout, done.stderr)
