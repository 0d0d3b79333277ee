"""Reading FRR back with as few calls of vtysh as can be: starting it is what costs."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr import answers, running_config
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.frr.vtysh import documents
from anycast_routed.errors import RouterUnavailableError
from anycast_routed.model import Readback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anycast_routed.announce.frr.vtysh import Vtysh
    from anycast_routed.model import Address

_SHOW = "show running-config"
_SHOWN = "\nend\n"  # ends what that prints
_SUMMARY = "show bgp summary json"
_ODD = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)


class Reader:
    """Asks bgpd and staticd. It remembers what to ask, and for one use what bgpd's config was."""

    def __init__(self, vtysh: Vtysh) -> None:
        self._vtysh = vtysh
        # What the last reading had to ask is most likely what the next one has to.
        self._questions: tuple[str, ...] = ()
        self._latest: Running | None = None

    def readback(self) -> Readback:
        """Ask bgpd for its sessions, our networks and what each neighbor gets of them.

        One call, or two where there is another neighbor to ask about than the last time.

        Raises:
            RouterUnavailableError: also where an answer is none that FRR gives.
        """
        try:
            return self._readback()
        except _ODD as error:
            self._questions, self._latest = (), None
            message = f"FRR's answer cannot be understood: {type(error).__name__}: {error}"
            hint = "which version is it? see: vtysh -c 'show version'"
            raise RouterUnavailableError(message, hint=hint) from error

    def _readback(self) -> Readback:
        shown = self._vtysh.ask("bgpd", [_SHOW, _SUMMARY, *self._questions])
        config, _, answered = shown.partition(_SHOWN)
        told = _told((_SUMMARY, *self._questions), answered)
        running, summary = running_config.running(config), told[_SUMMARY]
        peers = answers.established(summary or {})
        unnumbered = [name for name in peers if answers.address_of(name) is None]
        questions = (
            *(answers.ROUTES if running.networks else ()),
            *(answers.question_of(name) for name in unnumbered),
            *(one for name in peers for one in answers.exports_of(name, peers[name])),
        )
        if missing := [question for question in questions if question not in told]:
            told |= _told(missing, self._vtysh.ask("bgpd", missing))
        self._questions, self._latest = questions, running
        addresses = {name: told[answers.question_of(name)] for name in unnumbered}
        sessions = answers.sessions(running, summary or {}, _addresses(addresses))
        tables = [told[table] for table in answers.ROUTES if table in questions]
        return Readback(
            router=f"FRR {running.version}",
            sessions=sessions,
            originated=tuple(answers.originated(tables, running)),
            exported={
                session.address: answers.exported(
                    [told[o] for o in answers.exports_of(session.name, peers[session.name])],
                    None if session.ours else running.networks,
                )
                for session in sessions
                if session.established
            },
        )

    def forget(self) -> None:
        """Something is about to be changed: the latest reading is worth nothing."""
        self._latest = None

    def latest(self) -> Running:
        """Return bgpd's config as the latest read-back had it, or else ask."""
        return self._latest or self.bgpd()

    def latest_once(self) -> Running:
        """Return bgpd's config as the latest read-back had it, but only once, or else ask."""
        latest, self._latest = self._latest, None
        return latest or self.bgpd()

    def both(self) -> Running:
        """Return bgpd's and staticd's config. Without staticd there are no statics."""
        with ThreadPoolExecutor(1) as beside:
            statics = beside.submit(self.statics)
            return Running(self.bgpd().text + statics.result())

    def bgpd(self) -> Running:
        """Ask bgpd for its config."""
        return Running(self._config("bgpd"))

    def statics(self) -> str:
        """Ask staticd for its config; the empty text where it does not run."""
        with contextlib.suppress(RouterUnavailableError):
            return self._config("staticd")
        return ""

    def _config(self, daemon: str) -> str:
        shown = self._vtysh.ask(daemon, [_SHOW])
        if not shown.endswith(_SHOWN):
            raise _broken_off(daemon=daemon)
        return shown


def _told(questions: Sequence[str], answers: str) -> dict[str, Any]:
    """Give each question its answer. vtysh ends with 0 also where bgpd dies while it answers."""
    try:
        return dict(zip(questions, documents(answers), strict=True))
    except ValueError as error:
        raise _broken_off(daemon="bgpd") from error


def _broken_off(*, daemon: str) -> RouterUnavailableError:
    hint = "it has died, or is being restarted: systemctl status frr"
    return RouterUnavailableError(f"the answer of FRR's {daemon} broke off", hint=hint)


def _addresses(told: Mapping[str, Any]) -> dict[str, Address]:
    found = {
        name: answers.address_of(((answer or {}).get(name) or {}).get("bgpNeighborAddr"))
        for name, answer in told.items()
    }
    return {name: address for name, address in found.items() if address is not None}
