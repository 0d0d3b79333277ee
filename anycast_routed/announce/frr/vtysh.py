"""Run vtysh, the only way into FRR: one process for each call, with a hard deadline.

Its exit code proves little: it is 0 if another daemon than the named one is dead, or if a line has
no effect. So each call names its daemon, and only a read-back proves success.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anycast_routed.announce import router_program
from anycast_routed.announce.masking import quoted_safely
from anycast_routed.errors import AccessDeniedError, RejectedError, RouterUnavailableError
from anycast_routed.system.users import user_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anycast_routed.system.commands import Completed

_DEFAULT_DIRS = (Path("/var/run/frr"), Path("/run/frr"))
_WITHIN = 5.0  # seconds for a call; reading 10,000 prefixes takes FRR 8.4.4 0.6 s
# Seconds more for each line: 10,000 static routes take staticd 4.5 s, and 50 route-maps beside 600
# take bgpd 8.4.4 half a second.
_PER_LINE = 0.02
_BRIEF = 500  # lines that are sent as an argument; more are sent as a file
# The same for route-maps: bgpd 8.4.4 commits each argument by itself, in which it validates all of
# its route-maps, so that 200 take it minutes. A file is one commit.
_FEW_MAPS = 25
_SILENT = re.compile(r"failed to connect to any daemons|^\w+ is not running$", re.MULTILINE)
_NOISE = re.compile(r"^(% Can't open configuration file|Configuration file\[).*\n?", re.MULTILINE)
_REFUSED = re.compile(r"^%? ?Configuration failed", re.MULTILINE)
_FAULT = re.compile(r"^line (\d+): (.*)$", re.MULTILINE)


class Vtysh:
    """vtysh for the daemons whose sockets are in `vty_dir`. Constructing one does no I/O."""

    def __init__(self, vty_dir: Path, program: str) -> None:
        self._vty_dir = vty_dir
        self._program = program

    def socket(self, daemon: str) -> os.stat_result:
        """Return the status of a daemon's socket, which the daemon creates anew at each start.

        Raises:
            RouterUnavailableError: there is none.
            AccessDeniedError: this user cannot use it. (vtysh reports both in the same way.)
        """
        path = self._vty_dir / f"{daemon}.vty"
        try:
            found = path.stat()
        except PermissionError as error:
            raise _not_allowed(path) from error
        except OSError as error:
            raise _not_running(daemon) from error
        if not os.access(path, os.R_OK | os.W_OK):
            raise _not_allowed(path)
        return found

    def ask(self, daemon: str, commands: Sequence[str]) -> str:
        """Return the output of the show commands, one after the other.

        Raises:
            RouterUnavailableError: the daemon is not running, or did not answer in time.
            AccessDeniedError: this user cannot use its socket.
        """
        done = self._run(daemon, [word for command in commands for word in ("-c", command)])
        if done.code != 0:
            message = f"vtysh refused a command to {daemon}: {_said(done)}"
            raise RouterUnavailableError(message, hint="is this FRR 8 or later?")
        return done.out

    def send(self, daemon: str, commands: Sequence[str]) -> str:
        """Send these lines to configure mode; return FRR's complaint or the empty string.

        They are sent as arguments, and the first refused line ends them. Many lines are sent as a
        file (see `send_file`).

        Raises:
            RouterUnavailableError, AccessDeniedError: as `ask`.
        """
        maps = sum("route-map " in one[:13] for one in commands)
        if len(commands) > _BRIEF or maps > _FEW_MAPS:
            return self.send_file(daemon, commands)
        done = self._run(daemon, ["-c", "\n".join(("configure terminal", *commands))])
        return _said(done) if done.code != 0 else ""

    def send_file(self, daemon: str, commands: Sequence[str]) -> str:
        """Send all these lines to configure mode as a file; a refused line does not end them.

        After a file, bgpd 8.4.4 opens a new session up to 3 s later than after arguments, in the
        first seconds of its life or after a change of route-maps: use this for many lines only.
        """
        done = self._run(daemon, ["-f", "/dev/stdin"], stdin=commands)
        return _said(done) if done.code != 0 or _REFUSED.search(done.out + done.err) else ""

    def parse(self, text: str) -> None:
        """Let vtysh check the syntax of a config, without a daemon and without any rights.

        Raises:
            RejectedError: with the line of the first fault.
        """
        argv = [self._find(), "-C", "-f", "/dev/stdin"]
        done = router_program.run(argv, within=_deadline(text), stdin=text, env=_environment())
        if done.code != 0:
            fault = _FAULT.search(done.out + done.err)
            said = f"line {fault[1]}: {fault[2]}" if fault else _said(done)
            said = quoted_safely(said, text)
            message = f"vtysh refuses {said}"
            raise RejectedError(message, hint="nothing was loaded")

    def _run(
        self, daemon: str, arguments: Sequence[str], *, stdin: Sequence[str] = ()
    ) -> Completed:
        self.socket(daemon)
        argv = [self._find()]
        if self._vty_dir not in _DEFAULT_DIRS:
            argv += ["--vty_socket", str(self._vty_dir)]
        text = "".join(f"{line}\n" for line in stdin)
        done = router_program.run(
            [*argv, "-d", daemon, *arguments],
            within=_deadline(text),
            stdin=text,
            env=_environment(),
        )
        if done.code != 0 and _SILENT.search(done.out + done.err):
            raise _not_running(daemon)
        return done

    def _find(self) -> str:
        found = shutil.which(self._program)
        if found is None:
            message = f"{self._program} is not installed"
            raise RouterUnavailableError(message, hint="apt-get install frr, or set router.vtysh")
        return found


def documents(answers: str) -> list[Any]:
    """Return a sequence of JSON answers; a line of text in place of a document becomes None."""
    found: list[Any] = []
    decoder = json.JSONDecoder()
    at = 0
    while at < len(answers):
        if answers[at].isspace():
            at += 1
        elif answers[at] in "{[":
            document, at = decoder.raw_decode(answers, at)
            found.append(document)
        else:
            at = (answers.find("\n", at) + 1) or len(answers)
            found.append(None)
    return found


def _environment() -> dict[str, str]:
    # Without a home directory vtysh keeps no history of its commands.
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "HOME": "/nonexistent", "LC_ALL": "C"}


def _deadline(text: str) -> float:
    return _WITHIN + _PER_LINE * text.count("\n")


def _said(done: Completed) -> str:
    lines: Iterable[str] = _NOISE.sub("", f"{done.out}\n{done.err}").splitlines()
    kept = [line.strip() for line in lines if line.strip()]
    return "; ".join(kept[:3]) or f"exit code {done.code}"


def _not_running(daemon: str) -> RouterUnavailableError:
    # FRR's init script always starts the others.
    enabled = f"; and {daemon}=yes in /etc/frr/daemons" if daemon == "bgpd" else ""
    hint = f"systemctl status frr{enabled}"
    return RouterUnavailableError(f"FRR's {daemon} is not running", hint=hint)


def _not_allowed(socket: Path) -> AccessDeniedError:
    user = user_name(os.geteuid())
    hint = f"adduser {user} frrvty, and log in again; a daemon must be restarted"
    return AccessDeniedError(f"user {user} may not use FRR's socket {socket}", hint=hint)
