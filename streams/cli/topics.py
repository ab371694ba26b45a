"""`journeys topics`: the topics of the pipeline."""

from typing import Annotated

import typer

from streams.cli.addressing import AsJson, DataDir, Kafka

app = typer.Typer(help="The topics of the pipeline.", no_args_is_help=True)


@app.command("create")
def create(
    data_dir: DataDir = None,
    kafka: Kafka = None,
    partitions: Annotated[
        int | None, typer.Option(help="Partitions of the touchpoint topics (default 4).", min=1, max=1024)
    ] = None,
    replication: Annotated[int | None, typer.Option(help="Replicas of each topic (default 1).", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing; those that exist are checked and left alone."""
    from kafka.errors import KafkaError

    from streams.cli.output import friendly_errors, print_json, print_table
    from streams.settings import SettingsError, load_settings
    from streams.topics import TopicMismatch, create_topics, topic_specs

    with friendly_errors(SettingsError, TopicMismatch, KafkaError):
        settings = load_settings(data_dir, kafka=kafka)
        chosen = {"partitions": partitions, "replication": replication}
        settings = settings.model_copy(update={name: value for name, value in chosen.items() if value is not None})
        done = create_topics(settings)
    if as_json:
        print_json(done)
        return
    specs = {spec.name: spec for spec in topic_specs(settings)}
    print_table(["topic", "partitions", ""], [[name, specs[name].partitions, what] for name, what in done.items()])
