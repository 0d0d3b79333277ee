"""Read FRR back with as few calls of vtysh as possible: each start of vtysh costs 25 ms."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr import (
    answer_errors,
    answers,
    causes,
    commands,
    exact,
    origins,
    releases,
    running_config,
)
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
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from anycast_routed.announce.frr.commands import Questions
    from anycast_routed.announce.frr.known_neighbors import KnownNeighbors
    from anycast_routed.announce.frr.releases import Release
    from anycast_routed.announce.frr.vtysh import Vtysh
    from anycast_routed.model import Address, Origin, Prefix, Route, Session

_SHOW = "show running-config"
_SHOWN = "\nend\n"  # ends its output
_SUMMARY = "show bgp summary json"
_STATIC = re.compile(r"ip(?:v6)? route ")


class Reader:
    """Reads bgpd and the daemon of the statics.

    Remembers the latest questions, bgpd's config for one use, what FRR's release does, and which
    daemon did not answer since the latest read-back: each question to a hung one takes 5 s.
    """

    def __init__(self, vtysh: Vtysh, known: KnownNeighbors) -> None:
        self._vtysh = vtysh
        self._known = known
        # The next read-back most likely has the same questions as the latest one.
        self._latest_questions: tuple[str, ...] = ()
        self._latest: Running | None = None
        self.latest_readback: Readback | None = None  # until one fails
        self._release: Release | None = None
        self._silent: dict[str, RouterUnavailableError] = {}

    def readback(self) -> Readback:
        """Read bgpd's sessions, our networks, and our routes that each neighbor gets.

        One call of vtysh; two if the questions are not those of the last time, because a session
        came up, or our route-maps began or ceased to set communities; and two while the operator's
        neighbors come up, whose table may have become too large to list.

        Raises:
            RouterUnavailableError: also if an answer is not one that FRR gives.
        """
        self._silent.clear()
        try:
            with odd_answers_named():
                return self._readback_anew()
        except RouterUnavailableError:
            self._latest_questions, self._latest, self.latest_readback = (), None, None
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
        first, later = (
            self._latest_questions[: answer_errors.AT_ONCE],
            self._latest_questions[answer_errors.AT_ONCE :],
        )
        shown = self._vtysh.ask("bgpd", [_SHOW, _SUMMARY, *first])
        config, _, rest = shown.partition(_SHOWN)
        answered = by_question((_SUMMARY, *first), rest) | self._ask(later)
        running = running_config.running(config, self._known.names(config))
        summary = answered[_SUMMARY] or {}
        releases.refuse_unsupported(running.version)
        questions = commands.questions(running, summary)
        answered |= self._ask([one for one in questions.all if one not in answered])
        known = questions.exact.values() if exact.may_grow(running, summary) else questions.all
        self._latest_questions, self._latest = tuple(known), running
        self._release = releases.release(running.version)
        self.latest_readback = _combine(running, summary, questions, answered)
        return self.latest_readback

    def _ask(self, questions: Sequence[str]) -> dict[str, Any]:
        return answer_errors.ask(self._vtysh, "bgpd", questions)

    def origins(self, prefixes: Collection[Prefix]) -> tuple[Origin, ...]:
        """Return the paths to these prefixes that are not ours, with one call of vtysh.

        Raises:
            RouterUnavailableError: bgpd does not answer, or not as FRR does.
        """
        running = self.latest()
        if not prefixes or running.our_neighbors.issuperset(running.neighbors):
            return ()  # Our neighbors are sent only what carries our tag.
        asked = {prefix: answers.path_question(prefix) for prefix in prefixes}
        answered = self._ask([*asked.values()])
        with odd_answers_named():
            return tuple(
                one
                for prefix, question in asked.items()
                for one in origins.origins(prefix, answered[question] or {}, running)
            )

    def cause(self, name: str, prefix: Prefix) -> tuple[str, str]:
        """Return why a neighbor is not sent a prefix, and what to do; or empty texts.

        Without a name: why bgpd does not announce it at all.
        """
        if not name:
            question = answers.path_question(prefix)
            with odd_answers_named():
                return causes.unrouted(prefix, self._ask([question])[question] or {})
        asked = causes.questions(name, prefix)
        answered = self._ask(asked)
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
            bgpd = self.bgpd()
            return Running(bgpd.text + statics.result(), bgpd.known)

    def bgpd(self) -> Running:
        """Read bgpd's config."""
        config = self._config("bgpd")
        running = Running(config, self._known.names(config))
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


def _combine(
    running: Running, summary: Mapping[str, Any], questions: Questions, answered: dict[str, Any]
) -> Readback:
    addresses = _addresses({name: answered[one] for name, one in questions.addresses.items()})
    sessions = answers.sessions(running, summary, addresses)
    by_prefix = {prefix: answered[question] for prefix, question in questions.exact.items()}
    tables = [answered[question] for question in questions.tables]
    tables.append(exact.table(running, by_prefix))
    ours = answers.best(tables)

    def exported(session: Session) -> Iterator[Route]:
        for (name, family), question in questions.exports.items():
            if name == session.name:
                yield from answers.exported(
                    answered[question],
                    None if session.ours else ours,
                    sends_communities=(name, family) not in running.without_communities,
                )
        yield from exact.exported(session.name, by_prefix, running)

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
