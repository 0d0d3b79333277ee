"""`withdraw`: the way out, with as little as possible that must be in order."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose, transaction
from anycast_routed.cli.options import since_start
from anycast_routed.config import Config, Router
from anycast_routed.errors import (
    AnycastRoutedError,
    ConfigError,
    Exit,
    LockedError,
    NotConfirmedError,
)
from anycast_routed.report import findings, text
from anycast_routed.state import running_daemon
from anycast_routed.system import files, lock

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.cli.options import Settings
    from anycast_routed.model import Prefix, Readback

_LOCK_WITHIN = 5.0  # seconds that we wait for another instance to end


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(withdraw)


def withdraw(
    context: typer.Context,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also beside a daemon, which may be hung.")
    ] = False,
) -> int:
    """Withdraw everything of ours now.

    It works without a readable config and on a full disk. The next `apply` announces again what
    is healthy: stop its timer first. Beside a daemon it is refused, which would do the same.
    """
    settings: Settings = context.obj
    config = config_or_defaults(settings)
    run_dir = config.daemon.run_dir
    daemon = None
    with contextlib.suppress(AnycastRoutedError):
        daemon = running_daemon.pid(run_dir)
    if daemon is not None and not force:
        message = f"the daemon, PID {daemon}, would announce again at once what is healthy"
        hint = (
            "anycast-routed drain; or: systemctl stop anycast-routed; or, where it hangs: --force"
        )
        raise LockedError(message, hint=hint)
    with contextlib.ExitStack() as held:
        try:
            within = 0.0 if daemon else _LOCK_WITHIN
            held.enter_context(lock.hold(run_dir, "withdraw", within=within))
        except AnycastRoutedError as error:
            warning = f"going on without the lock: {text.printable(error.message)}"
            settings.talk([f"warning: {warning}; it may announce again"])
        gone, after = withdraw_all(config)
    seconds = since_start()
    router = ", ".join(one.router for one in after)
    settings.emit("withdraw", withdrawn=gone, router=router, seconds=seconds)
    settings.say(f"- {prefix}" for prefix in gone)
    told = "; ".join(map(text.confirmation, after))
    settings.say([f"{told}; {text.duration(seconds)} in all"])
    # What is saved comes back without us.
    for speaker in choose.every(config):
        with contextlib.suppress(AnycastRoutedError):
            settings.talk(findings.lines(speaker.notes()))
    return Exit.OK


def withdraw_all(config: Config) -> tuple[tuple[Prefix, ...], tuple[Readback, ...]]:
    """Withdraw in the file first, whether or not a router answers, and then at the router.

    Where it cannot be known which of two routers is ours, both are told. Returns what was
    withdrawn, and the word of each router after it.

    Raises:
        NotConfirmedError: the router still holds something, or a reload would bring it back.
        RouterUnavailableError, AccessDeniedError: it was not told; the file is as short as it can.
    """
    bird = choose.bird(config)
    was_there = True
    # A folder or a file that we may not read must not stand between us and the router.
    with contextlib.suppress(AnycastRoutedError):
        was_there = files.read(bird.file) is not None
    # What is wrong with the file is said once more below, when the router has been told.
    with contextlib.suppress(AnycastRoutedError):
        transaction.disarm(bird, frozenset())
    gone: list[Prefix] = []
    after: list[Readback] = []
    failed: list[AnycastRoutedError] = []
    for speaker in choose.every(config):
        try:
            before, word = _withdraw(speaker, was_there=was_there)
        except AnycastRoutedError as error:
            failed.append(error)
        else:
            gone += [route.prefix for route in before.originated]
            after.append(word)
    if failed:
        raise failed[0]
    return tuple(gone), tuple(after)


def _withdraw(speaker: Speaker, *, was_there: bool) -> tuple[Readback, Readback]:
    """Tell one router, and return its word before and after it."""
    before = speaker.read()
    transaction.withdraw_all(speaker)
    shortened = files.read(speaker.file)
    # Where the operator's own part is broken it stays withdrawn all the same: the read-back
    # decides.
    with contextlib.suppress(AnycastRoutedError):
        speaker.load(shortened or "")
    after = speaker.read()
    if after.originated:
        left = ", ".join(str(route.prefix) for route in after.originated[:5])
        message = f"the router still holds {left}"
        raise NotConfirmedError(message)
    if before.originated and not was_there and speaker.name == "bird":
        message = f"withdrawn, but {speaker.file} is not there, so another file has the routes"
        hint = (
            "mend the config, which names that file, and withdraw again: a reload brings them back"
        )
        raise NotConfirmedError(message, hint=hint)
    return before, after


def config_or_defaults(settings: Settings) -> Config:
    """Return the config, or one with nothing but defaults where it cannot be read."""
    try:
        return settings.load()
    except ConfigError as error:
        settings.talk([f"warning: going on without the config: {error.message}"])
        router = Router().model_copy(update={"daemon": settings.router or "auto"})
        return Config.model_construct(services=(), bgp=None, router=router)
