"""Completion for bash, zsh and fish, as it stands in files: no Python runs at a Tab."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anycast_routed.manual.verbs import Option, Verb

_MADE = "# Made by python3 -m anycast_routed.manual; changes belong there.\n"
_BASH = """\
# shellcheck shell=bash
_anycast_routed() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} verb='' at
    COMPREPLY=()
    # Bash makes a word of the = in --config=FILE.
    [[ $current == = ]] && current=
    [[ $before == = ]] && before=${{COMP_WORDS[COMP_CWORD - 2]}}
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${{COMP_WORDS[at]}} in
            {valued}) ((at++)) ;;
            -* | =) ;;
            *)
                verb=${{COMP_WORDS[at]}}
                break
                ;;
        esac
    done
    case $before in
{values}    esac
    case $verb in
{verbs}    esac
}}
complete -F _anycast_routed anycast-routed
"""
_ZSH = """\
_anycast-routed() {{
    local -a verbs every
    local context state state_descr line
    typeset -A opt_args
    verbs=(
{verbs}    )
    every=(
{every}    )
    _arguments -C -s -S $every '1: :->verb' '*:: :->rest'
    case $state in
        verb) _describe -t verbs 'verb' verbs ;;
        rest)
            case $words[1] in
{rest}            esac
            ;;
    esac
}}
if [[ $funcstack[1] == _anycast-routed ]]; then
    _anycast-routed "$@"
else
    compdef _anycast-routed anycast-routed
fi
"""


def bash(verbs: tuple[Verb, ...]) -> str:
    """Return what bash-completion loads, and which may be sourced as well."""
    program = verbs[0]
    valued = [one for verb in verbs for one in verb.options if one.value]
    names = " | ".join(dict.fromkeys(name for one in valued for name in one.names))
    answers = {" | ".join(one.names): _bash_value(one) for one in valued}
    words = {"''": [*_tops(verbs), *_names(program.options)]}
    for verb in verbs[1:]:
        top, _, below = verb.name.partition(" ")
        words[top] = [*words.get(top, []), *filter(None, [below]), *_names(verb.options)]
        words[top] += _names(program.options)
    cases = (
        f"        {name})\n"
        + _bash_answer(f"-W '{' '.join(dict.fromkeys(all_of_them))}'")
        + "            ;;\n"
        for name, all_of_them in words.items()
    )
    values = (
        f"        {name})\n{answer}            return\n            ;;\n"
        for name, answer in answers.items()
    )
    return _MADE + _BASH.format(valued=names, values="".join(values), verbs="".join(cases))


def zsh(verbs: tuple[Verb, ...]) -> str:
    """Return a file for a folder of zsh's `fpath`."""
    program, *below = verbs
    shown = "".join(
        f"        {shlex.quote(f'{name}:{text}')}\n" for name, text in _described(verbs).items()
    )
    every = "".join(f"        {line}\n" for one in program.options for line in _zsh_option(one))
    rest = []
    for top in _tops(verbs):
        lines = [
            line
            for verb in below
            if verb.name.split(" ")[0] == top
            for one in verb.options
            if "--help" not in one.names
            for line in _zsh_option(one)
        ]
        inner = " ".join(
            verb.name.split(" ")[1] for verb in below if verb.name.startswith(f"{top} ")
        )
        if inner:
            lines.append(f"'1:verb:({inner})'")
        body = " \\\n                    ".join(["_arguments -s -S $every", *lines])
        rest.append(f"                {top})\n                    {body}\n                    ;;\n")
    return (
        "#compdef anycast-routed\n"
        + _MADE
        + _ZSH.format(verbs=shown, every=every, rest="".join(rest))
    )


def fish(verbs: tuple[Verb, ...]) -> str:
    """Return a file for fish's `completions`."""
    program, *below = verbs
    start = "complete -c anycast-routed"
    lines = [f"{start} -f"]
    lines += [f"{start} {line}" for one in program.options for line in _fish_option(one)]
    lines += [
        f"{start} -n __fish_use_subcommand -a {name} -d {shlex.quote(text)}"
        for name, text in _described(verbs).items()
    ]
    for verb in below:
        top, _, inner = verb.name.partition(" ")
        when = f"{start} -n '__fish_seen_subcommand_from {top}'"
        if inner:
            lines.append(f"{when} -a {inner} -d {shlex.quote(verb.summary)}")
        lines += [
            f"{when} {line}"
            for one in verb.options
            if "--help" not in one.names
            for line in _fish_option(one)
        ]
    return _MADE + "".join(f"{line}\n" for line in dict.fromkeys(lines))


def _tops(verbs: Iterable[Verb]) -> list[str]:
    return list(dict.fromkeys(verb.name.split(" ")[0] for verb in verbs if verb.name))


def _described(verbs: tuple[Verb, ...]) -> dict[str, str]:
    """Describe each first word; a group by what its verbs do."""
    found: dict[str, str] = {}
    for verb in verbs[1:]:
        top = verb.name.split(" ")[0]
        found[top] = "; ".join(filter(None, [found.get(top, ""), verb.summary.replace("`", "")]))
    return found


def _names(options: Iterable[Option]) -> Iterator[str]:
    return (name for one in options for name in one.names)


def _bash_value(option: Option) -> str:
    if option.is_path:
        named = "            compopt -o filenames\n"
        return named + _bash_answer("-f")
    if option.choices:
        return _bash_answer(f"-W '{' '.join(option.choices)}'")
    return ""


def _bash_answer(generator: str) -> str:
    return f'            mapfile -t COMPREPLY < <(compgen {generator} -- "$current")\n'


def _zsh_option(option: Option) -> list[str]:
    text = option.text.replace("[", "(").replace("]", ")").replace(":", ";").replace("`", "")
    takes = ""
    if option.value:
        action = "_files" if option.is_path else f"({' '.join(option.choices)})"
        takes = (
            f":{option.value.strip('<>[]').replace('|', ' or ')}:{action if action != '()' else ''}"
        )
    others = f"({' '.join(option.names)})"
    return [
        shlex.quote(
            f"{others}{name}{'=' if takes and name.startswith('--') else ''}[{text}]{takes}"
        )
        for name in option.names
    ]


def _fish_option(option: Option) -> list[str]:
    words = [
        f"-{'l' if name.startswith('--') else 's'} {name.lstrip('-')}" for name in option.names
    ]
    if option.value:
        words.append("-r -F" if option.is_path else "-x")
    if option.choices:
        words.append(f"-a {shlex.quote(' '.join(option.choices))}")
    return [f"{' '.join(words)} -d {shlex.quote(option.text.replace('`', ''))}"]
