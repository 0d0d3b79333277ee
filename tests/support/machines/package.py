"""Build the Debian package of this tree in a Debian of its release, and a newer version of it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.lab.releases import cache_directory
from anycast_routed.system.commands import run
from tests.support.machines.debian import RELEASE, run_in_builder
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEWER = "99.0"
_PLATFORM = "manylinux2014_x86_64"
_NEW_FILTER = """
import jinja2.defaults

jinja2.defaults.DEFAULT_FILTERS["only_in_newer"] = str
"""
_KEPT = 86_400.0  # seconds
_NOT_PACKAGED = ("bench/", "tests/", "vagrant/")
_LOCKS = ("build.lock", "requirements.lock")
_BUILD_TIMEOUT = 600.0  # seconds: the build takes 15, or longer with a slow mirror


@dataclass(frozen=True, slots=True)
class Packages:
    """The package of this tree, and a newer one: version 99.0, with different templates."""

    current: Path
    newer: Path


def packages(release: str = RELEASE) -> Packages:
    """Return both packages: from the cache, or built if a file of the tree has changed.

    They are for the Debian of this release.

    All checkouts of the user share the cache. Packages that no test used for a day are deleted.
    """
    directory = cache_directory()
    with (directory / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = directory / f"package-{release.removesuffix('-bird3')}-{_digest()}"
        if not built.is_dir():
            for old in directory.glob("package-*/"):
                if time.time() - old.stat().st_mtime > _KEPT:
                    shutil.rmtree(old)
            _build(built, release)
        os.utime(built)
    newer = next(built.glob(f"anycast-routed_{NEWER}+*.deb"))
    current = next(deb for deb in built.glob("*.deb") if deb != newer)
    return Packages(current, newer)


def build(out: Path, *before: str, release: str = RELEASE, **env: str) -> Path:
    """Run packaging/build-deb in a Debian of the release; return the package.

    The wheels of the locks are downloaded on this machine, for the Python of that Debian, so that
    pip there needs no index. `before` is a command that runs the build, such as `nice`.
    """
    with tempfile.TemporaryDirectory(prefix="wheels-") as wheels:
        ask = ("python3", "-c", "import sys; print('%d%d' % sys.version_info[:2])")
        python = _builder(release, ask)
        for lock in _LOCKS:
            _download(Path(wheels), lock, python.strip())
        env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels}
        out.mkdir(parents=True, exist_ok=True)
        argv = (*before, str(ROOT / "packaging" / "build-deb"), str(out))
        said = _builder(release, argv, ROOT, out, Path(wheels), env=env)
    return Path(said.splitlines()[-1])


def _builder(
    release: str, argv: Sequence[str], *shared: Path, env: Mapping[str, str] | None = None
) -> str:
    within = _BUILD_TIMEOUT
    done = run_in_builder(argv, shared=shared, env=env or {}, within=within, release=release)
    assert done.code == 0, f"{' '.join(argv)}: {done.out}{done.err}"
    return done.out


def _download(wheels: Path, lock: str, python: str) -> None:
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps")
    where = ("--dest", str(wheels), "--requirement", str(ROOT / "packaging" / lock))
    which = ("--only-binary", ":all:", "--python-version", python, "--platform", _PLATFORM)
    _run(*pip, *where, *which, within=_BUILD_TIMEOUT)


def _build(directory: Path, release: str) -> None:
    with tempfile.TemporaryDirectory(prefix="package-", dir=directory.parent) as work:
        current = build(Path(work, "out"), release=release)
        tree = Path(work, "tree")
        _run("dpkg-deb", "--raw-extract", str(current), str(tree))
        control = tree / "DEBIAN" / "control"
        control.write_text(_with_version(control.read_text("utf-8")), "utf-8")
        _change_version(tree / "usr/lib/anycast-routed/anycast_routed")
        debian = current.name.rpartition("+")[2]  # deb12_amd64.deb
        newer = current.with_name(f"anycast-routed_{NEWER}+{debian}")
        # Not compressed: the tests read the package only once or twice.
        _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(newer))
        current.parent.rename(directory)


def _change_version(program: Path) -> None:
    """Change the version, and use a filter in the templates that only the newer code has."""
    file = program / "__init__.py"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    changed = [f'__version__ = "{NEWER}"\n' if "__version__ =" in line else line for line in lines]
    file.write_text("".join([*changed, _NEW_FILTER]), "utf-8")
    for template in program.glob("templates/*.j2"):
        template.write_text(f'{{{{ "" | only_in_newer }}}}{template.read_text("utf-8")}', "utf-8")


def _with_version(control: str) -> str:
    lines = control.splitlines(keepends=True)
    return "".join(f"Version: {NEWER}\n" if line.startswith("Version:") else line for line in lines)


def _digest() -> str:
    """Return a digest of every file that can be part of the package."""
    git = ("git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}")
    listed = _run(*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    examples = (ROOT / "packaging" / "debian" / "examples").read_text("utf-8").split()
    names = {name for name in listed.split("\0") if not name.startswith(_NOT_PACKAGED)}
    digest = hashlib.sha256()
    for name in sorted({*names, *examples}):
        file = ROOT / name
        if name and file.is_file():
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{name}\0{file.stat().st_mode:o}\0{content}\0".encode())
    return digest.hexdigest()[:16]


def _run(*argv: str, within: float = 60) -> str:
    done = run(argv, within=within)
    assert done.code == 0, f"{' '.join(argv)}: {done.out}{done.err}"
    return done.out
