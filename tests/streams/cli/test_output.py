import pytest
import typer

from sinks.clickhouse.errors import AnswerUnknown, StoreUnavailable
from streams.cli.output import friendly_errors


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            StoreUnavailable("h:9000: refused"),
            "error: h:9000: refused; is the stack up (journeys up), or is another address meant (--clickhouse)?\n",
        ),
        # It is there, and said no.
        (AnswerUnknown("asking h:9000/journeys: code 36: odd"), "error: asking h:9000/journeys: code 36: odd\n"),
    ],
)
def test_whoever_is_not_there_is_told_from_whoever_refuses(
    capsys: pytest.CaptureFixture[str], error: Exception, says: str
) -> None:
    with pytest.raises(typer.Exit) as ended, friendly_errors(StoreUnavailable):
        raise error
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == says
