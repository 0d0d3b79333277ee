"""Where schedules of faults are run: one real host for many of them, healed after each."""

from __future__ import annotations

import contextlib
import fcntl
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from anycast_routed.lab import bird, dns
from anycast_routed.model import Verdict
from tests.support.router_faults import networks_in, nothing_piles_up
from tests.support.schedules.file_judge import FileWatch
from tests.support.schedules.judges import Record, Stretch, shown
from tests.support.schedules.model import (
    HOP6,
    HOPS,
    LABELS,
    NORMAL,
    OURS,
    PORT_OTHER,
    Schedule,
    Wish,
    World,
)
from tests.support.schedules.steps import Hands
from tests.support.waiting import eventually
from tests.support.watched_site import RUN_DIR, Watched, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from anycast_routed.lab import Lab
    from anycast_routed.lab.receiver import Event


class ScheduleSite:
    """The host, its peer and its healthy daemon. A context manager; the lab is the caller's."""

    def __init__(self, lab: Lab, router_name: str, *, half_life: int = 0) -> None:
        self._watched = lay_out(lab, router_name, Wish().config(half_life))
        host, peer = self._watched.dns1, self._watched.peer.host
        lab.link(host, peer, names=("hop0", "hop0"))
        for address in (f"{HOP6}/64", f"{HOPS['first']}/24"):
            host.address("hop0", address)
        host.address("lo", LABELS["web1"], label="lo:web1")
        self._other = dns.nsd(host, zones={"google.com.": ()}, port=PORT_OTHER)
        run_dir = host.path(RUN_DIR)
        run_dir.mkdir()
        self._files = FileWatch(self._watched.router_file())
        conf = host.read(bird.CONF) if router_name == "bird" else ""
        self._hands = Hands(self._watched, self._files, conf, half_life)
        self._world = NORMAL
        self._count = 0
        self._story = Story(self._watched)

    def __enter__(self) -> Self:
        self._watched.start_daemon()
        self._is_as_planned()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def run(self, schedule: Schedule) -> None:
        """Run one schedule, judge it, and heal the host; what fails says what has happened."""
        self._story = Story(self._watched)
        self._count += 1
        try:
            self._run(schedule)
            self._heal()
        except Exception as error:
            told = "\n".join(
                [f"number {self._count}: {schedule!r}", *self._story.lines(), f"{error}"]
            )
            print(told)  # noqa: T201 - where it is well another time, hypothesis says only that
            message = f"a schedule has failed:\n{told}"
            with contextlib.suppress(Exception):
                self._heal()
            self._files.wrong()  # It was told, or is a consequence; the next schedule has its own.
            raise AssertionError(message) from error

    def _run(self, schedule: Schedule) -> None:
        story, ended = self._story, time.monotonic()
        stretches: list[Stretch] = []
        for wait, step in [*schedule, *((0.0, step) for step in _SETTLING)]:
            time.sleep(wait)
            begun, before = time.monotonic(), self._world
            self._take(step)
            stretches.append(Stretch(ended, begun, before))
            ended = time.monotonic()
        self._agrees()
        stretches.append(Stretch(ended, time.monotonic(), self._world))
        steps = [step for _, step in schedule]
        record = Record(steps, self._watched.router_name, stretches, story.held)
        record.judge(story.events())

    def _take(self, step: str) -> None:
        with self._story.step(step):
            if step == "rest":
                self._world = self._rest(self._world)
            else:
                self._world = self._hands.take(step, self._world)
        if self._world.daemon == "up":
            self._watched.process().check()
        assert "Traceback" not in "".join(self._story.logs()), "our daemon has no bug"
        self._files_are_well()

    def _files_are_well(self) -> None:
        wrong = self._files.wrong()
        assert not wrong, wrong

    def _rest(self, world: World) -> World:
        """Wait until everyone who can has done what there is to do."""
        if world.daemon != "up" or world.router == "paused":
            return world
        eventually(self._hands.begun, why="the daemon has made a pass")
        if world.at_work:
            self._is_as_planned()
        if not world.down:
            return world
        eventually(self._is_known, why="the daemon says that the server is down")
        eventually(self._is_disarmed, why="BIRD would start with nothing dead")
        if world.router == "up":
            eventually(self._is_off_the_air, why="the peer holds nothing of the dead service")
        return replace(world, known=True)

    def _is_known(self) -> bool:
        return self._watched.status().health["dns"].verdict is Verdict.DOWN

    def _is_disarmed(self) -> bool:
        file = self._watched.router_file()
        return not (file.exists() and networks_in(file.read_text()) & OURS)

    def _is_off_the_air(self) -> bool:
        return not OURS & self._watched.table().keys()

    def _is_as_planned(self) -> None:
        tables = self._world.tables()
        eventually(
            lambda: self._watched.table() in tables,
            every=0.01,
            why=f"the peer holds one of {tables}",
        )

    def _agrees(self) -> None:
        """Check that `status` says what the peer holds, and that this is still the plan."""

        def same() -> bool:
            self._watched.status_agrees()
            return True

        eventually(same, why="status says what the peer holds")
        self._is_as_planned()

    def _heal(self) -> None:
        """Bring the host back to what it was, and check that it is and that nothing is left."""
        for step in (*_SETTLING, *_HEALING):
            self._take(step)
        self._world = NORMAL
        self._is_as_planned()
        eventually(lambda: not self._is_known(), why="the daemon says it is up")
        eventually(self._is_written, why="our file is the whole plan")
        eventually(lambda: not self._watched.status().problems, why="no problem")
        self._is_as_planned()
        nothing_piles_up(self._watched)
        self._is_locked()
        self._files_are_well()
        assert self._files.has_seen

    def _is_written(self) -> bool:
        text = self._watched.router_file().read_text()
        return networks_in(text) == set(self._watched.table()) and self._files.is_whole(text)

    def _is_locked(self) -> None:
        with (self._watched.file(RUN_DIR) / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        message = "our daemon has lost its lock"
        raise AssertionError(message)


class Story:
    """What has happened during one schedule, for people."""

    def __init__(self, watched: Watched) -> None:
        self.held = watched.peer.table()
        """What the peer held when it began."""
        self._watched = watched
        self._mark = watched.mark()
        self._begun = time.monotonic()
        self._steps: list[str] = []
        self._said = {one.name: len(one.log().encode()) for one in watched.dns1.daemons}

    @contextlib.contextmanager
    def step(self, step: str) -> Iterator[None]:
        """Write down when this step has begun, and how long it has taken."""
        begun = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - begun
            self._steps.append(f"{begun - self._begun:+8.3f} s  {step}, {took:.3f} s")

    def events(self) -> list[Event]:
        """Return what the peer was told."""
        return self._watched.peer.since(self._mark)

    def logs(self) -> list[str]:
        """Return what each daemon of ours has said."""
        new = {
            one.name: one.log(after=self._said.get(one.name, 0))
            for one in self._watched.dns1.daemons
            if "/anycast-routed" in one.name
        }
        return [f"{name}:\n{log}" for name, log in new.items() if log]

    def lines(self) -> list[str]:
        """Return all, with the seconds since its beginning."""
        told = [shown(one, self._begun) for one in self.events()]
        return [*sorted([*self._steps, *told], key=lambda line: float(line[:8])), *self.logs()]


_SETTLING = (
    "rest",
    "operator repairs",
    "router up",
    "daemon up",
    "rest",
    "config repaired",
    "rest",
)
_HEALING = (
    *("server up", "drain dns off", "drain v6 off", "hop first", "config normal", "daemon hup"),
    *("label dns1 there", "label dns2 there", "label dns3 gone", "label web1 there"),
)
