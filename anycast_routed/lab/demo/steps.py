"""The five steps of the demo. Each makes a change, prints the result and checks it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anycast_routed.errors import Exit
from anycast_routed.lab.demo.client import Client, lost
from anycast_routed.lab.demo.output import Output, duration
from anycast_routed.lab.demo.site import ANYCAST, LOCAL_PREF
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Family
    from anycast_routed.lab.demo.site import Site

_QUESTION = (f"@{ANYCAST['ipv4'].removesuffix('/32')}", "hostname.bind", "CH", "TXT")
_WITHIN = 30.0  # seconds until the routes arrive, and until the client sees the change
_IN_A_ROW = 3  # so many answers in a row from one server prove that it serves the client
_LOSSES = 4  # the client loses so many queries before the operator runs apply


class StepError(LabError):
    """A step did not show the expected result."""

    exit_code = Exit.DOWN


@dataclass
class _Row:
    """One row of the summary table. Times are in monotonic seconds, like those of the client."""

    title: str
    begun: float
    ended: float = 0.0
    answers: str = ""
    applied: list[str] = field(default_factory=list)


def run_steps(site: Site, output: Output) -> None:
    """Run all steps, then print the summary.

    Raises:
        StepError: a step did not show the expected result.
    """
    with Client(site.hosts["client"], _QUESTION) as client:
        steps = _Steps(site, client, output)
        steps.before_first_apply()
        steps.apply_on_both()
        steps.kill_server("dns1", next_best="dns2")
        steps.kill_server("dns2", next_best="dns3")
        steps.start_both_again()
        steps.print_summary()


class _Steps:
    """The steps, the DNS hosts that should be announced now, and the summary rows so far."""

    def __init__(self, site: Site, client: Client, output: Output) -> None:
        self._site = site
        self._client = client
        self._output = output
        self._announced = {"dns3"}
        self._rows: list[_Row] = []

    def before_first_apply(self) -> None:
        expected = "only dns3, the backup, is announced"
        with self._step("before the first apply", expected) as row:
            self._show(row, "dns3")

    def apply_on_both(self) -> None:
        expected = "dns1 is best, with the highest LocalPref"
        with self._step("apply on dns1 and dns2", expected) as row:
            self._apply(row, "dns1", announces=True)
            self._apply(row, "dns2", announces=True)
            self._show(row, "dns1")

    def kill_server(self, name: str, *, next_best: str) -> None:
        expected = f"apply withdraws, {next_best} takes over"
        with self._step(f"unbound on {name} dies", expected) as row:
            died = time.monotonic()
            self._site.servers[name].daemon.kill()
            self._output.indented(f"(SIGKILL to unbound on {name}; the routers do not notice)")
            eventually(
                lambda: lost(self._client.queries(died)) >= _LOSSES,
                within=_WITHIN,
                why="the client loses queries until apply runs",
            )
            applying = time.monotonic()
            self._apply(row, name, announces=False)
            self._show(row, next_best)
            self._client.await_answers()
            queries = self._client.queries(died)
            back = next(query.at for query in queries if query.answer == next_best)
            self._output.indented(
                f"client: {lost(queries)} queries lost in {duration(back - died)}: "
                f"{duration(applying - died)} before apply ran, then {duration(back - applying)} "
                f"until {next_best} answered",
            )

    def start_both_again(self) -> None:
        expected = "apply announces, dns1 is best again"
        with self._step("unbound runs again on both", expected) as row:
            for name in ("dns1", "dns2"):
                self._site.servers[name].restart()
            self._output.indented("(unbound starts again on dns1 and dns2)")
            self._apply(row, "dns2", announces=True)
            self._apply(row, "dns1", announces=True)
            self._show(row, "dns1")

    def print_summary(self) -> None:
        self._output.heading("Summary")
        rows = []
        for number, row in enumerate(self._rows, 1):
            applied = ", ".join(row.applied) or "-"
            counts = self._counts(row.begun, row.ended)
            rows.append((f"{number} {row.title}", applied, row.answers, *counts))
        rows.append(("total", "", "", *self._counts(self._rows[0].begun, self._rows[-1].ended)))
        head = ("step", "time of apply", "served by", "queries", "answered", "lost")
        self._output.table(head, rows)
        self._output.lines(
            "time of apply: from start to end of the command, including the start of Python",
            "served by: the DNS host that answered the client at the end of the step",
        )

    def _counts(self, begun: float, ended: float) -> tuple[str, str, str]:
        queries = self._client.queries(begun, ended)
        return str(len(queries)), str(len(queries) - lost(queries)), str(lost(queries))

    @contextmanager
    def _step(self, title: str, expected: str) -> Iterator[_Row]:
        """Print the heading of a step; add the number of the step to an error inside."""
        row = _Row(title, self._rows[-1].ended if self._rows else time.monotonic())
        self._rows.append(row)
        number = len(self._rows)
        self._output.heading(f"{number}. {title}: {expected}")
        try:
            yield row
        except LabError as error:
            message = f"step {number} did not show the expected result: {error.message}"
            raise StepError(message, hint=error.hint) from error
        row.ended = self._client.await_answers()

    def _apply(self, row: _Row, name: str, *, announces: bool) -> None:
        """Run apply on a host, print its output, and note whether the host is announced now."""
        done, seconds = self._site.apply(name)
        self._output.command(f"{name}#", "anycast-routed apply", done.out + done.err)
        if done.code != 0:
            message = f"apply on {name} ended with exit code {done.code}"
            raise LabError(message)
        row.applied.append(f"{name} {duration(seconds)}")
        (self._announced.add if announces else self._announced.discard)(name)

    def _show(self, row: _Row, answers: str) -> None:
        """Wait until the routers and the client see the expected server; print what they see."""
        for family in ANYCAST:
            self._await_paths(family)
        since = time.monotonic()

        def answered() -> bool:
            last = [query.answer or "none" for query in self._client.queries(since)[-_IN_A_ROW:]]
            if last == [answers] * _IN_A_ROW:
                return True
            message = f"the servers of the last answers: {', '.join(last) or 'none'}"
            raise LabError(message)

        eventually(answered, within=_WITHIN, every=0.05, why=f"{answers} answers the client")
        self._output.command("edge#", "show bgp ipv4 unicast", self._edge_table())
        self._output.indented(f"gobgpd: {self._gobgp_line('ipv4')}  {self._gobgp_line('ipv6')}")
        answer = self._site.hosts["client"].dig(*_QUESTION)
        if answer != f'"{answers}"':
            message = f"the client got {answer or 'no answer'} instead of an answer from {answers}"
            raise LabError(message)
        self._output.command("client$", f"dig {' '.join(_QUESTION)} +short", answer)
        row.answers = answers

    def _await_paths(self, family: Family) -> None:
        """Wait until edge and gobgpd have exactly the paths of the announced hosts, best first."""
        senders = self._announced if family == "ipv4" else self._announced - {"dns3"}
        wanted = sorted(((name, LOCAL_PREF[name]) for name in senders), key=lambda one: -one[1])

        def settled() -> bool:
            views = (self._site.edge_paths(family), self._site.gobgp_paths(family))
            # The path in use must be first; the order of the others does not matter.
            if all(view[:1] == wanted[:1] and sorted(view) == sorted(wanted) for view in views):
                return True
            message = f"edge has {views[0]}, gobgpd has {views[1]}"
            raise LabError(message)

        why = f"edge and gobgpd have {wanted} for {ANYCAST[family]}"
        eventually(settled, within=_WITHIN, every=0.05, why=why)

    def _edge_table(self) -> str:
        """Return the BGP table of edge without its legend."""
        answer = self._site.edge.vtysh("show bgp ipv4 unicast")
        _legend, name, table = answer.partition("   Network ")
        return (name + table).partition("\n\n")[0]

    def _gobgp_line(self, family: Family) -> str:
        """Return gobgpd's paths to the prefix on one line, with ">" before the best, as in FRR."""
        paths = [f"{name} {local_pref}" for name, local_pref in self._site.gobgp_paths(family)]
        return f"{ANYCAST[family]} {'>' + ', '.join(paths) if paths else 'none'}"
