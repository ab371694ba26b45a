"""Settings from secret files, as container engines mount them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from streams.settings import Settings


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that stands for the one that container engines mount."""
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path)
    return tmp_path


def test_a_file_named_like_the_variable_sets_a_nested_setting(secrets: Path) -> None:
    (secrets / "journeys_clickhouse__password").write_text("from a file")
    assert Settings().clickhouse.password.get_secret_value() == "from a file"


def test_the_environment_wins_over_a_secret_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "journeys_clickhouse__password").write_text("from a file")
    monkeypatch.setenv("JOURNEYS_CLICKHOUSE__PASSWORD", "from the environment")
    assert Settings().clickhouse.password.get_secret_value() == "from the environment"


def test_a_secret_file_and_the_environment_may_set_two_parts_of_one_level(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "journeys_clickhouse__password").write_text("from a file")
    monkeypatch.setenv("JOURNEYS_CLICKHOUSE__HOST", "db.example")
    settings = Settings().clickhouse
    assert (settings.host, settings.password.get_secret_value()) == ("db.example", "from a file")


def test_secrets_of_others_are_left_alone(secrets: Path) -> None:
    (secrets / "pepper").write_text("x" * 32)
    (secrets / "grafana_password").write_text("x")
    assert Settings().clickhouse.password.get_secret_value() == ""


def test_a_misspelt_secret_is_refused(secrets: Path) -> None:
    (secrets / "journeys_clickhouse__pasword").write_text("from a file")
    with pytest.raises(ValidationError, match="pasword"):
        Settings()


def test_a_missing_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path / "nothing")
    assert Settings().clickhouse.host == "127.0.0.1"
