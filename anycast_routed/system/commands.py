"""Run a command: argument list, deadline, captured output, no shell."""

from __future__ import annotations

import subprocess  # nosec B404  # noqa: TID251 - the one module that uses subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Completed:
    """The result of a command: its exit code, and its output as text."""

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
    """Run `argv` and return its result, whatever its exit code.

    `within` is in seconds; a command that takes longer is killed.

    Raises:
        CommandError: the program is not installed, cannot start, or did not end in time.
        AccessDeniedError: this user may not execute the program.
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
        raise CommandError(message, hint="check whether its daemon hangs or is stopped") from error
    except FileNotFoundError as error:
        message = f"{argv[0]} is not installed"
        raise CommandError(message, hint="install it, or name its path") from error
    except PermissionError as error:
        message = f"this user may not execute {argv[0]}"
        hint = "run it with sudo, or correct the mode of the program"
        raise AccessDeniedError(message, hint=hint) from error
    except OSError as error:
        message = f"cannot run {argv[0]}: {error.strerror}"
        raise CommandError(message, hint="check the limits (ulimit -a) and free memory") from error
    return Completed(done.returncode, done.stdout, done.stderr)
