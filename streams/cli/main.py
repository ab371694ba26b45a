"""The `journeys` command: every sub-command is a module of this package."""

import logging

import typer

from streams.cli import (
    aggregates,
    alerts,
    backtest,
    check_config,
    dead_letters,
    demo,
    door,
    erase,
    erasures,
    export,
    frictions,
    generate,
    identity,
    import_,
    kafka,
    migrate,
    produce,
    query,
    report,
    rotate_key,
    rules,
    serve,
    stack,
    timeline,
    topics,
    verify,
    wait,
    worker,
)

app = typer.Typer(
    name="journeys",
    help="See where customers get stuck between channels while it happens, with evidence for every claim.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_RUN = "Run"
_SEND = "Send touchpoints"
_LOOK = "Look"

app.command("demo", help=demo.HELP, rich_help_panel=_RUN)(demo.command)
app.command("up", help=stack.UP_HELP, rich_help_panel=_RUN)(stack.up)
app.command("down", help=stack.DOWN_HELP, rich_help_panel=_RUN)(stack.down)
app.command("status", help=stack.STATUS_HELP, rich_help_panel=_RUN)(stack.status)
app.command("worker", help=worker.HELP, rich_help_panel=_RUN)(worker.command)
app.command("door", help=door.HELP, rich_help_panel=_RUN)(door.command)
app.command("migrate", help=migrate.HELP, rich_help_panel=_RUN)(migrate.command)
app.command("refresh-aggregates", help=aggregates.REFRESH_HELP, rich_help_panel=_RUN)(aggregates.refresh)
app.add_typer(kafka.app, name="kafka", rich_help_panel=_RUN)
app.add_typer(topics.app, name="topics", rich_help_panel=_RUN)
app.command("check-config", help=check_config.HELP, rich_help_panel=_RUN)(check_config.command)
app.command("rotate-key", help=rotate_key.HELP, rich_help_panel=_RUN)(rotate_key.command)

app.command("produce", help=produce.HELP, rich_help_panel=_SEND)(produce.command)
app.command("import", help=import_.HELP, rich_help_panel=_SEND)(import_.command)
app.command("generate", help=generate.HELP, rich_help_panel=_SEND)(generate.command)
app.command("wait", help=wait.HELP, rich_help_panel=_SEND)(wait.command)
app.command("erase", help=erase.HELP, rich_help_panel=_SEND)(erase.command)

app.command("serve", help=serve.HELP, rich_help_panel=_LOOK)(serve.command)
app.command("frictions", help=frictions.HELP, rich_help_panel=_LOOK)(frictions.command)
app.command("timeline", help=timeline.HELP, rich_help_panel=_LOOK)(timeline.command)
app.add_typer(identity.app, name="identity", rich_help_panel=_LOOK)
app.command("verify", help=verify.HELP, rich_help_panel=_LOOK)(verify.command)
app.command("check-aggregates", help=aggregates.CHECK_HELP, rich_help_panel=_LOOK)(aggregates.check)
app.command("backtest", help=backtest.HELP, rich_help_panel=_LOOK)(backtest.command)
app.command("query", help=query.HELP, rich_help_panel=_LOOK)(query.command)
app.command("export", help=export.HELP, rich_help_panel=_LOOK)(export.command)
app.command("report", help=report.HELP, rich_help_panel=_LOOK)(report.command)
app.command("erasures", help=erasures.HELP, rich_help_panel=_LOOK)(erasures.command)
app.add_typer(rules.app, name="rules", rich_help_panel=_LOOK)
app.add_typer(alerts.app, name="alerts", rich_help_panel=_LOOK)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=_LOOK)


def main() -> None:
    """Run the command line."""
    # Libraries log what they raise as well, with stacks; commands say in words what went wrong. A worker that runs sets
    # up logs of its own.
    logging.getLogger().addHandler(logging.NullHandler())
    app()


if __name__ == "__main__":
    main()
