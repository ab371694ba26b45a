"""`journeys rules`: what friction rules say, and whether they do what their examples say."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer

from streams.cli.addressing import AsJson
from streams.cli.publishing import publish, published, retire

if TYPE_CHECKING:
    from processors.friction.definition import Calendars, RuleDefinition
    from processors.friction.examples import Outcome
    from processors.friction.finding import FrictionRule
    from processors.friction.loading import RuleFileError

app = typer.Typer(
    help="Friction rules: the shipped ones, files of your own, and what workers judge by.", no_args_is_help=True
)

Folder = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", exists=True, file_okay=False, help="Rule files here, not the shipped ones."),
]
Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE", exists=True, help="Rule files or folders of them; the shipped ones without."),
]


@app.command("list")
def list_rules(folder: Folder = None, as_json: AsJson = False) -> None:
    """List rules in the order of the catalogue. Exit code 1: a file is wrong; every problem is named."""
    from streams.cli.output import print_json, print_table

    rules = [
        {
            "id": definition.id,
            "catalogue": definition.catalogue,
            "title": definition.title,
            "version": definition.version,
            "classes": _classes(definition),
            "bases": sorted({variant.base for variant in definition.variants}),
            "owner": definition.owner_team,
            "shadow": definition.shadow,
        }
        for definition in _definitions([] if folder is None else [folder])
    ]
    if as_json:
        print_json(rules)
    elif rules:
        rows = [[*list(rule.values())[:-1], "shadow" if rule["shadow"] else ""] for rule in rules]
        print_table(["id", "no", "title", "version", "class", "base", "owner", ""], rows)
    else:
        typer.echo("no rules")


@app.command("show")
def show(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="Which rule, as `list` shows it.")],
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Show what a rule says: when it fires, when not, how bad that is, what it costs. Exit code 1: there is none."""
    from processors.friction.plain_words import told
    from processors.friction.suggestion import did_you_mean
    from streams.cli.output import print_json

    definitions = {definition.id: definition for definition in _definitions([] if folder is None else [folder])}
    if rule_id not in definitions:
        meant = did_you_mean(rule_id, definitions)
        typer.echo(f"error: there is no rule {rule_id}{meant}; there are: {', '.join(definitions) or 'none'}", err=True)
        raise typer.Exit(1)
    if as_json:
        print_json(definitions[rule_id].model_dump(mode="json", by_alias=True))
        return
    for line in told(definitions[rule_id]):
        typer.echo(line)


@app.command("check")
def check(files: Files = None, folder: Folder = None, as_json: AsJson = False) -> None:
    """Check what rule files say, without running their examples.

    Every problem is named with its file, line and column. Exit code 1: there are problems.
    """
    from processors.friction.loading import RuleFileError
    from streams.cli.output import print_json

    try:
        definitions = _loaded(_paths(files, folder))
    except RuleFileError as error:
        _refuse(error, as_json=as_json)
    ids = [definition.id for definition in definitions]
    if as_json:
        print_json({"rules": ids, "problems": []})
    else:
        typer.echo(f"{_counted(len(ids), 'rule')} as {'it' if len(ids) == 1 else 'they'} should be: {', '.join(ids)}")


@app.command("test")
def run(
    files: Files = None,
    folder: Folder = None,
    calendars: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Business calendars, not the shipped ones."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check rule files and run their examples: what must fire, and what must not.

    Where an example fails, the checks and guards that decided are named.

    Exit code 1: a file is wrong, or an example fails.
    """
    from processors.friction.catalogue import default_calendars
    from processors.friction.examples import objecting_guards, run_examples, tried
    from processors.friction.loading import RuleFileError
    from streams.cli.output import print_json
    from streams.rule_files import read_calendars

    results: list[dict[str, Any]] = []
    try:
        hours = default_calendars() if calendars is None else read_calendars(calendars)
        definitions = _loaded(_paths(files, folder))
    except RuleFileError as error:
        _refuse(error, as_json=as_json)
    compile_ = _compiler(hours)
    for definition in definitions:
        try:
            rule = compile_(tried(definition))
        except ValueError as error:
            results.append(_result_of_none(definition, str(error)))
            continue
        for outcome in run_examples(definition, rule):
            is_short = len(outcome.fired) < len(outcome.example.fires)
            objecting = objecting_guards(definition, outcome.example, compile_) if is_short else ()
            results.append(_result(definition, outcome) | {"objecting": [guard.says for guard in objecting]})
    failed = sum(not result["passed"] for result in results)
    if as_json:
        print_json(results)
    else:
        for result in results:
            _print_result(result)
        examples = sum(result["example"] is not None for result in results)
        typer.echo(f"{_counted(examples, 'example')} of {_counted(len(definitions), 'rule')}, {failed} failed")
    if failed:
        raise typer.Exit(1)


app.command("publish")(publish)
app.command("retire")(retire)
app.command("published")(published)


def _compiler(calendars: "Calendars") -> "Callable[[RuleDefinition], FrictionRule]":
    from processors.friction.engine import compiled

    return partial(compiled, calendars=calendars)


def _paths(files: list[Path] | None, folder: Path | None) -> list[Path]:
    return [*(files or ()), *([folder] if folder else ())]


def _loaded(paths: list[Path]) -> "tuple[RuleDefinition, ...]":
    from processors.friction.catalogue import definitions
    from streams.rule_files import read_definitions

    return read_definitions(paths) if paths else definitions()


def _definitions(paths: list[Path]) -> "tuple[RuleDefinition, ...]":
    from processors.friction.loading import RuleFileError
    from streams.cli.output import friendly_errors

    with friendly_errors(RuleFileError):
        return _loaded(paths)


def _refuse(error: "RuleFileError", *, as_json: bool) -> NoReturn:
    """Print all problems and end the command."""
    from streams.cli.output import print_json

    if as_json:
        print_json({"rules": [], "problems": [problem._asdict() for problem in error.problems]})
    else:
        typer.echo(str(error), err=True)
        typer.echo(_counted(len(error.problems), "problem"), err=True)
    raise typer.Exit(1)


def _classes(definition: "RuleDefinition") -> tuple[str, ...]:
    from processors.friction.plain_words import classes_of

    return classes_of(definition)


def _result(definition: "RuleDefinition", outcome: "Outcome") -> dict[str, Any]:
    return {
        "rule": definition.id,
        "example": outcome.example.says,
        "passed": outcome.is_as_expected,
        "expected": outcome.example.fires,
        "fired": outcome.fired,
        "checks": [{"variant": variant, **msgspec.structs.asdict(check)} for variant, check in outcome.reasons()],
    }


def _result_of_none(definition: "RuleDefinition", problem: str) -> dict[str, Any]:
    return {"rule": definition.id, "example": None, "passed": False, "problem": problem}


def _print_result(result: dict[str, Any]) -> None:
    typer.echo(
        f"{'ok    ' if result['passed'] else 'FAILED'} {result['rule']}: {result['example'] or result['problem']}"
    )
    if result["passed"] or result["example"] is None:
        return
    typer.echo(f"         expected {_variants(result['expected'])}, fired {_variants(result['fired'])}")
    for check in result["checks"]:
        held = "holds" if check["passed"] else "does not hold"
        typer.echo(f"         {check['variant']}: {check['name']} {check['value']} ({check['threshold']}) {held}")
    for says in result["objecting"]:
        typer.echo(f"         kept silent by a guard, for which this must hold: {says}")
    if not result["fired"] and not result["objecting"]:
        typer.echo("         no pattern was found: compare its windows and fields with the example (rules show)")


def _variants(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
