"""BIRD 2 as a speaker. What it really does is pinned in tests/announce/test_bird_behaviour.py.

LocalPref and next hop stand in the static route's own block: a change there is one UPDATE for
that one route, while in a filter every prefix would be sent again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce import router_program
from anycast_routed.announce.bird import readback, withdraw
from anycast_routed.announce.bird.include import includes
from anycast_routed.announce.bird.socket import ControlSocket, Reply
from anycast_routed.announce.listening import listens
from anycast_routed.announce.masking import quoted_safely
from anycast_routed.errors import AnycastRoutedError, RejectedError
from anycast_routed.finding import Code, Finding
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.model import Address, Announcement, Plan, Prefix, Readback
    from anycast_routed.password import Password

_WITHIN = 5.0  # seconds for one command; 10,000 routes take BIRD 2.0.12 about 0.02 s
_STDIN = Path("/dev/stdin")
_MARK = re.compile(r'^define anycast_routed_loaded = "([0-9a-f]+)";$', re.MULTILINE)
_ROUTED = re.compile(r"\broute\s+([0-9a-fA-F.:]+/\d+)")
_ROUTE_LINE = re.compile(r"^  route (\S+) blackhole \{[^{}]*\};\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StaticBlock:
    """One `protocol static`: the routes of one service in one family."""

    name: str
    family: str
    table: str
    routes: tuple[Announcement, ...]


@dataclass(frozen=True, slots=True)
class BgpBlock:
    """One `protocol bgp`, named by its neighbor: a name by number would reset other sessions."""

    name: str
    address: Address
    asn: int
    description: str
    password: Password | None


def variables(plan: Plan) -> Mapping[str, object]:
    """Lay the plan out for bird.conf.j2. Pure.

    With sessions of ours the routes stand in tables of ours, so that the operator's kernel
    protocol never sees them; without, in the operator's master tables, for his sessions.
    """
    table = "anycast" if plan.sessions else "master"
    blocks = tuple(
        StaticBlock(
            name=f"anycast_{service.replace('-', '_')}_v{version}",
            family=f"ipv{version}",
            table=f"{table}{version}",
            routes=tuple(
                # The note is for people: a new one must not be a new config.
                replace(a, note="")
                for a in plan.announcements
                if (a.service, a.prefix.version) == (service, version)
            ),
        )
        for service in plan.services
        for version in (4, 6)
    )
    peers = tuple(
        BgpBlock(
            name="anycast_peer_" + re.sub("[.:]", "_", str(peer.address)),
            address=peer.address,
            asn=peer.asn,
            description=peer.description,
            password=peer.password,
        )
        for peer in (plan.sessions.peers if plan.sessions else ())
    )
    return {"sessions": plan.sessions, "peers": peers, "blocks": blocks}


class BirdSpeaker:
    """BIRD on this host, over its control socket."""

    name = "bird"

    def __init__(self, control_socket: Path, file: Path, config_file: Path | None = None) -> None:
        self.socket = control_socket
        self._config_file = config_file
        self.file = file

    def incarnation(self) -> str:
        """BIRD starts with our file, which has the last verdict or is not there: no name."""
        return ""

    def variables(self, plan: Plan) -> Mapping[str, object]:
        """Lay the plan out for bird.conf.j2."""
        return variables(plan)

    def read(self) -> Readback:
        """Ask for sessions, our routes and our exports. Changes nothing (`restrict`)."""
        with self._connect(restricted=True) as bird:
            return readback.readback(bird)

    def is_loaded(self, text: str) -> bool:
        """Compare the mark in the text with the one in BIRD's running config."""
        mark = _MARK.search(text)
        if mark is None:
            return False
        with self._connect(restricted=True) as bird:
            return _runs(bird, mark.group(1))

    def check(self, text: str) -> None:
        """Let `bird -p` read the text alone: what crashes it must not crash the live daemon."""
        if not _MARK.search(text):
            message = "the template does not render `define anycast_routed_loaded`"
            raise RejectedError(message, hint="keep that line as it is in our bird.conf.j2")
        check_config(_STDIN, self.file, stdin=text)

    def load(self, text: str) -> None:
        """`configure check`, then a plain `configure`; never with a timeout.

        A timed `configure` would undo a withdrawal, and so announce a dead service, if we died
        before we confirm it.
        """
        with self._connect() as bird:
            for command in ("configure check", "configure"):
                reply = bird.ask(command)
                if reply.failed:
                    raise _rejected(reply, self.file, text)
        # A new connection also pokes BIRD 2.0.12, which may hold routes back for 3 s without.
        if text and not self.is_loaded(text):
            message = f"BIRD's own config does not include {self.file}"
            hint = "see: anycast-routed setup"
            raise RejectedError(message, hint=hint, text_at_fault=False)

    def starts_with(self, text: str) -> bool:
        """Where nobody listens on the control socket, let `bird -p` read the text alone.

        Its word counts where it names a line of the text: that it could not be run, or was
        killed, is no fault of the text.
        """
        if listens(self.socket):
            return True
        try:
            check_config(_STDIN, self.file, stdin=text)
        except RejectedError as error:
            return not re.search(rf"{re.escape(str(self.file))}:\d", error.message)
        except AnycastRoutedError:
            pass
        return True

    def held(self, text: str) -> frozenset[Prefix]:
        """Read the routes, however an operator's own template lays them out."""
        found: set[Prefix] = set()
        for written in _ROUTED.findall(text):
            with contextlib.suppress(ValueError):  # edited by hand; BIRD does not take it either
                found.add(ip_network(written))
        return frozenset(found)

    def without(self, text: str, prefixes: Collection[Prefix] | None = None) -> str:
        """Cut the route lines out."""
        if prefixes is None:
            cut = _ROUTE_LINE.sub("", text)
            return cut if " route " not in cut else ""
        names = frozenset(str(prefix) for prefix in prefixes)
        cut = _ROUTE_LINE.sub(lambda line: "" if line.group(1) in names else line.group(), text)
        return cut if names.isdisjoint(cut.split()) else ""

    def shorten(self, text: str, gone: frozenset[Prefix]) -> None:
        """Reload on one connection, unchecked: a text of ours with fewer lines is well-formed.

        Where BIRD does not run this text, a reload would bring more than it takes away.
        """
        mark = _MARK.search(text)
        with self._connect() as bird:
            if mark and _runs(bird, mark.group(1)):
                withdraw.reload(bird, gone)
            else:
                withdraw.disable(bird, gone)

    def withdraw(self, prefixes: Collection[Prefix] | None = None) -> None:
        """Disable the static protocols that hold these prefixes: whole services, to be safe."""
        with self._connect() as bird:
            withdraw.disable(bird, prefixes)

    def notes(self) -> tuple[Finding, ...]:
        """Say when the operator's config does not include our file, as far as we may read it."""
        with contextlib.suppress(AnycastRoutedError):
            text = files.read(self._config_file) if self._config_file else None
            if text is not None and not includes(text, self.file):
                detail = f"{self._config_file} does not include {self.file}"
                fix = "run: anycast-routed setup --write"
                return (Finding(Code.NOT_INCLUDED, "", detail, fix),)
        return ()

    def _connect(self, *, restricted: bool = False) -> ControlSocket:
        return ControlSocket(self.socket, within=_WITHIN, restricted=restricted)


def check_config(config: Path, path: Path, *, stdin: str = "") -> None:
    """Let `bird -p` read a whole config; `path` is what a fault is reported against.

    Raises:
        RejectedError: with BIRD's line and column.
    """
    done = router_program.run([_program(), "-p", "-c", str(config)], within=_WITHIN, stdin=stdin)
    if done.code != 0:
        said = quoted_safely(done.err.strip(), stdin) or f"`bird -p` ended with {done.code}"
        raise RejectedError(said.replace(str(config), str(path)), hint="nothing was loaded")


def _program() -> str:
    # cron's PATH has no sbin, where Debian keeps BIRD.
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
    return shutil.which("bird", path=path) or "bird"


def _runs(bird: ControlSocket, mark: str) -> bool:
    reply = bird.ask("eval anycast_routed_loaded")
    return not reply.failed and reply.text == mark


def _rejected(reply: Reply, file: Path, text: str) -> RejectedError:
    said = quoted_safely(reply.lines[-1].strip(), text)
    if str(file) in reply.text:
        hint = f"nothing was loaded; the refused text is kept as {file}.rejected"
        return RejectedError(said, hint=hint)
    hint = "nothing was loaded; mend the part of BIRD's config that is not ours"
    return RejectedError(said, hint=hint, text_at_fault=False)
