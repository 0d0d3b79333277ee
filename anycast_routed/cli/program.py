"""The command line of the program: its options, and its verbs."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from pathlib import Path  # noqa: TC003 - typer reads the annotations of `options`
from typing import Annotated

import typer

from anycast_routed import __version__
from anycast_routed.cli.options import Settings

_EPILOG = "These options work before or after the verb. `VERB --help` shows the other options."
_MODULES = {
    "apply": ("apply", "plan"),
    "daemon": ("daemon",),
    "control": ("reload", "handover"),
    "drain": ("drain", "undrain"),
    "withdraw": ("withdraw",),
    "inspect": ("check", "scan", "render", "validate", "config"),
    "status": ("status",),
    "explain": ("explain",),
    "history": ("history",),
    "setup": ("setup",),
}
"""The modules of this directory, with their verbs."""


def program(verb: str = "") -> typer.Typer:
    """Return the program with all verbs, or with only those of the module of `verb`.

    A run needs one verb. To import and describe all the others takes longer than the work of an
    `apply` that changes nothing.
    """
    app = typer.Typer(
        name="anycast-routed",
        help="Announce anycast addresses through BIRD or FRR while the DNS server here is healthy.",
        epilog=_EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(options)
    needed = [module for module, verbs in _MODULES.items() if verb in verbs]
    for module in needed or _MODULES:
        import_module(f"anycast_routed.cli.{module}").register(app)
    return app


class RouterName(StrEnum):
    """The values of `--router`."""

    AUTO = "auto"
    BIRD = "bird"
    FRR = "frr"


def _version(*, wanted: bool) -> None:
    if wanted:
        print(f"anycast-routed {__version__}")
        raise typer.Exit


def options(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            help="The config file; by default $ANYCAST_ROUTED_CONFIG, or config.toml or "
            "config.json in /etc/anycast-routed.",
        ),
    ] = None,
    router: Annotated[
        RouterName | None,
        typer.Option(help="Use this router instead of the config's router.daemon."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON document.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print more detail.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing if nothing has changed.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Store the options that every verb takes in the context."""
    context.obj = Settings(json, verbose, quiet, config, router.value if router else None)
