"""Render a plan as the router's config, and have the router's parser check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce import router_file, transaction
from anycast_routed.announce.render import Renderer
from anycast_routed.config import password_files

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import Plan, Readback


def render(config: Config, speaker: Speaker, desired: Plan) -> str:
    """Return the router config of a plan; the file's present text if that is still right.

    The text holds every password of the config in clear. Mask it before showing it.

    Raises:
        UnreadPasswordsError: some password cannot be read.
        ConfigError: the template is wrong.
    """
    password_files.needed(config)
    renderer = Renderer(speaker.name, config.router.template_dir, speaker.layout.structure)
    current = router_file.read(speaker)
    return renderer.render(speaker.variables(desired, current), current=current)


def rehearse(config: Config, speaker: Speaker, desired: Plan, before: Readback) -> str:
    """Render a plan and check it with the router's parser; load nothing, and return the text.

    Raises:
        ConfigError, RejectedError: as the real step would raise them.
    """
    transaction.refuse_foreign_neighbors(desired, before)
    text = render(config, speaker, desired)
    speaker.check(text)
    return text
