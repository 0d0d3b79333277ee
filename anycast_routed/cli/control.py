"""`reload` and `handover`: the verbs that control a running daemon."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.cli.options import parse_duration
from anycast_routed.cli.withdraw import config_or_defaults, withdraw_all
from anycast_routed.errors import (
    AnycastRoutedError,
    ConfigError,
    Exit,
    LockedError,
    NotConfirmedError,
    UsageError,
)
from anycast_routed.model import Code, Verdict
from anycast_routed.report.systemd import Notify
from anycast_routed.report.text import printable, safe
from anycast_routed.state import handover as handover_mark
from anycast_routed.state import requests, running_daemon, status_file
from anycast_routed.state.requests import Permission
from anycast_routed.system import lock
from anycast_routed.system.directories import UntrustedError

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config

_LOAD_TIMEOUT = 5.0  # seconds for the daemon to load a config
_OLD_PROBLEM_TIMEOUT = 4.0  # seconds after which a problem reported before is current again
_POLL_INTERVAL = 0.05  # seconds between two reads of the daemon's status
_LONGEST_TRIAL = 60.0  # seconds; systemd waits 90 s for a reload
_LONGEST_HANDOVER = 600.0  # seconds


def register(app: typer.Typer) -> None:
    """Add these verbs to the program."""
    app.command()(reload)
    app.command()(handover)


def reload(
    context: typer.Context,
    *,
    allow_shrink: Annotated[
        bool,
        typer.Option(
            "--allow-shrink", help="Accept a config that withdraws most of what is announced."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Let changed checks decide at once, without a trial.")
    ] = False,
) -> int:
    """Make the daemon load the config file, and wait until it has.

    The daemon also loads a changed config file by itself. This verb reports every fault of a
    broken file, and the daemon keeps its old config. A changed check of a service that is up is
    tried first: this verb fails if it fails while the old check passes.
    """
    settings: Settings = context.obj
    config, digest = settings.load_with_digest()
    run_dir = config.daemon.run_dir
    running_daemon.must(run_dir)
    before = running_daemon.said(run_dir)
    _refuse_other_config_file(settings, before)
    if allow_shrink:
        requests.permit(run_dir, Permission.SHRINK, digest)
    if force:
        requests.permit(run_dir, Permission.FORCE, digest)
    try:
        daemon = running_daemon.hang_up(run_dir)
        _wait_until_loaded(run_dir, digest, before, without_trials=force)
    finally:
        # It holds for this reload only, even if the same content is loaded again later.
        for one in Permission:
            requests.revoke(run_dir, one)
    _wait_for_trials(run_dir, config)
    settings.emit("reload", pid=daemon, config=str(settings.path()), digest=digest)
    settings.say([f"the daemon, PID {daemon}, has loaded {settings.path()}"])
    return Exit.OK


def _refuse_other_config_file(settings: Settings, status: status_file.Live | None) -> None:
    """Refuse to reload if the daemon uses a config file other than this command's.

    Raises:
        UsageError: the two paths differ.
    """
    used = Path(status.config) if status else settings.path().absolute()
    if used != settings.path().absolute():
        # The path is from a file of the daemon: do not offer it as a command for root to copy.
        message = f"the daemon's config file is {safe(str(used))}, not {settings.path()}"
        raise UsageError(message, hint="if you mean the daemon's file, name it with --config")


def _wait_until_loaded(
    run_dir: Path, digest: str, before: status_file.Live | None, *, without_trials: bool
) -> None:
    """Wait until the daemon has loaded the config with this digest.

    `before` is the daemon's status before it was asked to reload. With `without_trials`, also wait
    until no changed check is on trial.

    Raises:
        ConfigError: the daemon refuses the config.
        NotConfirmedError: the daemon neither loaded nor refused it in time.
    """
    start = time.monotonic()
    old_problem = before.problems.get("config") if before else None
    while (waited := time.monotonic() - start) < _LOAD_TIMEOUT:
        time.sleep(_POLL_INTERVAL)
        status = running_daemon.said(run_dir)
        problem = status.problems.get("config") if status else None
        loaded = status is not None and problem is None and status.digest == digest
        if loaded and not (without_trials and status and status.trials):
            return
        if problem is not None and (problem != old_problem or waited > _OLD_PROBLEM_TIMEOUT):
            message = f"the daemon keeps its old config: {printable(problem)}"
            hint = "only if they should be withdrawn: anycast-routed reload --allow-shrink"
            raise ConfigError(message, hint=hint if "withdraw most" in problem else "")
    message = f"the daemon has not loaded the config within {_LOAD_TIMEOUT:g} s"
    raise NotConfirmedError(message, hint="see: journalctl -u anycast-routed")


def _wait_for_trials(run_dir: Path, config: Config) -> None:
    """Wait until each changed check has passed or failed.

    Raises:
        ConfigError: one fails while the old check passes, so the old one still decides.
        NotConfirmedError: the daemon does not decide in time.
    """
    deadline = time.monotonic() + _LOAD_TIMEOUT + _longest_trial(config)
    while time.monotonic() < deadline:
        status = running_daemon.said(run_dir)
        if status is not None and not status.trials:
            return
        if status is not None and all(
            one.verdict is Verdict.DOWN for one in status.trials.values()
        ):
            failed = [one for one in status.findings if one.code is Code.CHECK_ON_TRIAL]
            message = "\n".join(printable(f"{one.about}: {one.detail}") for one in failed)
            raise ConfigError(message, hint=printable(failed[0].fix) if failed else "")
        time.sleep(_POLL_INTERVAL)
    message = "the daemon has loaded the config, and a changed check is still on trial"
    raise NotConfirmedError(message, hint="see: anycast-routed status")


def _longest_trial(config: Config) -> float:
    """Return the seconds after which each changed check has a verdict, at most one minute."""
    checks = [service.dns for service in config.services]
    longest = max(2 * (one.rise + one.fall) * max(one.timeout, one.fast_interval) for one in checks)
    return min(longest, _LONGEST_TRIAL)


def handover(
    context: typer.Context,
    *,
    within: Annotated[
        str,
        typer.Option(metavar="30s", help="Withdraw if no new daemon has taken over by then."),
    ] = "30s",
) -> int:
    """Keep the announcements when the daemon stops, for a new daemon to take over.

    Start this verb, and restart the daemon while it waits.
    """
    settings: Settings = context.obj
    config = config_or_defaults(settings)
    run_dir = config.daemon.run_dir
    seconds = parse_duration("--within", within, 1.0, _LONGEST_HANDOVER)
    old = running_daemon.must(run_dir)
    _wait_for_successor(settings, run_dir, old, seconds, within)
    new = _running_daemon_or_withdraw(settings, config, within)
    if new == old:
        handover_mark.clear(run_dir)
        settings.say([f"the daemon, PID {old}, was not restarted and continues as before"])
    else:
        settings.say([f"the daemon, PID {new}, has taken over"])
    settings.emit("handover", before=old, after=new)
    return Exit.OK


def _wait_for_successor(
    settings: Settings, run_dir: Path, old: int, seconds: float, within: str
) -> None:
    """Set the handover mark and wait for a daemon other than PID `old`, at most `seconds`.

    SIGTERM or SIGINT ends the wait early; the caller then decides as if the time were over.
    """
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: received.append(got))
    handover_mark.mark(run_dir, seconds)
    Notify(os.environ).ready()
    settings.talk([f"within {within}: systemctl restart anycast-routed"])
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not received:
        time.sleep(_POLL_INTERVAL)
        status = status_file.load(run_dir)
        # Test the lock only if the PID changed: a test could block a daemon that starts.
        if status is not None and status.pid != old and running_daemon.pid(run_dir) == status.pid:
            return


def _running_daemon_or_withdraw(settings: Settings, config: Config, within: str) -> int:
    """Return the PID of the running daemon; if none runs, withdraw everything.

    Raises:
        NotConfirmedError: no daemon has taken over, so everything was withdrawn.
        LockedError: another verb, not a daemon, holds the lock.
    """
    run_dir = config.daemon.run_dir
    with contextlib.ExitStack() as held:
        try:
            # The lock decides; holding it also keeps a daemon from starting now.
            held.enter_context(lock.hold(run_dir, "handover"))
        except LockedError:
            if (daemon := running_daemon.pid(run_dir)) is not None:
                return daemon
            raise
        except UntrustedError as error:
            settings.talk([f"warning: going on without the lock: {error.message}"])
        with contextlib.suppress(AnycastRoutedError):
            handover_mark.clear(run_dir)
        withdrawn, _ = withdraw_all(config)
    settings.say(f"- {prefix}" for prefix in withdrawn)
    message = f"no new daemon has taken over within {within}, so everything was withdrawn"
    raise NotConfirmedError(message, hint="see: systemctl status anycast-routed")
