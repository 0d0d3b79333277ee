"""The man pages and completions that are generated from the command line and the config."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed import config, manual
from anycast_routed.config.json_schema import reference
from anycast_routed.errors import Exit
from anycast_routed.manual import config_page
from anycast_routed.manual.verbs import program
from anycast_routed.system import commands

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PROGRAM = "man/anycast-routed.8"
CONFIG = "man/anycast-routed.toml.5"
BASH = """
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }  # the builtin works only during a real completion
_anycast_routed
printf '%s\\n' "${COMPREPLY[@]}"
"""
# zsh completes only in a terminal.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= TERM=dumb; fpath=($1 \$fpath)"
zpty -w shell "autoload -Uz compinit; compinit -D -u; echo re''ady"
zpty -r -m shell text '*ready*'
for line in 'anycast-routed st' 'anycast-routed status --wa' 'anycast-routed --router b'; do
    zpty -w -n shell "$line"$'\t'" ; echo do''ne"$'\n'
    zpty -r -m shell text '*done*'
    print -r -- "$text"
done
zpty -d shell
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate all files as the build of the package does; return their directory."""
    directory = tmp_path_factory.mktemp("manual")
    argv = [sys.executable, "-m", "anycast_routed.manual", str(directory)]
    assert run_silently(argv) == ""
    return directory


@pytest.fixture(scope="module")
def pages(made: Path) -> dict[str, str]:
    """Return each page as `man` shows it, in one line."""
    shown = {}
    for name in (PROGRAM, CONFIG):
        argv = ["env", "MANWIDTH=200", "LC_ALL=C.UTF-8", "man", "--warnings", "-l"]
        # man prints a bold character twice, with a backspace between.
        text = re.sub(".\b", "", run_silently([*argv, str(made / name)]))
        shown[name] = " ".join(text.split())
    return shown


def run_silently(argv: Sequence[str]) -> str:
    """Run a command that must succeed and write nothing to stderr; return its output."""
    done = commands.run(argv, within=60)
    assert (done.code, done.err) == (0, "")
    return done.out


def complete(made: Path, *words: str) -> list[str]:
    """Return the completions that bash offers for the last of these words."""
    file = str(made / "completions/bash/anycast-routed")
    argv = ["bash", "-euc", BASH, "bash", file, "anycast-routed", *words]
    return run_silently(argv).split()


def test_groff_reports_no_warning(made: Path) -> None:
    for name in (PROGRAM, CONFIG):
        run_silently(["groff", "-Wall", "-ww", "-man", "-Tutf8", str(made / name)])


def test_the_page_has_every_verb_option_and_argument_with_its_text(pages: dict[str, str]) -> None:
    for verb in program():
        assert f"{verb.name} " in pages[PROGRAM]
        assert " ".join(verb.text.replace("`", "").split()) in pages[PROGRAM] or not verb.name
        for option in verb.options:
            if "--help" not in option.names or not verb.name:
                tag = f"{', '.join(option.names)} {option.value.strip('<>')}".rstrip()
                assert tag in pages[PROGRAM]
                assert option.text.replace("`", "") in pages[PROGRAM]
        for shown, text in verb.arguments:
            assert f"{shown} {text}" in pages[PROGRAM]


def test_the_page_has_every_exit_code(pages: dict[str, str]) -> None:
    status = pages[PROGRAM].partition("EXIT STATUS")[2]
    assert all(f" {int(code)} " in status for code in Exit)


def test_the_page_has_every_key_with_its_type_default_and_text(pages: dict[str, str]) -> None:
    for row in reference():
        if "." not in row.path:
            assert f"[{row.path}]" in pages[CONFIG]
            continue
        assert row.description.replace("`", "") in pages[CONFIG]
        parts = [row.path.rpartition(".")[2], row.type, row.default]
        name, kind, default = map(re.escape, parts)
        assert re.search(rf"{name} +\({kind}[^)]*{default}\)", pages[CONFIG])


@pytest.mark.parametrize("text", [config_page.EXAMPLE, config_page.SEVERAL])
def test_the_examples_in_the_page_are_valid_configs(text: str, pages: dict[str, str]) -> None:
    assert config.loads(text, name="example", toml=True).services
    assert " ".join(text.split()) in pages[CONFIG]


def test_the_only_date_in_the_files_is_source_date_epoch() -> None:
    assert manual.files({}) == manual.files({})
    dated = manual.files({"SOURCE_DATE_EPOCH": "0"})
    assert '"1970-01-01"' in dated[PROGRAM]
    for name, text in manual.files({}).items():
        assert not re.search(r"\b(19|20)\d\d-\d\d-\d\d\b", text), name


def test_bash_completes(made: Path) -> None:
    assert complete(made, "st") == ["status"]
    assert complete(made, "status", "--w") == ["--watch"]
    assert complete(made, "--router", "b") == ["bird"]
    assert complete(made, "--router", "=", "b") == ["bird"]
    assert complete(made, "--config", "/srv/apply", "drain", "--rea") == ["--reason"]
    assert complete(made, "drain", "--reason", "") == []
    assert complete(made, "config", "s") == ["schema"]
    assert f"{made}/man" in complete(made, "--config", f"{made}/")
    assert set(complete(made, "")) >= {verb.name.split(" ")[0] for verb in program() if verb.name}


def test_fish_completes(made: Path) -> None:
    file = made / "completions/fish/anycast-routed.fish"

    def offered(line: str) -> list[str]:
        output = run_silently(["fish", "-c", f"source {file}; complete -C '{line}'"])
        return [row.split("\t")[0] for row in output.splitlines()]

    assert offered("anycast-routed st") == ["status"]
    assert "--watch" in offered("anycast-routed status --w")
    assert offered("anycast-routed --router ") == ["auto", "bird", "frr"]


def test_zsh_completes(made: Path) -> None:
    output = run_silently(["zsh", "-fc", ZSH, "zsh", str(made / "completions/zsh")])
    offered = output.replace("\a", "")
    assert "status" in offered
    assert "--watch" in offered
    assert "bird" in offered


def test_the_completions_of_each_shell_have_every_verb_and_option(made: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        (file,) = (made / "completions" / shell).iterdir()
        text = file.read_text()
        for verb in program():
            for option in verb.options:
                for name in option.names:
                    word = name.lstrip("-") if shell == "fish" else name
                    assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text), (shell, name)
