"""BIRD's control socket: the protocol of `birdc` (BIRD 2 user's guide, section 4).

Replies are judged by their number, never by their text. A reply ends at `NNNN<space>`; `NNNN-`
and lines that start with a space continue it, `+` marks an asynchronous message.
"""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from anycast_routed.announce import calls
from anycast_routed.errors import AccessDeniedError, RouterUnavailableError
from anycast_routed.system.users import user_name

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

IN_PROGRESS = 4
QUEUED = 5
NO_SUCH_PROTOCOL = 8003
RECONFIGURED = 8004
ACCESS_DENIED = 8007
_MOST_TRIES = 50
_FIRST_ERROR = 8000
# It begins with a newline: with "^" the search would try each single byte.
_END = re.compile(rb"\n(\d{4}) .*\n")
_MARGIN = re.compile(r"^(?:\d{4}[- ]|\+.*\n| )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply: the number that ends it, and its raw text."""

    code: int
    raw: str

    @property
    def lines(self) -> list[str]:
        """Its lines without their numbers."""
        return _MARGIN.sub("", self.raw).split("\n")[:-1]

    @property
    def failed(self) -> bool:
        """8xxx is a run-time error, 9xxx a syntax error of the command."""
        return self.code >= _FIRST_ERROR

    @property
    def text(self) -> str:
        """The lines as one sentence, for an error message."""
        return " ".join(line.strip() for line in self.lines if line.strip())


class ControlSocket:
    """One connection to BIRD; a context manager.

    Every reply must be complete within `within` seconds: a stopped BIRD accepts the connection
    (the kernel does that) and then never answers. A `restricted` connection can change nothing.

    Raises:
        RouterUnavailableError: BIRD does not run, or did not answer in time.
        AccessDeniedError: this user cannot use the socket.
    """

    def __init__(self, path: Path, *, within: float, restricted: bool = False) -> None:
        self._path = path
        self._within = within
        self._restricted = restricted
        self._socket: socket.socket
        self._unread = bytearray(b"\n")  # from the newline before a reply on
        self.greeting = ""
        """BIRD's first line: `BIRD 2.0.12 ready.`"""

    def __enter__(self) -> Self:
        try:
            self._socket = socket.socket(socket.AF_UNIX)
        except OSError as error:
            raise self._unavailable(error) from error
        try:
            self._connect()
            self.greeting = self._reply("greeting").text
            if self._restricted:
                self.ask("restrict")
        except BaseException:
            self._socket.close()
            raise
        return self

    def _connect(self) -> None:
        try:
            self._socket.settimeout(self._within)
            self._socket.connect(str(self._path))
        except OSError as error:
            raise self._unavailable(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, command: str) -> Reply:
        """Send one command and return its whole reply, also an error reply.

        BIRD aborts a listing when it is reconfigured meanwhile; then the command is sent again.
        """
        reply = self._ask(command)
        for _ in range(_MOST_TRIES):
            if reply.code != RECONFIGURED:
                break
            reply = self._ask(command)
        return self._judged(command, reply)

    def ask_at_once(self, *commands: str) -> list[Reply]:
        """Send commands in one piece, so that BIRD has no time for another user between them.

        Return their whole replies, also error replies. None may be one that BIRD aborts when it is
        reconfigured: those that list routes.
        """
        self._send("\n".join(commands))
        return [self._judged(command, self._reply(command)) for command in commands]

    def must(self, command: str) -> Reply:
        """Send a command that BIRD refuses only when it cannot work; return its reply.

        Raises:
            RouterUnavailableError: BIRD refused it.
        """
        return succeeded(self.ask(command))

    def _ask(self, command: str) -> Reply:
        self._send(command)
        return self._reply(command)

    def _send(self, commands: str) -> None:
        try:
            self._socket.settimeout(self._within)
            self._socket.sendall(commands.encode("ascii") + b"\n")
        except OSError as error:
            raise self._unavailable(error) from error

    @staticmethod
    def _judged(command: str, reply: Reply) -> Reply:
        if reply.code == ACCESS_DENIED:
            message = f"BIRD denied the command `{command}`: {reply.text}"
            raise AccessDeniedError(message)
        return reply

    def _reply(self, command: str) -> Reply:
        try:
            return self._next_reply(command)
        finally:
            calls.ended()

    def _next_reply(self, command: str) -> Reply:
        deadline = time.monotonic() + self._within
        at = 0  # the newline before what may be the last line
        while not (end := _END.search(self._unread, at)):
            at = self._unread.rfind(b"\n")
            try:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                received = self._socket.recv(1 << 18)
            except OSError as error:
                raise self._unavailable(error) from error
            if not received:
                message = f"BIRD closed {self._path} in the middle of its answer to `{command}`"
                raise RouterUnavailableError(message, hint="see its log: journalctl -u bird")
            self._unread += received
        code, whole = int(end[1]), self._unread[1 : end.end()]
        self._unread = self._unread[end.end() - 1 :]
        return Reply(code, whole.decode("utf-8", "replace"))

    def _unavailable(self, error: OSError) -> RouterUnavailableError | AccessDeniedError:
        if isinstance(error, PermissionError):
            user = user_name(os.geteuid())
            return AccessDeniedError(
                f"user {user} may not use BIRD's control socket {self._path}",
                hint=f"adduser {user} bird, and log in again; a daemon must be restarted",
            )
        if isinstance(error, TimeoutError):
            return RouterUnavailableError(
                f"BIRD did not answer on {self._path} within {self._within:g} s",
                hint="is it stopped or overloaded? see: systemctl status bird",
            )
        return RouterUnavailableError(
            f"BIRD does not answer on {self._path}: {error.strerror or error}",
            hint="is it running? see: systemctl status bird; other path: router.control-socket",
        )


def succeeded(reply: Reply) -> Reply:
    """Return the reply to a command that BIRD refuses only when it cannot work.

    Raises:
        RouterUnavailableError: BIRD refused it.
    """
    if reply.failed:
        message = f"BIRD answered {reply.code}: {reply.text}"
        raise RouterUnavailableError(message, hint="is it shutting down?")
    return reply
