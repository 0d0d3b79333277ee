"""`withdraw`: withdraw everything, even if the config, the disk or the lock cannot be used."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose, owner
from anycast_routed.announce.withdraw import shorten_file
from anycast_routed.announce.withdraw import withdraw_all as withdraw_router
from anycast_routed.config import Config, Router
from anycast_routed.decide.origins import Wanted, managed, origin_findings, still_announced
from anycast_routed.errors import (
    AnycastRoutedError,
    ConfigError,
    Exit,
    LockedError,
    NotConfirmedError,
)
from anycast_routed.model import Verdict
from anycast_routed.reconcile.assumed_plan import assumed
from anycast_routed.report import findings, plan_lines, text
from anycast_routed.state import running_daemon
from anycast_routed.system import files, lock
from anycast_routed.system.process_stat import seconds_since_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.cli.options import Settings
    from anycast_routed.model import Origin, Prefix, Readback

_LOCK_TIMEOUT = 5.0  # seconds to wait for another instance to end


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(withdraw)


def withdraw(
    context: typer.Context,
    *,
    force: Annotated[
        bool,
        typer.Option("--force", help="Withdraw although another instance runs; it may be hung."),
    ] = False,
) -> int:
    """Withdraw everything that anycast-routed announces, now.

    Works without a readable config and on a full disk. The next `apply` announces the healthy
    prefixes again: stop its timer first. A running daemon would too, so the verb is refused then,
    and while another instance, with another run directory, owns the router.
    """
    settings: Settings = context.obj
    config = config_or_defaults(settings)
    run_dir = config.daemon.run_dir
    daemon = _daemon(run_dir)
    if daemon is not None and not force:
        message = f"the daemon, PID {daemon}, would announce the healthy prefixes again at once"
        hint = "anycast-routed drain; or: systemctl stop anycast-routed; or, if it hangs: --force"
        raise LockedError(message, hint=hint)
    with _lock_if_possible(settings, run_dir, 0.0 if daemon else _LOCK_TIMEOUT):
        withdrawn, after = withdraw_all(config, force=force)
    seconds = seconds_since_start()
    router = ", ".join(one.router for one in after)
    left = _others(config, withdrawn)
    settings.emit("withdraw", withdrawn=withdrawn, router=router, seconds=seconds, origins=left)
    settings.say(f"- {prefix}" for prefix in withdrawn)
    confirmed = "; ".join(map(plan_lines.confirmation, after))
    settings.say([f"{confirmed}; {text.duration(seconds)} in all"])
    # The notes warn of a saved router config that would announce again.
    for speaker in choose.every(config):
        with contextlib.suppress(AnycastRoutedError):
            settings.talk(findings.lines(speaker.notes()))
    settings.say(findings.lines(origin_findings(Wanted(), left)))
    return Exit.NOT_CONFIRMED if still_announced(Wanted(), left) else Exit.OK


def _others(config: Config, withdrawn: tuple[Prefix, ...]) -> list[Origin]:
    """Return what else announces the withdrawn prefixes, and those that the config gives."""
    prefixes = dict.fromkeys(withdrawn)
    left: list[Origin] = []
    with contextlib.suppress(AnycastRoutedError):
        if config.services:
            prefixes |= dict.fromkeys(managed(assumed(config, Verdict.UP)[0]))
        for speaker in choose.every(config):
            left += speaker.origins(tuple(prefixes))
    return left


def _daemon(run_dir: Path) -> int | None:
    """Return the PID of the running daemon; None if none runs or that cannot be read."""
    with contextlib.suppress(AnycastRoutedError):
        return running_daemon.pid(run_dir)
    return None


@contextlib.contextmanager
def _lock_if_possible(settings: Settings, run_dir: Path, timeout: float) -> Iterator[None]:
    """Hold the run directory's lock; warn and go on without it after `timeout` seconds."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(lock.hold(run_dir, "withdraw", within=timeout))
        except AnycastRoutedError as error:
            warning = f"going on without the lock: {text.printable(error.message)}"
            settings.talk([f"warning: {warning}; the process that holds it may announce again"])
        yield


def withdraw_all(
    config: Config, *, force: bool = False
) -> tuple[tuple[Prefix, ...], tuple[Readback, ...]]:
    """Withdraw in the file that a router reads, even if no router answers; then at each router.

    If the router that anycast-routed announces through cannot be determined, withdraw from both
    BIRD and FRR. Return the withdrawn prefixes, and each router's read-back after that.

    `force`: also if another instance owns the router.

    Raises:
        OtherOwnerError: another instance owns the router or its file.
        NotConfirmedError: the router still holds a prefix, or a reload would bring it back.
        RouterUnavailableError, AccessDeniedError: the router could not be reached; the file has
            no prefixes, as far as it can be written.
    """
    had_file = _shorten_files(config, force=force)
    withdrawn: list[Prefix] = []
    after: list[Readback] = []
    errors: list[AnycastRoutedError] = []
    for speaker in choose.every(config):
        try:
            before = speaker.read() if force else owner.read(speaker)
            had = had_file.get(speaker.name, True)
            readback = _withdraw_from(speaker, before, had_file=had)
        except AnycastRoutedError as error:
            errors.append(error)
        else:
            withdrawn += [route.prefix for route in before.originated]
            after.append(readback)
    if errors:
        raise errors[0]
    return tuple(withdrawn), tuple(after)


def _shorten_files(config: Config, *, force: bool) -> dict[str, bool]:
    """Withdraw in each file that a router reads; return for each router whether it had one.

    Raises:
        OtherOwnerError: another instance has written the file of the router that the config means.
    """
    had_file: dict[str, bool] = {}
    for speaker in choose.with_file(config):
        try:
            if not force:
                owner.refuse_file(speaker)
        except owner.OtherOwnerError:
            if config.router.daemon in {"auto", speaker.name}:
                raise
            continue
        # An unreadable directory or file must not prevent the withdrawal at the router. A fault of
        # the file is reported after that withdrawal.
        with contextlib.suppress(AnycastRoutedError):
            had_file[speaker.name] = files.read(speaker.file) is not None
        with contextlib.suppress(AnycastRoutedError):
            shorten_file(speaker, frozenset())
    return had_file


def _withdraw_from(speaker: Speaker, before: Readback, *, had_file: bool) -> Readback:
    """Withdraw everything from one router; return its read-back after that.

    `before` is the read-back before, and `had_file` is whether the file that the router reads
    existed before.
    """
    withdraw_router(speaker)
    emptied = files.read(speaker.file)
    # The router may reject its config because the operator's own part is broken. The prefixes
    # stay withdrawn all the same: the read-back decides.
    with contextlib.suppress(AnycastRoutedError):
        speaker.load(emptied or "")
    after = speaker.read()
    if after.originated:
        held = ", ".join(str(route.prefix) for route in after.originated[:5])
        message = f"the router still holds {held}"
        raise NotConfirmedError(message)
    if before.originated and not had_file:
        message = f"withdrawn, but {speaker.file} does not exist, so another file has the routes"
        hint = (
            "correct router.include-file in the config, and withdraw again: "
            "a reload of the router brings the routes back"
        )
        raise NotConfirmedError(message, hint=hint)
    return after


def config_or_defaults(settings: Settings) -> Config:
    """Return the config; warn and return one with defaults only if it cannot be loaded."""
    try:
        return settings.load()
    except ConfigError as error:
        settings.talk([f"warning: going on without the config: {error.message}"])
        router = Router().model_copy(update={"daemon": settings.router or "auto"})
        return Config.model_construct(services=(), bgp=None, router=router)
