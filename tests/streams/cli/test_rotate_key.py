"""`journeys rotate-key`, and what `journeys check-config` says of the keys."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from schemas.json_form import iso_time
from streams.cli.main import app
from streams.settings import Settings
from tests.support.touchpoints import DAY

FIRST = "only-for-this-test-and-long-enough"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a key, and an environment that names no other."""
    monkeypatch.delenv("JOURNEYS_PEPPER_FILE", raising=False)
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path / "no secrets")
    (tmp_path / "pepper").write_text(FIRST)
    (tmp_path / "pepper").chmod(0o600)
    return tmp_path


def journeys(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(folder)])


def test_a_new_key_holds_from_the_moment_named_and_is_not_shown(folder: Path) -> None:
    at = time.time_ns() // 1_000_000 + DAY
    done = journeys(folder, "rotate-key", "--at", iso_time(at))
    assert done.exit_code == 0
    old, new = Settings(data_dir=folder).keyring().keys
    assert (old.secret, new.since) == (FIRST.encode(), at)
    told = journeys(folder, "check-config")
    assert f"2 keys of the identity hashes, from: the beginning, {iso_time(at)}\n" in told.stdout
    assert json.loads(journeys(folder, "check-config", "--json").stdout)["keys"] == ["the beginning", iso_time(at)]
    for key in (old.secret.decode(), new.secret.decode()):
        assert key not in done.output + told.output


def test_a_moment_that_is_over_is_refused(folder: Path) -> None:
    done = journeys(folder, "rotate-key", "--at", "2024-01-01T00:00:00Z")
    assert done.exit_code == 1
    assert "a key has to begin in the future" in done.stderr
    assert (folder / "pepper").read_text() == FIRST


def test_a_moment_without_a_zone_is_refused(folder: Path) -> None:
    done = journeys(folder, "rotate-key", "--at", "2124-01-01T00:00:00")
    assert done.exit_code == 2
    assert "the zone is missing" in " ".join(done.stderr.replace("│", " ").split())


def test_without_a_secret_file_there_is_nothing_to_rotate(folder: Path) -> None:
    (folder / "pepper").unlink()
    done = journeys(folder, "rotate-key", "--at", "2124-01-01T00:00:00Z")
    assert done.exit_code == 1
    assert str(folder / "pepper") in done.stderr


def test_one_key_is_said_to_hold_from_the_beginning(folder: Path) -> None:
    assert "1 key of the identity hashes, from: the beginning\n" in journeys(folder, "check-config").stdout
