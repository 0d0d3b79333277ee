"""The machine's Python, and this program, in a host that has the files of another release.

A Python of Debian needs the C library that it was built with, or a newer one. So a host gets the
libraries of the machine too, and a script in place of Python that starts it with them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from anycast_routed.lab.failures import LabUnavailableError

_MACHINE = "/opt/machine"
_LIBRARIES, _PYTHON = f"{_MACHINE}/lib", f"{_MACHINE}/python"
_START = """\
#!/bin/sh
exec {loader} --argv0 "$0" --library-path {libraries} {python} "$@"
"""


def shared() -> list[str]:
    """Return what a host shares with the machine: pairs of a path of the machine and its own."""
    if sys.prefix == "/usr":  # the files of the release would be hidden below those of the machine
        message = "a host of another release needs a Python that runs in a virtual environment"
        raise LabUnavailableError(message, hint="python3 -m venv .venv; .venv/bin/pip install .")
    package = Path(__file__).resolve().parents[2]
    same = {str(package), sys.prefix, os.getcwd()}  # noqa: PTH109 - as the others, a string
    if not _is_debians():
        same.add(sys.base_prefix)
        return [path for one in sorted(same) for path in (one, one)]
    same.add(sysconfig.get_path("stdlib"))
    moved = (os.path.realpath(sys.executable), _PYTHON, _libraries(), _LIBRARIES)
    return [*(path for one in sorted(same) for path in (one, one)), *moved]


def install(root: Path) -> None:
    """Put the script in place of Python, below the root directory of a host, and the links to it.

    /usr/bin/python3 of the host then is the machine's. A Python that is not Debian's brings its
    files along, in its own directory: nothing is left to do.
    """
    if not _is_debians():
        return
    loader = next(Path(_libraries()).glob("ld-linux*.so.*")).name
    text = _START.format(loader=f"{_LIBRARIES}/{loader}", libraries=_LIBRARIES, python=_PYTHON)
    path = sys.executable
    while os.path.islink(path):  # noqa: PTH114 - as the others, a string
        target = os.readlink(path)  # noqa: PTH115
        inside = root / path.lstrip("/")
        if not path.startswith(f"{sys.prefix}/"):
            _refuse_the_machines(root, inside)
            inside.unlink(missing_ok=True)
            inside.symlink_to(target)
        path = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120
    inside = root / path.lstrip("/")
    _refuse_the_machines(root, inside)
    inside.unlink(missing_ok=True)
    inside.write_text(text, "ascii")
    inside.chmod(0o755)


def _refuse_the_machines(root: Path, inside: Path) -> None:
    """Refuse to write a file that the host shares with the machine, as that of a copied venv."""
    if inside.parent.stat().st_dev != root.stat().st_dev:
        message = f"{inside} belongs to the machine, not to the host"
        raise LabUnavailableError(message, hint="make .venv with links to Python, not with copies")


def _is_debians() -> bool:
    return sys.base_prefix == "/usr"


def _libraries() -> str:
    return f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}"
