"""What the daemon reports: log, systemd, status file, and the journal of changes.

No report may delay the daemon: what cannot be written is a problem, which is reported once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING

from anycast_routed.decide.altered_exports import altered_exports
from anycast_routed.decide.origins import origin_findings, still_announced, wanted
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.model import Code
from anycast_routed.report import findings, plan_lines
from anycast_routed.report.history import entries, with_origins
from anycast_routed.report.restrictions import restrictions
from anycast_routed.state import journal, status_file
from anycast_routed.supervisor.background_writer import BackgroundWriter
from anycast_routed.supervisor.lasting_findings import LastingFindings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anycast_routed.config import Config
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import CheckKey, Finding, Observed
    from anycast_routed.observe.pulse import Senses
    from anycast_routed.reconcile.cycle import Step
    from anycast_routed.report.log import Log
    from anycast_routed.report.systemd import Notify
    from anycast_routed.supervisor.router_loop import Done

_STATUS_FILE = "status file"
_BATCHES = 64  # of journal entries that may wait for the disk
_NAMED = 3  # prefixes that systemd's status names
_TO_FINISH = 1.0  # seconds for the disk, at our end


class Reporter:
    """Reports each fact once, when it changes.

    `wake` is set when the next step has something new to report.
    """

    def __init__(self, log: Log, notify: Notify, config: str, wake: asyncio.Event) -> None:
        self.log = log
        self.notify = notify
        self.config = config
        self._wake = wake
        self._since = time.time()
        self._blind: frozenset[str] = frozenset()
        """Services whose check cannot run."""
        self._waiting: frozenset[str] = frozenset()
        """Services that are withheld because of their flapping."""
        self._problems: dict[str, str] = {}
        """Present problems by subject: `router`, `config`, `drains`, ..."""
        self._findings = LastingFindings(log)
        self._trials: dict[CheckKey, Finding | None] = {}
        """The changed checks on trial, each with its finding if it fails."""
        self._done: Done | None = None
        self._live: status_file.Live | None = None
        """The status written last; None if it could not be written."""
        self._said: str | None = None
        # Two writers, since the file system of the state directory may hang alone.
        self._status = BackgroundWriter(_STATUS_FILE, 1, self._wrote)
        self._journal = BackgroundWriter("journal", _BATCHES, self._wrote)

    def begin(self, state_dir: Path) -> None:
        """Create the journal now, so that a problem with it is reported before the first change."""
        self._journal.put(lambda: journal.make(state_dir))

    def problem(self, about: str, error: AnycastRoutedError | None) -> None:
        """Note a problem with a subject, or that it is over (None); log it when that changes."""
        said = "" if error is None else error.message
        if self._problems.get(about, "") == said:
            return
        if error is None:
            del self._problems[about]
            self.log.info("problem is over", about=about)
        else:
            self._problems[about] = said
            for line in said.splitlines():
                self.log.error("problem", about=about, error=line, hint=error.hint or None)

    def stepped(
        self,
        done: Done | AnycastRoutedError,
        facts: Facts,
        begun: float,
        further: tuple[Finding, ...] = (),
    ) -> None:
        """Report one step: what changed, what the peers do not get, and `further` findings.

        `begun` is monotonic.
        """
        self._verdicts(facts)
        if isinstance(done, AnycastRoutedError):
            self.problem("router", done)
            return
        self.problem("router", None)
        self._done = done
        step, readback = done.step, done.step.outcome.readback
        if step.drifted:
            self.log.warning("drift repaired", router=readback.router)
        at = time.monotonic()
        kept = still_announced(wanted(step.plan), step.origins)
        made = entries(step.changes, step.plan, done.evidence, begun=begun, at=at)
        made = with_origins(made, kept)
        facts.forget_evidence(done.evidence)
        for one in made:
            self.log.info(
                one.kind,
                prefix=one.prefix,
                service=one.service or None,
                why=one.why or None,
                seconds=one.seconds,
            )
        self._append(facts, made)
        self._findings.take([*_findings(step), *further], at)

    def write(self, facts: Facts, senses: Mapping[str, Senses]) -> None:
        """Write the status file and notify systemd, if something changed."""
        self._status.look()
        self._journal.look()
        observed = facts.observed(time.monotonic())
        self._dampings(facts, observed.damped)
        self._take_trials(facts)
        done = self._done
        latest = status_file.Live(
            pid=os.getpid(),
            since=self._since,
            config=self.config,
            digest=facts.digest,
            # A reader of this file does not need to know that it could not be written.
            problems={
                about: what for about, what in self._problems.items() if about != _STATUS_FILE
            },
            findings=(*filter(None, self._trials.values()), *self._findings.present),
            checks=observed.checks,
            trials=facts.trials,
            damped=observed.damped,
            drains=observed.drains,
            senses=dict(senses),
            router=done.step.outcome.readback.router if done else "",
        )
        if latest != self._live:
            run_dir = facts.config.daemon.run_dir
            self._live = latest
            self._status.put(lambda: status_file.keep(run_dir, latest))
        if (said := self._sentence(facts.config, observed)) != self._said:
            self._said = said
            self.notify.status(said)

    async def finish(self) -> None:
        """Wait until all is written, for at most one second: a disk may hang."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TO_FINISH):
                await self._status.finished()
                await self._journal.finished()

    def _sentence(self, config: Config, observed: Observed) -> str:
        said = [
            f"{about} problem: {'; '.join(what.splitlines())}"
            for about, what in self._problems.items()
        ]
        said += [str(one) for one in self._trials.values() if one is not None]
        said += restrictions(config, observed)
        if self._done is None:
            said.append("the router has not answered yet")
        elif "router" not in self._problems:  # Otherwise the last read-back may be outdated.
            step = self._done.step
            said += [
                f"{prefix} should be gone, but {one.made_by} announces it"
                for prefix, one in still_announced(wanted(step.plan), step.origins).items()
            ][:_NAMED]
            said.append(plan_lines.confirmation(step.outcome.readback))
        return "; ".join(said)

    def _verdicts(self, facts: Facts) -> None:
        for name, health in facts.take_turns():
            self.log.info("verdict", service=name, verdict=health.verdict, why=health.reason)
        blind = {key.service: one.reason for key, one in facts.checks.items() if one.unknown_since}
        for name in blind.keys() - self._blind:
            self.log.error("the check cannot run", service=name, why=blind[name])
        self._blind = frozenset(blind)

    def _take_trials(self, facts: Facts) -> None:
        """Report that the trial of a changed check begins, fails or ends."""
        before, self._trials = self._trials, facts.verdicts.failures("reload")
        for key, finding in self._trials.items():
            if key not in before:
                self.log.info("a changed check is on trial", service=key.service)
            if finding is not None and before.get(key) is None:
                self.log.error("finding", code=finding.code, what=str(finding))
        for key in before.keys() - self._trials.keys():
            self.log.info("the trial is over: the config's check decides", service=key.service)

    def _dampings(self, facts: Facts, damped: Mapping[str, str]) -> None:
        """Report services that are withheld for flapping from now on, with the reason."""
        now = time.time()
        made = [
            journal.Entry(now, "event", "", name, why)
            for name, why in damped.items()
            if name not in self._waiting
        ]
        for one in made:
            self.log.warning("damped", service=one.service, why=one.why)
        self._append(facts, made)
        self._waiting = frozenset(damped)

    def _append(self, facts: Facts, made: Sequence[journal.Entry]) -> None:
        if made:
            state_dir = facts.config.daemon.state_dir
            self._journal.put(lambda: journal.append(state_dir, made))

    def _wrote(self, what: str, error: AnycastRoutedError | None) -> None:
        """Note how a write ended. A status file that could not be written is tried again."""
        before = self._problems.get(what)
        self.problem(what, error)
        if what == _STATUS_FILE and error is not None:
            self._live = None
        if self._problems.get(what) != before:
            self._wake.set()


def _findings(step: Step) -> list[Finding]:
    """Return what a step has found at the router."""
    outcome = step.outcome
    found = findings.of_router(
        outcome.readback, outcome.faults, step.plan, refused=outcome.refused, lasting=True
    )
    found += altered_exports(step.plan, outcome.readback)
    found += origin_findings(wanted(step.plan), step.origins)
    return [*found, *(one for one in step.plan.warnings if one.code is Code.BLACKHOLE)]
