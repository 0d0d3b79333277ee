"""`python -m anycast_routed.lab.demo`: build the site, show the five steps, remove everything.

Exit codes: 0 if every step showed the expected result, 1 if one did not, 64 if the command line has
an argument, 69 if this machine cannot run a lab, 130 after SIGINT, 143 after SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from anycast_routed.errors import AnycastRoutedError, UsageError
from anycast_routed.lab import Lab
from anycast_routed.lab.demo import site
from anycast_routed.lab.demo.output import Output, duration
from anycast_routed.lab.demo.steps import StepError, run_steps
from anycast_routed.lab.rootless import enter

if TYPE_CHECKING:
    from types import FrameType

_SIGNALLED = 128  # shells report 128 + n after signal n


class _Stop(BaseException):
    """A signal asked the demo to end. Not an Exception: `eventually` would take it as "not yet"."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: list[str]) -> int:
    """Run the demo and return its exit code."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        _run(arguments)
    except StepError as error:
        notes = "\n".join(getattr(error, "__notes__", ()))
        sys.stderr.write(f"\nlogs and config files of the lab:\n{notes}\n\nerror: {error}\n")
        return error.exit_code
    except AnycastRoutedError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except _Stop as stop:
        sys.stderr.write("\ninterrupted; the lab and all its processes are removed\n")
        return _SIGNALLED + stop.number
    except BrokenPipeError:
        # The reader of the output ended (`| head`). Python would report that again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _run(arguments: list[str]) -> None:
    if arguments:
        message = f"the demo takes no arguments, but got {arguments[0]!r}"
        raise UsageError(message)
    if os.geteuid() != 0:
        enter([sys.executable, "-m", "anycast_routed.lab.demo"])
    begun = time.monotonic()
    output = Output(sys.stdout)
    output.lines(
        "Building three DNS hosts, a router, gobgpd and a client, all with real daemons.",
        "Everything runs in network namespaces; nothing outside of them changes.",
    )
    with Lab() as lab:
        built = site.build(lab)
        output.lines("", *site.MAP, "")
        took = duration(time.monotonic() - begun)
        output.lines(f"Built in {took}. The demo runs `apply`; the daemon is faster.")
        run_steps(built, output)
    took = duration(time.monotonic() - begun)
    output.lines(
        "", f"Every step showed the expected result. The lab is removed. Total time: {took}."
    )


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)  # a second signal must not interrupt the clean-up
    raise _Stop(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
