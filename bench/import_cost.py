"""The start-up floor: a Python that imports what our program imports of others, and ends."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.lab import Host

_LISTED = """\
import json, sys
from anycast_routed.cli.main import main
code = main(sys.argv[1:])
ours = {"anycast_routed", "__main__"}
names = [name for name in sys.modules if name.partition(".")[0] not in ours]
print("\\n" + json.dumps(names))
sys.exit(code)
"""
# A module that an earlier one brings along need not be named, and a long `-c` costs time too.
_NEEDED = """\
import contextlib, importlib, json, sys
needed = []
for name in json.load(sys.stdin):
    if name not in sys.modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
            needed.append(name)
print(json.dumps(needed))
"""


def outside_modules(host: Host, *arguments: str, within: float) -> tuple[str, ...]:
    """Run our program once, and name the modules that import all that it loaded of others."""
    listed = host.run(sys.executable, "-c", _LISTED, *arguments, within=within).out
    loaded = listed.splitlines()[-1]
    needed = host.run(sys.executable, "-c", _NEEDED, stdin=loaded, within=within).out
    return tuple(json.loads(needed))


def floor_argv(modules: Sequence[str], *, ends: bool = True) -> tuple[str, ...]:
    """Return the command that imports these modules and does nothing else.

    Without `ends` it stops right there, and Python does not tidy up: that is the floor of what
    a program does before its end.
    """
    # Not `import NAMES`: one module of the standard library has a hyphen in its name.
    imports = f"for name in '{','.join(modules)}'.split(','): __import__(name)"
    return (sys.executable, "-c", imports if ends else f"{imports}\nimport os; os._exit(0)")
