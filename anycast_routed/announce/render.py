"""Router config from a plan's layout, with jinja2: same input, same text, byte for byte.

The first line of a rendering says what it was made from and what it must read, so that an intact
file is known to be up to date without rendering it again (and without loading jinja2, which a
run that changes nothing has no other use for).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

_DIGITS = 16  # hex digits of a digest: 64 bits tell texts apart, nobody attacks them here
_HEADER = re.compile(r"^[#!] anycast-routed inputs=([0-9a-f]+) text=([0-9a-f]+)\n")
_COMMENT = {"bird": "#", "frr": "!"}  # what starts a comment in that router's language


def load() -> None:
    """Load jinja2 now: a process that stays must not wait for it at its first change."""
    import jinja2.sandbox  # noqa: F401, PLC0415 - see above


class Renderer:
    """Renders `<speaker>.conf.j2`, from the operator's folder before the one we ship."""

    def __init__(self, speaker: str, template_dir: Path | None = None) -> None:
        self._speaker = speaker
        self._name = f"{speaker}.conf.j2"
        self._folders = ([template_dir] if template_dir else []) + [_shipped()]

    def render(self, variables: Mapping[str, object], current: str | None = None) -> str:
        """Return the whole text. `current` comes back as it is when it is intact and the same.

        Raises:
            ConfigError: the template (the operator's own, most likely) is wrong.
        """
        inputs = _digest(self._source() + repr(sorted(variables.items())))
        if current is not None and _describes(current) == inputs:
            return current
        body = self._body({**variables, "fingerprint": inputs})
        return (
            f"{_COMMENT[self._speaker]} anycast-routed inputs={inputs} text={_digest(body)}\n{body}"
        )

    def _source(self) -> str:
        for folder in self._folders:
            try:
                return (folder / self._name).read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError) as error:
                message = f"cannot read the template {folder / self._name}: {error}"
                raise ConfigError(message) from error
        message = f"no template {self._name} in {', '.join(map(str, self._folders))}"
        raise ConfigError(message, hint="reinstall anycast-routed")

    @cached_property
    def _environment(self) -> Environment:
        import jinja2.sandbox  # noqa: PLC0415 - 50 ms that a run which changes nothing can save

        return jinja2.sandbox.ImmutableSandboxedEnvironment(
            loader=jinja2.FileSystemLoader(self._folders),
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def _body(self, variables: Mapping[str, object]) -> str:
        import jinja2  # noqa: PLC0415 - as above

        try:
            return self._environment.get_template(self._name).render(variables)
        except jinja2.TemplateSyntaxError as error:
            message = f"{error.filename or self._name}:{error.lineno}: {error.message}"
            raise ConfigError(message, hint="compare it with the template we ship") from error
        except Exception as error:
            # A template can fail as any program can.
            message = f"{self._name} cannot be rendered: {type(error).__name__}: {error}"
            raise ConfigError(message, hint="compare it with the template we ship") from error


def _describes(text: str) -> str | None:
    """Return the digest of the inputs that an intact rendering was made from."""
    header = _HEADER.match(text)
    if header is None or _digest(text[header.end() :]) != header.group(2):
        return None
    return header.group(1)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


@cache
def _shipped() -> Path:
    # In the wheel the templates stand inside the package, in a checkout beside it.
    package = Path(__file__).parent.parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"
