"""The start-up baseline: a Python process that only imports the product's dependencies."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.lab import Host

_LIST_LOADED = """\
import json, sys
from anycast_routed.cli.main import main
code = main(sys.argv[1:])
own = {"anycast_routed", "__main__"}
names = [name for name in sys.modules if name.partition(".")[0] not in own]
print("\\n" + json.dumps(names))
sys.exit(code)
"""
# Leave out modules that an earlier one imports itself: a long `-c` argument costs time too.
_LIST_NEEDED = """\
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
    """Run anycast-routed once with `arguments`; return the outside modules that it imports.

    Importing the returned modules in their order loads every module that the run loaded, except
    those of the package itself.
    """
    listed = host.run(sys.executable, "-c", _LIST_LOADED, *arguments, within=within).out
    loaded = listed.splitlines()[-1]
    needed = host.run(sys.executable, "-c", _LIST_NEEDED, stdin=loaded, within=within).out
    return tuple(json.loads(needed))


def imports_argv(modules: Sequence[str], *, finalize: bool = True) -> tuple[str, ...]:
    """Return the command that imports these modules and does nothing else.

    Without `finalize` the process exits right after the imports and Python does not clean up:
    the baseline for everything that a program does before its end.
    """
    # Not `import NAMES`: one module of the standard library has a hyphen in its name.
    imports = f"for name in '{','.join(modules)}'.split(','): __import__(name)"
    return (sys.executable, "-c", imports if finalize else f"{imports}\nimport os; os._exit(0)")
