"""What is effective: options before the environment, that before the local stack, that before the defaults."""

import json
import stat
from pathlib import Path

import pytest

from processors.keyring import BEGINNING, Key
from streams.journeys_agent import core_settings
from streams.settings import (
    DeadLetterSettings,
    KafkaSettings,
    Settings,
    SettingsError,
    load_settings,
    make_pepper,
    parse_address,
)
from tests.support.touchpoints import DAY, HOUR

SECRET = "s3cret-of-nobody"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, and an environment that sets nothing."""
    for name in ("JOURNEYS_DATA_DIR", "JOURNEYS_KAFKA__BOOTSTRAP", "JOURNEYS_CLICKHOUSE__HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path / "no secrets")
    return tmp_path


def write_stack(folder: Path) -> None:
    addresses = {"kafka": "127.0.0.1:1111", "clickhouse": "127.0.0.1:2222", "clickhouse_http": "127.0.0.1:3333"}
    (folder / "stack.json").write_text(json.dumps(addresses))


def test_without_anything_the_defaults_hold(folder: Path) -> None:
    settings = load_settings(folder)
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert (settings.clickhouse.host, settings.clickhouse.port) == ("127.0.0.1", 9000)


def test_the_local_stack_wins_over_the_defaults(folder: Path) -> None:
    write_stack(folder)
    settings = load_settings(folder)
    assert settings.kafka.bootstrap == "127.0.0.1:1111"
    assert (settings.clickhouse.port, settings.clickhouse.http_port) == (2222, 3333)


def test_the_environment_wins_over_the_local_stack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(folder)
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP", "kafka-1:9092,kafka-2:9092")
    monkeypatch.setenv("JOURNEYS_CLICKHOUSE__HOST", "clickhouse-1")
    settings = load_settings(folder)
    assert settings.kafka.servers == ["kafka-1:9092", "kafka-2:9092"]
    assert (settings.clickhouse.host, settings.clickhouse.port) == ("clickhouse-1", 9000)


def test_options_win_over_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(folder)
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP", "kafka-1:9092")
    monkeypatch.setenv("JOURNEYS_CLICKHOUSE__HOST", "clickhouse-1")
    settings = load_settings(folder, kafka="127.0.0.1:7", clickhouse="127.0.0.2:8")
    assert settings.kafka.bootstrap == "127.0.0.1:7"
    assert (settings.clickhouse.host, settings.clickhouse.port) == ("127.0.0.2", 8)


def test_an_address_from_an_option_leaves_the_rest_of_the_environment_standing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNEYS_CLICKHOUSE__USER", "writer")
    monkeypatch.setenv("JOURNEYS_CLICKHOUSE__PASSWORD", SECRET)
    clickhouse = load_settings(folder, clickhouse="127.0.0.1").clickhouse
    assert (clickhouse.user, clickhouse.password.get_secret_value(), clickhouse.port) == ("writer", SECRET, 9000)


def test_the_data_folder_comes_from_the_environment_when_no_option_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNEYS_DATA_DIR", str(folder / "elsewhere"))
    assert load_settings().data_dir == folder / "elsewhere"
    assert load_settings(folder).data_dir == folder


def test_a_broken_stack_file_is_no_stack(folder: Path) -> None:
    (folder / "stack.json").write_text("{")
    assert load_settings(folder).kafka.bootstrap == "127.0.0.1:9092"


@pytest.mark.parametrize("text", ["kafka", "kafka:", ":9092", "kafka:port", "kafka:9092,other"])
def test_a_broker_without_port_is_refused_by_name(folder: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"bootstrap(.|\n)*expected host:port"):
        load_settings(folder, kafka=text)


def test_an_unknown_setting_is_refused_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAPP", "kafka:9092")
    with pytest.raises(SettingsError, match="bootstrapp"):
        load_settings(folder)


@pytest.mark.parametrize(
    "variable", ["JOURNEYS_PARTITIONS", "JOURNEYS_FLUSH__MAX_ROWS", "JOURNEYS_SESSION_GAP_MINUTES"]
)
def test_what_makes_no_sense_as_zero_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "0")
    with pytest.raises(SettingsError, match="greater than 0"):
        load_settings(folder)


@pytest.mark.parametrize(
    ("bootstrap", "is_taken"),
    [
        ("127.0.0.1:9092", True),
        ("localhost:9092", True),
        ("[::1]:9092", True),
        ("10.0.0.1:9092", False),
        ("kafka:9092", False),
        ("127.0.0.1:9092,kafka:9092", False),
        ("localhost.example.org:9092", False),
    ],
)
def test_passwords_leave_this_machine_only_encrypted(bootstrap: str, is_taken: bool) -> None:
    def with_password(protocol: str) -> KafkaSettings:
        return KafkaSettings.model_validate(
            {"bootstrap": bootstrap, "security_protocol": protocol, "username": "u", "password": SECRET}
        )

    assert with_password("SASL_SSL").bootstrap == bootstrap
    if is_taken:
        assert with_password("SASL_PLAINTEXT").bootstrap == bootstrap
    else:
        with pytest.raises(ValueError, match="SASL without TLS"):
            with_password("SASL_PLAINTEXT")


def test_sasl_needs_both_username_and_password() -> None:
    for given in ({"username": "u"}, {"password": SECRET}):
        with pytest.raises(ValueError, match="needs username and password"):
            KafkaSettings.model_validate({"security_protocol": "SASL_SSL", **given})


def test_passwords_are_not_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_CLICKHOUSE__PASSWORD", SECRET)
    settings = load_settings(folder)
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()


def test_an_error_about_a_password_does_not_quote_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_KAFKA__SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("JOURNEYS_KAFKA__USERNAME", "u")
    monkeypatch.setenv("JOURNEYS_KAFKA__PASSWORD", SECRET)
    with pytest.raises(SettingsError, match="SASL without TLS") as refused:
        load_settings(folder, kafka="kafka:9092")
    assert SECRET not in str(refused.value)
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP", "kafka:9092")
    with pytest.raises(SettingsError, match="SASL without TLS") as refused:
        load_settings(folder)
    assert SECRET not in str(refused.value)


def test_a_pepper_is_made_once_readable_by_its_owner_only_and_long_enough(folder: Path) -> None:
    path = folder / "data" / "pepper"
    make_pepper(path)
    first = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    make_pepper(path)
    assert path.read_bytes() == first
    keyring = Settings(pepper_file=path).keyring()
    assert [(len(key.secret), key.since) for key in keyring.keys] == [(64, BEGINNING)]


def test_two_peppers_differ(folder: Path) -> None:
    for name in ("a", "b"):
        make_pepper(folder / name)
    assert (folder / "a").read_bytes() != (folder / "b").read_bytes()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_pepper_that_others_can_reach_is_refused(folder: Path, mode: int) -> None:
    path = folder / "pepper"
    path.write_text("x" * 32)
    path.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        Settings(data_dir=folder).keyring()


@pytest.mark.parametrize(("length", "is_taken"), [(31, False), (32, True)])
def test_a_pepper_has_at_least_32_bytes_without_the_white_space_around(
    folder: Path, length: int, is_taken: bool
) -> None:
    path = folder / "pepper"
    path.write_text(" " + "x" * length + "\n")
    path.chmod(0o600)
    if is_taken:
        assert Settings(data_dir=folder).keyring().keys == (Key(b"x" * length),)
    else:
        with pytest.raises(SettingsError, match="31 bytes"):
            Settings(data_dir=folder).keyring()


@pytest.mark.parametrize(("days", "window_ms"), [(None, 90 * DAY), ("0.5", 12 * HOUR), ("0", 0)])
def test_the_window_of_the_key_before_the_current_one_can_be_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch, days: str | None, window_ms: int
) -> None:
    make_pepper(folder / "pepper")
    if days is not None:
        monkeypatch.setenv("JOURNEYS_PEPPER_WINDOW_DAYS", days)
    assert load_settings(folder).keyring().window_ms == window_ms


def test_a_wrong_line_of_the_pepper_is_named_with_its_file_and_no_key(folder: Path) -> None:
    path = folder / "pepper"
    path.write_text(f"{SECRET * 2}\n{SECRET * 3}\n")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=f"the pepper in {path}, line 2: expected a time") as refused:
        Settings(data_dir=folder).keyring()
    assert SECRET not in str(refused.value)


def test_a_missing_pepper_says_how_to_get_one(folder: Path) -> None:
    with pytest.raises(SettingsError, match="JOURNEYS_PEPPER_FILE"):
        Settings(data_dir=folder).keyring()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("db", ("db", 9000)),
        ("db:1", ("db", 1)),
        ("db:65535", ("db", 65535)),
        ("[::1]:9001", ("::1", 9001)),
    ],
)
def test_an_address_is_a_host_and_maybe_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, 9000) == address


@pytest.mark.parametrize("text", ["db:", "db:0", "db:65536", "db:x"])
def test_a_port_is_a_number_that_a_port_can_have(text: str) -> None:
    with pytest.raises(SettingsError, match="expected host:port"):
        parse_address(text, 9000)


@pytest.mark.parametrize(
    ("text", "offsets"),
    [("", {}), ("touchpoints/2:122", {"touchpoints/2": 122}), ("a.b/0:1,a.b/1:2", {"a.b/0": 1, "a.b/1": 2})],
)
def test_places_until_which_dead_letters_are_accepted_are_read(text: str, offsets: dict[str, int]) -> None:
    assert DeadLetterSettings(accepted=text).accepted_offsets == offsets


@pytest.mark.parametrize("text", ["touchpoints:1", "touchpoints/1", "touchpoints/1:x", "a/0:1,", ",a/0:1", "a/0:1 "])
def test_places_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="accepted"):
        DeadLetterSettings(accepted=text)


def test_effort_budgets_of_topics_and_tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_EFFORT__BUDGET_MINUTES", "20")
    monkeypatch.setenv("JOURNEYS_EFFORT__BUDGET_MINUTES_BY_TOPIC", '{"Mortgage": 90}')
    monkeypatch.setenv("JOURNEYS_TENANTS", '{"acme": {"effort": {"budget_minutes": 45}}, "other": {}}')
    core = core_settings(load_settings(tmp_path))
    budgets = [core.effort_budget(tenant, topic) for tenant in ("acme", "other") for topic in (None, "a", "Mortgage")]
    assert budgets == [45.0, 45.0, 45.0, 20.0, 20.0, 90.0]
    monkeypatch.setenv("JOURNEYS_EFFORT__BUDGET_MINUTES_BY_TOPIC", '{"a": 0}')
    with pytest.raises(SettingsError, match=r"budget_minutes_by_topic"):
        load_settings(tmp_path)
