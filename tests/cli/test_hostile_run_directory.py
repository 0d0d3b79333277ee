"""A hostile owner of the run directory cannot misdirect signals or inject terminal escapes."""

from __future__ import annotations

import json
import os
import signal
import subprocess  # noqa: TID251 - processes that get a signal; process.run only waits
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.cli import main
from anycast_routed.cli.options import Settings
from anycast_routed.reconcile import overview
from anycast_routed.report import text
from anycast_routed.state import running_daemon, status_file
from anycast_routed.system import lock
from tests.support.configs import anycast_dns
from tests.support.users import DAEMON, needs_users
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ESCAPE = "\x1b[2J\x1b]52;c;AAAA\x07"
HOLD = """
import signal
import sys
from pathlib import Path
from anycast_routed.system import lock
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored
with lock.hold(Path(sys.argv[1]), "daemon"):
    print("held", flush=True)
    sys.stdin.readline()
"""
STATUS: dict[str, Any] = {
    "pid": os.getpid(),
    "since": 0,
    "config": f"/x{ESCAPE}",
    "digest": "",
    "problems": {f"con{ESCAPE}fig": ESCAPE},
    "findings": [{"code": "AR001", "about": ESCAPE, "detail": ESCAPE, "fix": ESCAPE}],
    "health": {
        f"dns{ESCAPE}": {
            "verdict": "up",
            "passes": 1,
            "fails": 0,
            "reason": ESCAPE,
            "unknown-since": None,
            "ever-up": True,
        }
    },
    "damped": {ESCAPE: ESCAPE},
    "drains": {ESCAPE: {"stage": "lowered", "detail": ESCAPE}},
    "senses": {f"dns{ESCAPE}": {"detail": ESCAPE}},
    "router": ESCAPE,
}


@contextmanager
def daemon(run: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds the daemon's lock and dies of SIGHUP."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv = [sys.executable, "-c", HOLD, str(run)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=env) as made:
        assert made.stdout
        assert made.stdout.readline() == "held\n"
        yield made
        made.kill()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings whose run and state directories are below the test's directory."""
    config = tmp_path / "config.json"
    directories = {"run-dir": str(tmp_path / "run"), "state-dir": str(tmp_path / "state")}
    config.write_text(json.dumps(anycast_dns() | {"daemon": directories}))
    return Settings(config=config)


@pytest.fixture
def run_dir(settings: Settings) -> Path:
    """Return the run directory of that config."""
    return settings.load().daemon.run_dir


def test_reload_sends_sighup_to_the_daemon(tmp_path: Path) -> None:
    with daemon(tmp_path) as made:
        assert running_daemon.hang_up(tmp_path) == made.pid
        assert made.wait(PATIENCE) == -signal.SIGHUP


@pytest.mark.fault(34)
def test_a_process_that_reuses_the_daemons_pid_gets_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_it = os.pidfd_open
    with daemon(tmp_path) as made, subprocess.Popen(["sleep", "60"]) as stranger:

        def reused(pid: int) -> int:
            assert pid == made.pid
            made.kill()
            made.wait(PATIENCE)
            return open_it(stranger.pid)

        monkeypatch.setattr(os, "pidfd_open", reused)
        with pytest.raises(running_daemon.NoDaemonError, match="has just ended"):
            running_daemon.hang_up(tmp_path)
        assert stranger.poll() is None
        stranger.kill()
        assert stranger.wait(PATIENCE) == -signal.SIGKILL


@needs_users
def test_a_daemon_is_still_found_after_its_run_directory_changed_owner(
    run_dir: Path,
) -> None:
    with lock.hold(run_dir, "daemon"):
        os.chown(run_dir / "holder", DAEMON, DAEMON)
        os.chown(run_dir, DAEMON, DAEMON)
        with pytest.raises(running_daemon.NoDaemonError, match="unknown process") as caught:
            running_daemon.must(run_dir)
        assert "systemctl restart" in caught.value.hint
    with pytest.raises(running_daemon.NoDaemonError, match="no daemon runs here"):
        running_daemon.must(run_dir)
    assert not overview.of_daemon(run_dir, refused=False)


@pytest.mark.fault(34)
def test_the_status_file_is_shown_without_terminal_escapes(
    settings: Settings, run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock.hold(run_dir, "daemon"):
        (run_dir / "status.json").write_text(json.dumps(STATUS))
        lines = overview.of_daemon(run_dir, refused=False)
        assert len(lines) >= 6
        assert all(line.isprintable() for line in lines), lines
        assert main.main(["--config", str(settings.config), "reload"]) == 64
    said = capsys.readouterr().err
    assert r"the daemon's config file is /x\x1b[2J" in said
    assert all(line.isprintable() for line in said.splitlines())


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("two\n  lines, ö and 漢", "two\n  lines, ö and 漢"),
        (ESCAPE, r"\x1b[2J\x1b]52;c;AAAA\x07"),
        ("a\u202eb\x9bc\udcffd\re", r"a\u202eb\x9bc\udcffd\re"),
    ],
)
def test_a_message_is_printed_without_control_characters(message: str, shown: str) -> None:
    assert text.printable(message) == shown


@pytest.mark.parametrize(
    "absurd",
    [{"since": 1e300}, {"since": float("nan")}, {"pid": float("inf")}, {"problems": [1]}],
)
def test_a_status_file_with_absurd_values_is_ignored(run_dir: Path, absurd: dict[str, Any]) -> None:
    run_dir.mkdir()
    (run_dir / "status.json").write_text(json.dumps(STATUS))
    assert status_file.load(run_dir)
    (run_dir / "status.json").write_text(json.dumps(STATUS | absurd))
    assert status_file.load(run_dir) is None


@pytest.mark.fault(34)
def test_an_oversized_file_is_not_read(run_dir: Path) -> None:
    with lock.hold(run_dir, "daemon"):
        (run_dir / "status.json").write_text(json.dumps(STATUS))
        assert running_daemon.said(run_dir)
        for name, most in (("status.json", 8 << 20), ("holder", 4096)):
            with (run_dir / name).open("a") as file:
                file.write(" " * most)
        assert status_file.load(run_dir) is None
        assert lock.holder(run_dir) is None
