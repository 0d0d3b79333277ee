"""Read FRR back with as few calls of vtysh as possible: each start of vtysh costs 25 ms."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from anycast_routed.announce.frr import answers, causes, origins, releases, running_config
from anycast_routed.announce.frr.answer_errors import (
    BrokenOffError,
    broken_off,
    by_question,
    odd_answers_named,
)
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.errors import RouterUnavailableError
from anycast_routed.model import Readback

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from anycast_routed.announce.frr.releases import Release
    from anycast_routed.announce.frr.vtysh import Vtysh
    from anycast_routed.model import Address, Origin, Prefix, Route, Session

_SHOW = "show running-config"
_SHOWN = "\nend\n"  # ends its output
_SUMMARY = "show bgp summary json"
_STATIC = re.compile(r"ip(?:v6)? route ")


class _Questions(NamedTuple):
    """The commands of a read-back, beyond the running config and the summary."""

    tables: tuple[str, ...]
    """Lists our routes."""
    addresses: dict[str, str]
    """Shows the address of a neighbor known by its interface; by its name."""
    exports: dict[tuple[str, str], str]
    """Lists what a neighbor gets; by its name and the address family."""

    @property
    def all(self) -> tuple[str, ...]:
        """All commands, in the order in which they are sent."""
        return (*self.tables, *self.addresses.values(), *self.exports.values())


class Reader:
    """Reads bgpd and the daemon of the statics.

    Remembers the latest questions, bgpd's config for one use, what FRR's release does, and which
    daemon did not answer since the latest read-back: each question to a hung one takes 5 s.
    """

    def __init__(self, vtysh: Vtysh) -> None:
        self._vtysh = vtysh
        # The next read-back most likely has the same questions as the latest one.
        self._latest_questions: tuple[str, ...] = ()
        self._latest: Running | None = None
        self._release: Release | None = None
        self._silent: dict[str, RouterUnavailableError] = {}

    def readback(self) -> Readback:
        """Read bgpd's sessions, our networks, and our routes that each neighbor gets.

        One call of vtysh; two if the questions are not those of the last time, because a session
        came up, or our route-maps began or ceased to set communities.

        Raises:
            RouterUnavailableError: also if an answer is not one that FRR gives.
        """
        self._silent.clear()
        try:
            with odd_answers_named():
                return self._readback_anew()
        except RouterUnavailableError:
            self._latest_questions, self._latest = (), None
            raise

    def _readback_anew(self) -> Readback:
        """Read back; and once more if an answer to the questions of the last time is broken.

        FRR 10.3 answers a question about a session that is down with invalid JSON.
        """
        try:
            return self._readback()
        except BrokenOffError:
            if not self._latest_questions:
                raise
            self._latest_questions = ()
            return self._readback()

    def _readback(self) -> Readback:
        shown = self._vtysh.ask("bgpd", [_SHOW, _SUMMARY, *self._latest_questions])
        config, _, rest = shown.partition(_SHOWN)
        answered = by_question((_SUMMARY, *self._latest_questions), rest)
        running, summary = running_config.running(config), answered[_SUMMARY] or {}
        releases.refuse_unsupported(running.version)
        questions = _questions(running, answers.established(summary))
        if missing := [one for one in questions.all if one not in answered]:
            answered |= by_question(missing, self._vtysh.ask("bgpd", missing))
        self._latest_questions, self._latest = questions.all, running
        self._release = releases.release(running.version)
        return _combine(running, summary, questions, answered)

    def origins(self, prefixes: Collection[Prefix]) -> tuple[Origin, ...]:
        """Return the paths to these prefixes that are not ours, with one call of vtysh.

        Raises:
            RouterUnavailableError: bgpd does not answer, or not as FRR does.
        """
        running = self.latest()
        if not prefixes or running.our_neighbors.issuperset(running.neighbors):
            return ()  # Our neighbors are sent only what carries our tag.
        asked = {prefix: answers.path_question(prefix) for prefix in prefixes}
        answered = by_question(tuple(asked.values()), self._vtysh.ask("bgpd", [*asked.values()]))
        with odd_answers_named():
            return tuple(
                one
                for prefix, question in asked.items()
                for one in origins.origins(prefix, answered[question] or {}, running)
            )

    def cause(self, name: str, prefix: Prefix) -> tuple[str, str]:
        """Return why a neighbor is not sent a prefix, and what to do; or empty texts."""
        asked = causes.questions(name, prefix)
        answered = by_question(asked, self._vtysh.ask("bgpd", asked))
        neighbors, table = (answered[one] or {} for one in asked)
        with odd_answers_named():
            return causes.cause(name, prefix, neighbors, table)

    def forget(self) -> None:
        """Drop the latest read-back, since something is about to change."""
        self._latest = None

    def latest(self) -> Running:
        """Return bgpd's config from the latest read-back, or else read it."""
        return self._latest or self.bgpd()

    def latest_once(self) -> Running:
        """Return bgpd's config from the latest read-back, but only once, or else read it."""
        latest, self._latest = self._latest, None
        return latest or self.bgpd()

    def release(self) -> Release:
        """Return what FRR's release does; ask bgpd if it has not said its version yet."""
        return self._release or releases.release(self.bgpd().version)

    def both(self) -> Running:
        """Read bgpd's config and that of the statics at the same time."""
        self.release()
        with ThreadPoolExecutor(1) as pool:
            statics = pool.submit(self.statics)
            return Running(self.bgpd().text + statics.result())

    def bgpd(self) -> Running:
        """Read bgpd's config."""
        running = Running(self._config("bgpd"))
        self._release = releases.release(running.version)
        return running

    def statics(self) -> str:
        """Read the config of the static routes; the empty text if their daemon does not answer.

        mgmtd's config has more, such as incomplete copies of our route-maps.
        """
        holder = self.release().statics
        if self.silence(holder) is None:
            try:
                shown = self._config(holder)
            except RouterUnavailableError as error:
                self._silent[holder] = error
            else:
                return "".join(f"{line}\n" for line in shown.splitlines() if _STATIC.match(line))
        return ""

    def silence(self, daemon: str) -> RouterUnavailableError | None:
        """Return why this daemon did not answer since the latest read-back, or None."""
        return self._silent.get(daemon)

    def _config(self, daemon: str) -> str:
        shown = self._vtysh.ask(daemon, [_SHOW])
        if not shown.endswith(_SHOWN):
            raise broken_off(daemon=daemon)
        return shown


def _questions(running: Running, peers: Mapping[str, Iterable[str]]) -> _Questions:
    """Return what to ask about these neighbors, each with its address families."""
    release = releases.release(running.version)
    return _Questions(
        tables=answers.table_questions(running, release),
        addresses={
            name: answers.address_question(name)
            for name in peers
            if answers.address_of(name) is None
        },
        exports={
            (name, family): answers.export_question(name, family, release)
            for name, families in peers.items()
            for family in families
        },
    )


def _combine(
    running: Running, summary: Mapping[str, Any], questions: _Questions, answered: dict[str, Any]
) -> Readback:
    addresses = _addresses({name: answered[one] for name, one in questions.addresses.items()})
    sessions = answers.sessions(running, summary, addresses)
    tables = [answered[question] for question in questions.tables]
    ours = answers.best(tables)

    def exported(session: Session) -> Iterator[Route]:
        for (name, family), question in questions.exports.items():
            if name == session.name:
                yield from answers.exported(
                    answered[question],
                    None if session.ours else ours,
                    sends_communities=(name, family) not in running.without_communities,
                )

    return Readback(
        router=str(running.version),
        sessions=sessions,
        originated=tuple(answers.originated(tables, running)),
        exported={one.name: tuple(exported(one)) for one in sessions if one.established},
        version=running.version,
    )


def _addresses(answered: Mapping[str, Any]) -> dict[str, Address]:
    found = {
        name: answers.address_of(((answer or {}).get(name) or {}).get("bgpNeighborAddr"), on=name)
        for name, answer in answered.items()
    }
    return {name: address for name, address in found.items() if address is not None}
