"""The commands of `journeys` as they are, to hold what files and pages say about them."""

from typing import Any

import typer.main

from streams.cli.main import app


def known_commands() -> dict[tuple[str, ...], set[str]]:
    """Every command by its words, e.g. `("topics", "create")`, with the options it takes."""
    found: dict[tuple[str, ...], set[str]] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))
        if not hasattr(command, "commands"):
            found[words] = {option for parameter in command.params for option in parameter.opts}

    walk(typer.main.get_command(app), ())
    return found


def parts_without_help(words: tuple[str, ...]) -> list[str]:
    """The command itself, its options and arguments, as far as `--help` has nothing to say about them."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    parts = [] if command.help else [" ".join(words)]
    return parts + [parameter.opts[-1] for parameter in command.params if not parameter.help]


def one_line(text: str) -> str:
    """Text without the frames and line breaks that the command line puts around mistakes in options."""
    return " ".join(word for word in text.split() if word.strip("│╭╮╰╯─"))


def problem_with(words: list[str]) -> str | None:
    """What is wrong with the words after `journeys`: the command does not exist, or not one of its options."""
    known = known_commands()
    line = f"journeys {' '.join(words)}"
    path = next((tuple(words[:length]) for length in (2, 1) if tuple(words[:length]) in known), None)
    if path is None:
        return f"`{line}`: there is no such command"
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    unknown = options - known[path] - {"--help"}
    return f"`{line}`: no option {', '.join(sorted(unknown))}" if unknown else None
