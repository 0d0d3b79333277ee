"""Run one verb as the program does, and print where its time went; started by `apply.py` in a host.

`python steps.py MODULES ARGUMENT...` imports the outside modules first, then ours, and then runs
`main(ARGUMENTS)`. Each step's own time excludes that of the steps inside it. The last line of the
output is one JSON object: step -> seconds.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# name of the step, module of ours, and the function or method in it
_STEPS = (
    ("read the config", "cli.options", "Settings.load_with_digest"),
    ("take the lock", "system.lock", "hold"),
    ("read the record", "state.record", "load"),
    ("recall, incarnation", "reconcile.cycle", "recall"),
    ("probe the DNS server", "reconcile.cycle", "observe"),
    ("read addresses, netlink", "reconcile.cycle", "facts"),
    ("plan and compare", "reconcile.cycle", "wish"),
    ("render or recognise", "reconcile.cycle", "render"),
    ("read the router back", "announce.{router}.speaker", "{Router}Speaker.read"),
    ("is it loaded?", "announce.{router}.speaker", "{Router}Speaker.is_loaded"),
    ("check the text", "announce.{router}.speaker", "{Router}Speaker.check"),
    ("load the text", "announce.{router}.speaker", "{Router}Speaker.load"),
    ("the rest of the transaction", "reconcile.cycle", "announce"),
)
_OURS = (
    "cli.main",
    "reconcile.cycle",
    "observe.checks.dns",
    "observe.addresses",
    "announce.{router}.speaker",
)


class Steps:
    """Own time of each step; a stack, because steps stand inside one another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = [0.0]

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its own time is added to step `name`."""

        @functools.wraps(function)
        def wrapped(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it wraps
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


def _module(name: str, router: str) -> Any:  # noqa: ANN401 - a module of ours
    return importlib.import_module(f"anycast_routed.{name.format(router=router)}")


def _wrap_all(steps: Steps, router: str) -> None:
    for name, module, path in _STEPS:
        owner = _module(module, router)
        *outer, attribute = path.format(Router=router.capitalize()).split(".")
        for part in outer:
            owner = getattr(owner, part)
        setattr(owner, attribute, steps.timed(name, getattr(owner, attribute)))


def main() -> int:
    """Import, run, print."""
    router, modules, *arguments = sys.argv[1:]
    steps = Steps()

    def outside() -> None:
        for name in modules.split(","):
            importlib.import_module(name)

    def ours() -> None:
        for name in _OURS:
            _module(name, router)

    steps.timed("import of others' modules", outside)()
    steps.timed("import of our modules", ours)()
    _wrap_all(steps, router)
    run = _module("cli.main", router).main
    code: int = steps.timed("command line and the rest", run)(arguments)
    print(f"\n{json.dumps(steps.seconds)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
