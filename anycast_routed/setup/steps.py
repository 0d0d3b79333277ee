"""The steps of `setup`: files to write and remove, and commands; first shown, then done."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anycast_routed.announce.masking import difference
from anycast_routed.errors import AccessDeniedError, CommandError
from anycast_routed.setup import bird_conf
from anycast_routed.system import commands, files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from anycast_routed.report.output import Output

_COMMAND_TIMEOUT = 90.0  # seconds; a stopping daemon may take 60 to withdraw


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one run of `setup`, done in the order of the fields."""

    commands_before: list[tuple[str, ...]] = field(default_factory=list)
    bird_conf: dict[Path, str] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)
    removed_files: list[Path] = field(default_factory=list)
    commands_after: list[tuple[str, ...]] = field(default_factory=list)
    next_step: str = ""
    """What the operator does next; printed after the steps."""
    nothing_to_do: str = "nothing is missing"
    """The message if there are no steps."""

    @property
    def need_root(self) -> bool:
        """Whether the steps change more than bird.conf, which another user may own."""
        return bool(self.commands_before or self.files or self.removed_files or self.commands_after)

    def is_empty(self) -> bool:
        """Return whether there are no steps."""
        return not (self.need_root or self.bird_conf)

    def show(self, output: Output, *, write: bool) -> None:
        """Print the steps; `write` is whether they will be done after that."""
        written = {**self.files, **self.bird_conf}
        commands_run = [*self.commands_before, *self.commands_after]
        output.emit(
            "setup",
            files={str(path): text for path, text in written.items()},
            commands=[list(command) for command in commands_run],
            removed=[str(path) for path in self.removed_files],
            written=write,
        )
        for path, text in written.items():
            output.say(difference(path, files.read(path), text))
        output.say(f"+ {shlex.join(command)}" for command in commands_run)
        if self.is_empty():
            output.say([self.nothing_to_do])
        elif not write:
            output.say(f"- {path}" for path in self.removed_files)
            output.say(["nothing was written; --write does these steps"])

    def run(self, output: Output, *, backup: str) -> None:
        """Do the steps; `backup` is the suffix of the copy of a changed file's old content.

        Raises:
            AccessDeniedError: the steps need root, and this process is not root.
            CommandError: a command failed; the steps after it were not done.
            RejectedError: BIRD rejects the new bird.conf.
        """
        if self.need_root:
            require_root()
        for command in self.commands_before:
            _run(command)
        for path, text in self.bird_conf.items():
            bird_conf.install(path, text, backup=backup)
            output.say([f"wrote {path}"])
        for path, text in self.files.items():
            if (before := files.read(path)) is not None:
                kept = path.with_name(f"{path.name}.{backup}")
                files.write(kept, before)
                output.say([f"kept the old file as {kept}"])
            files.write(path, text)
            output.say([f"wrote {path}"])
        for path in self.removed_files:
            files.remove(path)
            output.say([f"removed {path}"])
        for command in self.commands_after:
            _run(command)


def require_root() -> None:
    """Refuse every user but root.

    Raises:
        AccessDeniedError: this process is not root.
    """
    if os.geteuid() != 0:
        message = "only root may create users, and install or remove units"
        raise AccessDeniedError(message, hint="run the same command with sudo")


def changed(texts: dict[Path, str]) -> dict[Path, str]:
    """Return the texts that differ from the files as they are now."""
    return {path: text for path, text in texts.items() if files.read(path) != text}


def without_links(output: Output, paths: Iterable[Path]) -> list[Path]:
    """Leave out links, with a warning: they belong to the operator. A masked unit is one."""
    kept = []
    for path in paths:
        if path.is_symlink():
            output.talk([f"warning: {path} is a link to {path.readlink()}, and is left unchanged"])
        else:
            kept.append(path)
    return kept


def _run(command: tuple[str, ...]) -> None:
    """Run a command.

    Raises:
        CommandError: its exit code is not 0.
    """
    done = commands.run(command, within=_COMMAND_TIMEOUT)
    if done.code != 0:
        reason = done.err.strip() or f"exit code {done.code}"
        message = f"{shlex.join(command)}: {reason}"
        hint = "the steps after it were not done; correct this, and run setup again"
        raise CommandError(message, hint=hint)
