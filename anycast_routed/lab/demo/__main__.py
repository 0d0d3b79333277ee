"""`python -m anycast_routed.lab.demo`: build the site, tell the story, leave nothing behind.

Exit codes: 0 when each step showed what it should, 1 when one did not, 64 with an argument, 69 when
this machine cannot hold a lab, 130 and 143 when interrupted.
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
from anycast_routed.lab.demo.output import Paper, duration
from anycast_routed.lab.demo.steps import StepError, tell
from anycast_routed.lab.rootless import enter

if TYPE_CHECKING:
    from types import FrameType

_SIGNALLED = 128  # as shells have it


class _Stop(BaseException):
    """We were asked to end: no Exception, which whoever waits in a loop may take as "not yet"."""

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
        sys.stderr.write(f"\nwhat the daemons of the lab said:\n{notes}\n\nerror: {error}\n")
        return error.exit_code
    except AnycastRoutedError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except _Stop as stop:
        sys.stderr.write("\ninterrupted: the lab is gone, with all that was in it\n")
        return _SIGNALLED + stop.number
    except BrokenPipeError:
        # The reader has gone (`| head`). Python would complain about it once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _run(arguments: list[str]) -> None:
    if arguments:
        message = f"the demo takes no arguments, and was given {arguments[0]!r}"
        raise UsageError(message)
    if os.geteuid() != 0:
        enter([sys.executable, "-m", "anycast_routed.lab.demo"])
    begun = time.monotonic()
    paper = Paper(sys.stdout)
    paper.lines(
        "Building three DNS hosts, a router, gobgpd and a client, all with their real daemons.",
        "All of it lives in network namespaces of its own: nothing outside of them is touched.",
    )
    with Lab() as lab:
        built = site.build(lab)
        paper.lines("", *site.MAP, "")
        took = duration(time.monotonic() - begun)
        paper.lines(f"Built in {took}. Each apply is typed here; in production a timer runs it.")
        tell(built, paper)
    took = duration(time.monotonic() - begun)
    paper.lines("", f"Each step showed what it should. The lab is gone; {took} in all.")


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)  # one is enough; let the lab be taken down in peace
    raise _Stop(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
