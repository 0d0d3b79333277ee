"""A real host that runs many schedules of faults, and is repaired after each."""

from __future__ import annotations

import contextlib
import fcntl
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from anycast_routed.lab import dns
from anycast_routed.model import Verdict
from tests.support.router_faults import networks_in, nothing_piles_up
from tests.support.schedules.file_judge import FileWatch
from tests.support.schedules.hands import Hands, own_config, stayed_off
from tests.support.schedules.judges import Record, Stretch
from tests.support.schedules.model import (
    HOP6,
    HOPS,
    LABELS,
    NORMAL,
    OURS,
    PORT_OTHER,
    V6_B,
    ConfigVariant,
    Schedule,
    World,
)
from tests.support.schedules.steps import StepTaker
from tests.support.schedules.story import Story
from tests.support.waiting import eventually
from tests.support.watched_site import RUN_DIR, lay_out

if TYPE_CHECKING:
    from types import TracebackType

    from anycast_routed.lab import Lab


class ScheduleSite:
    """The host, its peer and its daemon. A context manager; the caller owns the lab.

    `program` is the module that runs in place of anycast-routed.
    """

    def __init__(
        self, lab: Lab, router_name: str, *, half_life: int = 0, program: str = ""
    ) -> None:
        self._program = program
        config = ConfigVariant().config(half_life)
        self._watched = lay_out(lab, router_name, config, own=own_config(router_name))
        host, peer = self._watched.dns1, self._watched.peer.host
        lab.link(host, peer, names=("hop0", "hop0"))
        for address in (f"{HOP6}/64", f"{HOPS['first']}/24"):
            host.address("hop0", address)
        host.address("lo", LABELS["web1"], label="lo:web1")
        self._other = dns.nsd(host, zones={"google.com.": ()}, port=PORT_OTHER)
        run_dir = host.path(RUN_DIR)
        run_dir.mkdir()
        self._files = FileWatch(self._watched.router_file())
        self._hands = Hands(lab, self._watched)
        self._taker = StepTaker(self._watched, self._files, self._hands, half_life)
        self._world = NORMAL
        self._count = 0
        self._story = Story(self._watched)

    def __enter__(self) -> Self:
        self._watched.start_daemon(self._program)
        self._wait_for_the_plan()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def run(self, schedule: Schedule) -> None:
        """Run one schedule, judge it, and repair the host. A failure prints the whole story."""
        self._story = Story(self._watched)
        self._count += 1
        try:
            self._run(schedule)
            self._repair()
        except Exception as error:
            story = "\n".join(
                [f"number {self._count}: {schedule!r}", *self._story.lines(), f"{error}"]
            )
            print(story)  # noqa: T201 - hypothesis prints no story of a failure that does not repeat
            message = f"a schedule has failed:\n{story}"
            with contextlib.suppress(Exception):
                self._repair()
            self._files.wrong()  # Already reported, or a consequence.
            raise AssertionError(message) from error

    def _run(self, schedule: Schedule) -> None:
        story, ended, mark = self._story, time.monotonic(), self._hands.mark()
        stretches: list[Stretch] = []
        self._files.forget_removals()
        for wait, step in [*schedule, *((0.0, step) for step in _SETTLING)]:
            time.sleep(wait)
            begun, before = time.monotonic(), self._world
            self._take(step)
            stretches.append(Stretch(ended, begun, before))
            ended = time.monotonic()
        self._wait_for_agreement()
        stretches.append(Stretch(ended, time.monotonic(), self._world))
        steps = [step for _, step in schedule]
        record = Record(steps, self._watched.router_name, stretches, story.held)
        record.judge(story.events())
        self._judge_the_file(steps)
        for one in stretches:
            if one.world.own == "off":
                stayed_off(self._hands.since(mark), one.begun, one.ended)

    def _judge_the_file(self, steps: list[str]) -> None:
        """Check that what only a verdict or a drain can withdraw was withdrawn by the short way.

        So it was, before anything was read from the router, rendered or loaded. A load that the
        router refuses is undone, and the undo may write an earlier whole file.
        """
        words = {step.split()[0] for step in steps}
        if not words.isdisjoint({"file", "trial"}) or "operator breaks" in steps:
            return
        late = [one for one in self._files.removed_by_rendering if V6_B in one]
        assert not late, f"withdrawn by a whole new file, not before it: {late}"

    def _take(self, step: str) -> None:
        with self._story.step(step):
            if step == "rest":
                self._hands.check(self._world)
                self._world = self._rest(self._world)
            else:
                self._world = self._taker.take(step, self._world)
        if self._world.daemon == "up":
            self._watched.process().check()
        assert "Traceback" not in "".join(self._story.logs()), "the daemon has no bug"
        self._check_files()

    def _check_files(self) -> None:
        wrong = self._files.wrong()
        assert not wrong, wrong

    def _rest(self, world: World) -> World:
        """Wait until the daemon and the router have done all that they can do."""
        if world.daemon != "up" or world.router == "paused":
            return world
        eventually(self._taker.begun, why="the daemon has made a pass")
        if world.at_work:
            self._wait_for_the_plan()
        if not world.down:
            return world
        eventually(self._is_known_to_be_down, why="the daemon says that the server is down")
        eventually(self._file_has_no_dead_service, why="the file has no dead service")
        if world.router == "up":
            eventually(
                self._peer_holds_no_dead_service, why="the peer holds nothing of the dead service"
            )
        return replace(world, known=True)

    def _is_known_to_be_down(self) -> bool:
        return self._watched.status().health["dns"].verdict is Verdict.DOWN

    def _file_has_no_dead_service(self) -> bool:
        file = self._watched.router_file()
        return not (file.exists() and networks_in(file.read_text()) & OURS)

    def _peer_holds_no_dead_service(self) -> bool:
        return not OURS & self._watched.table().keys()

    def _wait_for_the_plan(self) -> None:
        tables = self._world.tables()
        eventually(
            lambda: self._watched.table() in tables,
            every=0.01,
            why=f"the peer holds one of {tables}",
        )

    def _wait_for_agreement(self) -> None:
        """Wait until `status` says what the peer holds, and check that this is the plan."""
        self._watched.status_agrees(check=not self._world.origin)
        self._wait_for_the_plan()
        self._hands.agree(self._world, self._watched.table())

    def _repair(self) -> None:
        """Repair the host, and check that it is as before and that nothing is left over."""
        for step in (*_SETTLING, *_REPAIRING):
            self._take(step)
        self._world = NORMAL
        self._wait_for_the_plan()
        eventually(lambda: not self._is_known_to_be_down(), why="the daemon says it is up")
        eventually(self._file_is_the_plan, why="our file is the whole plan")
        eventually(lambda: not self._watched.status().problems, why="no problem")
        self._wait_for_the_plan()
        nothing_piles_up(self._watched)
        self._check_lock()
        self._check_files()
        assert self._files.has_seen

    def _file_is_the_plan(self) -> bool:
        text = self._watched.router_file().read_text()
        return networks_in(text) == set(self._watched.table()) and self._files.is_whole(text)

    def _check_lock(self) -> None:
        with (self._watched.file(RUN_DIR) / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        message = "the daemon has lost its lock"
        raise AssertionError(message)


_SETTLING = (
    "rest",
    "trial confirmed",
    "operator repairs",
    "router up",
    "daemon up",
    "rest",
    "config repaired",
    "rest",
)
_REPAIRING = (
    *("server up", "drain dns off", "drain v6 off", "hop first", "config normal", "daemon hup"),
    *("label dns1 there", "label dns2 there", "label dns3 gone", "label web1 there"),
    *("origin gone", "own on"),
)
