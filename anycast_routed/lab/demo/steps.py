"""The five steps of the demo. Each does something, shows it, and asserts what it should show."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anycast_routed.errors import Exit
from anycast_routed.lab.demo.client import Asker, lost
from anycast_routed.lab.demo.output import Paper, duration
from anycast_routed.lab.demo.site import ANYCAST, LOCAL_PREF
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Family
    from anycast_routed.lab.demo.site import Site

_QUESTION = (f"@{ANYCAST['ipv4'].removesuffix('/32')}", "hostname.bind", "CH", "TXT")
_WITHIN = 10.0  # seconds for routes to settle, and for the client to see it
_IN_A_ROW = 3  # answers of one server, before we say that it answers the client
_LOSSES = 4  # lost questions that the client sees before the operator's apply runs


class StepError(LabError):
    """A step did not show what it should."""

    exit_code = Exit.DOWN


@dataclass
class _Row:
    """One line of the table at the end."""

    title: str
    begun: float  # monotonic seconds, as the client's
    ended: float = 0.0
    answers: str = ""
    applied: list[str] = field(default_factory=list)


def tell(site: Site, paper: Paper) -> None:
    """Go through all steps, then sum up.

    Raises:
        StepError: a step did not show what it should.
    """
    with Asker(site.hosts["client"], _QUESTION) as asker:
        story = _Story(site, asker, paper)
        story.nothing_applied()
        story.both_applied()
        story.killed("dns1", next_best="dns2")
        story.killed("dns2", next_best="dns3")
        story.both_back()
        story.sum_up()


class _Story:
    """Where the telling stands: who should be announced now, and the rows so far."""

    def __init__(self, site: Site, asker: Asker, paper: Paper) -> None:
        self._site = site
        self._asker = asker
        self._paper = paper
        self._announced = {"dns3"}
        self._rows: list[_Row] = []

    def nothing_applied(self) -> None:
        with self._step("nothing applied yet", "only dns3, the last resort, is announced") as row:
            self._show(row, "dns3")

    def both_applied(self) -> None:
        with self._step("apply on both", "dns1 wins by its higher LocalPref") as row:
            self._apply(row, "dns1", announces=True)
            self._apply(row, "dns2", announces=True)
            self._show(row, "dns1")

    def killed(self, name: str, *, next_best: str) -> None:
        promise = f"apply withdraws, {next_best} takes over"
        with self._step(f"unbound on {name} dies", promise) as row:
            died = time.monotonic()
            self._site.servers[name].daemon.kill()
            self._paper.say(f"(unbound on {name} gets SIGKILL; the routers know nothing of it)")
            eventually(
                lambda: lost(self._asker.asked(died)) >= _LOSSES,
                within=_WITHIN,
                why="the client loses its questions until apply runs",
            )
            applying = time.monotonic()
            self._apply(row, name, announces=False)
            self._show(row, next_best)
            self._asker.settle()
            asked = self._asker.asked(died)
            back = next(one.at for one in asked if one.answer == next_best)
            self._paper.say(
                f"client: {lost(asked)} questions lost in {duration(back - died)}: "
                f"{duration(applying - died)} until apply ran, {duration(back - applying)} more "
                f"until {next_best} answered",
            )

    def both_back(self) -> None:
        with self._step("unbound is back on both", "apply announces, dns1 wins again") as row:
            for name in ("dns1", "dns2"):
                self._site.servers[name].restart()
            self._paper.say("(unbound is started again on dns1 and dns2)")
            self._apply(row, "dns2", announces=True)
            self._apply(row, "dns1", announces=True)
            self._show(row, "dns1")

    def sum_up(self) -> None:
        self._paper.heading("In short")
        rows = []
        for number, row in enumerate(self._rows, 1):
            applied = ", ".join(row.applied) or "-"
            counts = self._counts(row.begun, row.ended)
            rows.append((f"{number} {row.title}", applied, row.answers, *counts))
        rows.append(("in all", "", "", *self._counts(self._rows[0].begun, self._rows[-1].ended)))
        head = ("step", "apply took", "answers at last", "asked", "answered", "lost")
        self._paper.table(head, rows)
        self._paper.lines("apply took: from the command to its end, the start of Python included.")

    def _counts(self, begun: float, ended: float) -> tuple[str, str, str]:
        asked = self._asker.asked(begun, ended)
        return str(len(asked)), str(len(asked) - lost(asked)), str(lost(asked))

    @contextmanager
    def _step(self, title: str, promise: str) -> Iterator[_Row]:
        """Open a step; name it in whatever goes wrong inside."""
        row = _Row(title, self._rows[-1].ended if self._rows else time.monotonic())
        self._rows.append(row)
        number = len(self._rows)
        self._paper.heading(f"{number}. {title}: {promise}")
        try:
            yield row
        except LabError as error:
            message = f"step {number} did not show what it should: {error.message}"
            raise StepError(message, hint=error.hint) from error
        row.ended = self._asker.settle()

    def _apply(self, row: _Row, name: str, *, announces: bool) -> None:
        """Run apply on a host and show it; from now on its prefixes are announced, or not."""
        done, seconds = self._site.apply(name)
        self._paper.command(f"{name}#", "anycast-routed apply", done.out + done.err)
        if done.code != 0:
            message = f"apply on {name} ended with {done.code}"
            raise LabError(message)
        row.applied.append(f"{name} {duration(seconds)}")
        (self._announced.add if announces else self._announced.discard)(name)

    def _show(self, row: _Row, answers: str) -> None:
        """Wait until routers and client show what they should; then print what they show."""
        for family in ANYCAST:
            self._await_paths(family)
        since = time.monotonic()

        def answered() -> bool:
            last = [one.answer or "nobody" for one in self._asker.asked(since)[-_IN_A_ROW:]]
            if last == [answers] * _IN_A_ROW:
                return True
            message = f"the last answers came from {', '.join(last) or 'nobody'}"
            raise LabError(message)

        eventually(answered, within=_WITHIN, every=0.05, why=f"{answers} answers the client")
        self._paper.command("edge#", "show bgp ipv4 unicast", self._table())
        self._paper.say(f"gobgpd: {self._compact('ipv4')}  {self._compact('ipv6')}")
        answer = self._site.hosts["client"].dig(*_QUESTION)
        if answer != f'"{answers}"':
            message = f"the client was answered {answer or 'nothing'}, not by {answers}"
            raise LabError(message)
        self._paper.command("client$", f"dig {' '.join(_QUESTION)} +short", answer)
        row.answers = answers

    def _await_paths(self, family: Family) -> None:
        """Wait until edge and gobgpd hold exactly the paths of who is announced, best first."""
        senders = self._announced if family == "ipv4" else self._announced - {"dns3"}
        wanted = sorted(((name, LOCAL_PREF[name]) for name in senders), key=lambda one: -one[1])

        def settled() -> bool:
            views = (self._site.edge_paths(family), self._site.gobgp_paths(family))
            # The path in use comes first; the others come in no order that matters.
            if all(view[:1] == wanted[:1] and sorted(view) == sorted(wanted) for view in views):
                return True
            message = f"edge holds {views[0]}, gobgpd {views[1]}"
            raise LabError(message)

        why = f"edge and gobgpd hold {wanted} for {ANYCAST[family]}"
        eventually(settled, within=_WITHIN, every=0.05, why=why)

    def _table(self) -> str:
        """Return edge's own table without its legend."""
        answer = self._site.edge.vtysh("show bgp ipv4 unicast")
        _legend, name, table = answer.partition("   Network ")
        return (name + table).partition("\n\n")[0]

    def _compact(self, family: Family) -> str:
        """Return gobgpd's paths to the prefix on one line, the one it uses marked as in FRR."""
        paths = [f"{name} {local_pref}" for name, local_pref in self._site.gobgp_paths(family)]
        return f"{ANYCAST[family]} {'>' + ', '.join(paths) if paths else 'none'}"
