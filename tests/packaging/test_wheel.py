"""What an operator installs: the wheel has the templates, and the program works from it alone."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from anycast_routed import __version__
from anycast_routed.system import commands
from tests.support.paths import ROOT

UNITS = sorted((ROOT / "packaging" / "systemd").iterdir())
RENDER = """
import anycast_routed, anycast_routed.announce.render as render
assert anycast_routed.__file__.startswith({folder!r}), anycast_routed.__file__
print(render.Renderer("bird").render(dict(sessions=None, peers=(), blocks=())))
"""


def _build(tree: Path, folder: Path) -> Path:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = commands.run(["env", "-C", str(tree), *argv], within=60)
    assert done.code == 0, done.err
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once."""
    return _build(ROOT, tmp_path_factory.mktemp("dist"))


def test_two_builds_of_the_wheel_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    for name in ("anycast_routed", "templates", "packaging"):
        # Without the times of the files, as another checkout has them.
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, copy_function=shutil.copy, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    again = _build(tmp_path, tmp_path / "dist")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_has_templates_and_units_and_nothing_beside_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"anycast_routed/templates/{name}.conf.j2" for name in ("bird", "frr")} < set(names)
    assert {f"anycast_routed/systemd/{unit.name}" for unit in UNITS} < set(names)
    assert {name.partition("/")[0] for name in names} == {
        "anycast_routed",
        f"anycast_routed-{__version__}.dist-info",
    }


def test_the_program_renders_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = RENDER.format(folder=str(tmp_path))
    argv = ["env", "-C", "/", f"PYTHONPATH={tmp_path}", sys.executable, "-c", code]
    done = commands.run(argv, within=30)
    assert (done.code, done.err) == (0, "")
    assert "define anycast_routed_loaded" in done.out


def test_the_program_has_its_units_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    argv = ["env", "-C", "/", f"PYTHONPATH={tmp_path}", sys.executable, "-m", "anycast_routed"]
    config = str(ROOT / "tests" / "anycast-dns.json")
    found = set()
    for options in ([], ["--timer"]):
        done = commands.run(
            [*argv, "-q", "--json", "--config", config, "setup", "--systemd", *options], within=30
        )
        assert (done.code, done.err) == (0, "")
        found |= {Path(path).name for path in json.loads(done.out)["files"] if "systemd" in path}
    assert found == {unit.name for unit in UNITS}


def test_the_version_stands_in_one_spelling_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


def test_every_run_time_dependency_earns_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = (ROOT / "docs" / "dependencies.md").read_text()
    names = [one.partition(">")[0] for one in project["dependencies"]]
    assert len(names) <= 10
    assert all(f"| {name} | `" in listed for name in names)
