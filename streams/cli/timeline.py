"""`journeys timeline`: one person's story."""

from typing import Annotated

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir

HELP = """Tell one person's story over all channels: touchpoints in their journeys, waits between them, frictions.

IDENTITY is namespace:value as producers send it, e.g. customer_no:4711, or a person key as tables and alerts show it.
"""


def command(
    identity: Annotated[str, typer.Argument(metavar="IDENTITY", help="namespace:value, or a person key.")],
    tenant: Annotated[str, typer.Option(help="The company or brand.")] = "default",
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Tell one person's story."""
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.questions import QuestionRefused
    from streams.cli.output import friendly_errors, print_json
    from streams.cli.storytelling import counted, story_lines
    from streams.settings import SettingsError, load_settings
    from streams.store import reading_address
    from streams.timeline import NobodyFound, find_person, load_story

    with friendly_errors(SettingsError, NobodyFound, QuestionRefused, StoreUnavailable, SchemaMismatch):
        settings = load_settings(data_dir, clickhouse=clickhouse)
        address = reading_address(settings)
        story = load_story(address, find_person(address, identity, tenant=tenant, keyring=settings.keyring()))
    if as_json:
        print_json(story)
        return
    typer.echo(
        f"Person {story.person_key}: {counted(story.touchpoints, 'touchpoint')}, {counted(story.sessions, 'session')},"
        f" {counted(story.journeys, 'journey')}, {counted(story.frictions, 'friction')}\n"
    )
    for line in story_lines(story):
        typer.echo(line)
