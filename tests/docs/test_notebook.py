"""The notebook runs as a script, and what it finds is what the tables say."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sinks.clickhouse.questions import ask
from tests.support.stored_company import stored_company

NOTEBOOK = Path(__file__).parents[2] / "notebooks/redirects.py"

pytestmark = pytest.mark.stack


def test_the_notebook_finds_the_redirect_that_costs_customers_most(tmp_path: Path) -> None:
    with stored_company(tmp_path) as company:
        environment = {**os.environ, "JOURNEYS_CLICKHOUSE_HTTP": f"http://127.0.0.1:{company.ports.http}"}
        done = subprocess.run(
            [sys.executable, str(NOTEBOOK)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        frictions = ask(
            company.address,
            "SELECT from_channel, to_channel, minutes, variant, status, sentence_en FROM v_frictions"
            " WHERE rule_id = 'channel_redirect'",
        ).records()
    minutes: Counter[tuple[str, str]] = Counter()
    for friction in frictions:
        minutes[friction["from_channel"], friction["to_channel"]] += friction["minutes"]
    ((worst, most), (_, second), *_) = minutes.most_common()
    assert most > second, "the data leave open which redirect is the worst"
    of_worst = [one for one in frictions if (one["from_channel"], one["to_channel"]) == worst]
    first, what_became, story, outlook = done.stdout.splitlines()
    assert first == (
        f"The redirect that costs customers most leads from {worst[0]} to {worst[1]}: {len(of_worst)} times,"
        f" {most:.0f} minutes."
    )
    numbers = re.fullmatch(r"Of these, (\d+) arrived, (\d+) were lost, (\d+) were solved in the end\.", what_became)
    assert numbers is not None, what_became
    assert int(numbers[2]) == sum(one["variant"] == "lost" for one in of_worst)
    assert int(numbers[3]) == sum(one["status"] == "cleared" for one in of_worst)
    assert story.removeprefix("One of them: ") in {one["sentence_en"] for one in frictions}
    assert re.match(r"After \d+% of first contacts customers come again; an answer where they ask spares ", outlook)
