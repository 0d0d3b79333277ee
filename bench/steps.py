"""Run one command of anycast-routed and print the time of each step; started by `bench.apply`.

`python steps.py ROUTER MODULES ARGUMENT...` imports the outside modules (separated by commas), then
the modules of anycast-routed, and then runs `main(ARGUMENTS)`. The time of a step excludes the
time of the steps inside it. The last line of the output is one JSON object: step -> seconds.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Step(NamedTuple):
    """One step: its name, and the module and the function or method that does it."""

    name: str
    module: str
    """Name inside of the package; `{router}` stands for "bird" or "frr"."""
    function: str
    """Name inside of the module; `{Router}` stands for "Bird" or "Frr"."""


STEPS: Final = (
    Step("read the config", "cli.options", "Settings.load_with_digest"),
    Step("take the lock", "system.lock", "hold"),
    Step("read the record", "state.record", "load"),
    Step("recall, incarnation", "reconcile.cycle", "recall"),
    Step("run the checks", "reconcile.probe", "decide_verdicts"),
    Step("read addresses, netlink", "reconcile.probe", "gather"),
    Step("plan", "reconcile.cycle", "plan"),
    Step("compare", "reconcile.after_proof", "changes"),
    Step("render or recognise", "reconcile.cycle", "render"),
    Step("read the router back", "announce.{router}.speaker", "{Router}Speaker.read"),
    Step("is it loaded?", "announce.{router}.speaker", "{Router}Speaker.is_loaded"),
    Step("check the text", "announce.{router}.speaker", "{Router}Speaker.check"),
    Step("load the text", "announce.{router}.speaker", "{Router}Speaker.load"),
    Step("the rest of the cycle", "reconcile.cycle", "step"),
)
_IMPORTED = (
    "cli.main",
    "reconcile.once",
    "observe.checks.dns",
    "observe.netlink_addresses",
    "announce.{router}.speaker",
)


class UnknownStepError(Exception):
    """A step names a function that anycast-routed does not have."""


class Timer:
    """The own time of each step; a stack, since steps call other steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = [0.0]

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, which then adds its own time to step `name`."""

        @functools.wraps(function)
        def wrapped(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - any function
            begun = time.perf_counter()
            self._inside.append(0.0)
            try:
                return function(*arguments, **named)
            finally:
                whole = time.perf_counter() - begun
                own = whole - self._inside.pop()
                self._inside[-1] += whole
                self.seconds[name] = self.seconds.get(name, 0.0) + own

        return wrapped


def owners(router: str, steps: tuple[Step, ...] = STEPS) -> Iterator[tuple[Step, Any, str]]:
    """Yield each step with the module or class that has its function, and the function's name.

    Raises:
        UnknownStepError: anycast-routed has no such module, class or function.
    """
    for step in steps:
        path = step.function.format(Router=router.capitalize())
        *outer, attribute = path.split(".")
        try:
            owner = _module(step.module, router)
            for part in outer:
                owner = getattr(owner, part)
            getattr(owner, attribute)
        except (ImportError, AttributeError) as error:
            message = f"bench/steps.py: step {step.name!r} needs {path} in "
            message += f"anycast_routed.{step.module.format(router=router)}: {error}"
            raise UnknownStepError(message) from error
        yield step, owner, attribute


def _module(name: str, router: str) -> Any:  # noqa: ANN401 - any module of anycast-routed
    return importlib.import_module(f"anycast_routed.{name.format(router=router)}")


def main() -> int:
    """Import the modules, run the command, and print the times."""
    router, modules, *arguments = sys.argv[1:]
    timer = Timer()

    def import_outside() -> None:
        for name in modules.split(","):
            importlib.import_module(name)

    def import_product() -> None:
        for name in _IMPORTED:
            _module(name, router)

    timer.timed("import of outside modules", import_outside)()
    timer.timed("import of own modules", import_product)()
    for step, owner, attribute in owners(router):
        setattr(owner, attribute, timer.timed(step.name, getattr(owner, attribute)))
    run = _module("cli.main", router).main
    code: int = timer.timed("command line and the rest", run)(arguments)
    print(f"\n{json.dumps(timer.seconds)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
