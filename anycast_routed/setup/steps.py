"""What `setup` is to do: files to write and delete, and commands, first shown and then done."""

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
    from pathlib import Path

    from anycast_routed.report.output import Output

_WITHIN = 90.0  # seconds for a command; a daemon that is stopped has 60 to withdraw


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, in this order."""

    first: list[tuple[str, ...]] = field(default_factory=list)
    files: dict[Path, str] = field(default_factory=dict)
    bird_conf: dict[Path, str] = field(default_factory=dict)
    gone: list[Path] = field(default_factory=list)
    last: list[tuple[str, ...]] = field(default_factory=list)
    said: str = ""
    """What is left for the operator to do."""
    nothing: str = "nothing is missing"
    """What is said where there is nothing to do."""

    @property
    def is_for_root(self) -> bool:
        """Whether it is about more than bird.conf, which may be somebody else's to write."""
        return bool(self.first or self.files or self.gone or self.last)

    def is_empty(self) -> bool:
        """Tell whether there is nothing to do."""
        return not (self.is_for_root or self.bird_conf)

    def show(self, output: Output, *, write: bool) -> None:
        """Print what is to be done; `write` is whether it will be."""
        written = {**self.files, **self.bird_conf}
        started = [*self.first, *self.last]
        output.emit(
            "setup",
            files={str(path): text for path, text in written.items()},
            commands=[list(command) for command in started],
            removed=[str(path) for path in self.gone],
            written=write,
        )
        for path, text in written.items():
            output.say(difference(path, files.read(path), text))
        output.say(f"+ {shlex.join(command)}" for command in started)
        if self.is_empty():
            output.say([self.nothing])
        elif not write:
            output.say(f"- {path}" for path in self.gone)
            output.say(["nothing was written; --write does it"])

    def do(self, output: Output, *, backup: str) -> None:
        """Do it; `backup` is what the name of a changed file's old content ends with."""
        if self.is_for_root:
            be_root()
        for command in self.first:
            _run(command)
        for path, text in self.bird_conf.items():
            bird_conf.install(path, text, backup=backup)
            output.say([f"wrote {path}"])
        for path, text in self.files.items():
            if (before := files.read(path)) is not None:
                kept = path.with_name(f"{path.name}.{backup}")
                files.write(kept, before)
                output.say([f"kept what stood there as {kept}"])
            files.write(path, text)
            output.say([f"wrote {path}"])
        for path in self.gone:
            files.remove(path)
            output.say([f"removed {path}"])
        for command in self.last:
            _run(command)


def be_root() -> None:
    """Refuse anyone else.

    Raises:
        AccessDeniedError: we are not root.
    """
    if os.geteuid() != 0:
        message = "only root may make users, and install or remove units"
        raise AccessDeniedError(message, hint="the same with sudo before it")


def _run(command: tuple[str, ...]) -> None:
    done = commands.run(command, within=_WITHIN)
    if done.code != 0:
        said = done.err.strip() or f"exit code {done.code}"
        message = f"{shlex.join(command)}: {said}"
        raise CommandError(message, hint="the rest was not done; run the same command again")
