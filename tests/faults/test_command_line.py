"""`make faults`: what it lists, and what it says to a name that does not exist."""

import subprocess
import sys

from tests.support.processes import REPOSITORY


def faults(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults", *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)


def test_the_list_names_each_experiment_that_a_broker_can_bear() -> None:
    names = {broker: [line.split()[0] for line in listed(broker)] for broker in ("embedded", "kafka")}
    assert "kill-at-each-step" in names["embedded"]
    # The embedded broker keeps its log in memory: there is nothing to start it again with.
    # Nor does it know workers by name: each restart has the others wait.
    assert set(names["kafka"]) - set(names["embedded"]) == {"broker-restarted", "rolling-restart"}


def listed(broker: str) -> list[str]:
    done = faults("--list", "--broker", broker)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_an_unknown_name_ends_with_2_and_says_what_there_is() -> None:
    done = faults("--only", "meteorite")
    assert done.returncode == 2
    said, _, there = done.stderr.strip().partition("; there are: ")
    assert said == "no experiment meteorite on embedded"
    assert {"healthy", "kill-at-each-step", "soak"} <= set(there.split(", "))
