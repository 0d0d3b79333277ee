"""Run one verb: its exit code, and a message for every error."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import typer

from anycast_routed.cli.options import move_options_first
from anycast_routed.cli.program import program
from anycast_routed.cli.signals import verb_of
from anycast_routed.errors import AnycastRoutedError, Exit
from anycast_routed.report.text import printable
from anycast_routed.state.documents import plain

_DEBUG = "ANYCAST_ROUTED_DEBUG"
_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
# The name of click's UsageError in typer differs between versions; BadParameter, its child, is
# stable.
_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return its exit code. No traceback reaches the user."""
    if _DEBUG not in os.environ:
        # Hide what libraries log: the error message below reports every failure already.
        logging.lastResort = None
        logging.raiseExceptions = False
        sys.unraisablehook = lambda _: None
    # Closed standard streams must not stop the verb, and a file opened later must not become one.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open
    given = move_options_first(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given)
    except Exception as error:  # noqa: BLE001 - any other exception is a bug
        return _bug(error)


def _run(given: list[str]) -> int:
    """Run the verb, print its error if it fails, and return the exit code."""
    code: int
    try:
        app = program(verb_of(given))
        code = app(given, prog_name="anycast-routed", standalone_mode=False) or Exit.OK
        sys.stdout.flush()
    except AnycastRoutedError as error:
        _print_error(error, as_json="--json" in given)
        code = error.exit_code
    except _UsageError as error:
        error.show()
        code = Exit.USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe (`| head`). Verbs print last, so their work is done.
        _discard_output()
        code = Exit.OK
    except OSError as error:
        # Standard output cannot be written, as on a full disk. Here too the work is done.
        _discard_output()
        print(f"anycast-routed: cannot write the result: {error.strerror}", file=sys.stderr)
        code = Exit.CANNOT_WRITE
    return code


def _discard_output() -> None:
    """Send the rest of standard output to /dev/null, so that the flush at exit succeeds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(error: AnycastRoutedError, *, as_json: bool) -> None:
    """Print an error on stderr, and with `--json` also as a document on stdout."""
    if as_json:
        import json  # noqa: PLC0415 - errors only

        facts = {"schema": 1, "error": error.message, "hint": error.hint, "exit": error.exit_code}
        faults = getattr(error, "faults", None)
        print(json.dumps(facts if faults is None else {**facts, "faults": plain(faults)}, indent=2))
    print(f"anycast-routed: {printable(str(error))}", file=sys.stderr)


def _bug(error: Exception) -> int:
    """Print an unexpected exception and its place; re-raise it under ANYCAST_ROUTED_DEBUG."""
    if _DEBUG in os.environ:
        raise error
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    where = error.__traceback__
    while where and where.tb_next:
        where = where.tb_next
    place = f" ({Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno})" if where else ""
    reason = printable(str(error))
    print(
        f"anycast-routed: this is a bug: {type(error).__name__}: {reason}{place}\n"
        f"  please report it, with the output of the same command under {_DEBUG}=1",
        file=sys.stderr,
    )
    return Exit.BUG
