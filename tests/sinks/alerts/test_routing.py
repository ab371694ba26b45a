"""The routing file: what it says, what it may not say, and who is told."""

import os
from pathlib import Path

import pytest

from sinks.alerts import secret_source
from sinks.alerts.console import ConsoleChannel
from sinks.alerts.message import Language
from sinks.alerts.routing import (
    EXAMPLE_PATH,
    AlertRouter,
    Route,
    RoutingError,
    default_routing,
    load_routing,
    open_channels,
)
from sinks.alerts.slack import SlackChannel
from sinks.alerts.webhook import WebhookChannel
from tests.support.alert_intents import an_intent
from tests.support.endpoints import SECRET_URL

RULES = ("channel_redirect", "unprompted_switch", "repeat_contact")
CONSOLE = "channels: {console: {type: console}}\n"
TO_CONSOLE = "routes: [{channels: [console]}]\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "routing.yaml"
    path.write_text(text)
    return path


def error_of(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(RoutingError) as caught:
        load_routing(path, RULES)
    # A cause would bring the text of the file back into tracebacks.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return "\n".join(line.removeprefix(f"{path}: ") for line in lines)


def test_without_a_file_everything_goes_to_the_console() -> None:
    routing = default_routing()
    assert AlertRouter(routing).channels(an_intent(severity=1, team=None)) == ("console",)
    assert isinstance(open_channels(routing, {})["console"], ConsoleChannel)


def test_the_shipped_example_is_valid_and_routes_as_it_explains() -> None:
    router = AlertRouter(load_routing(EXAMPLE_PATH, RULES))
    assert router.channels(an_intent(severity=2)) == ("console",)
    assert router.channels(an_intent(severity=3)) == ("console", "social-care")
    assert router.channels(an_intent(severity=4)) == ("console", "social-care", "ticketing")
    assert router.channels(an_intent(severity=4, team="billing")) == ("console", "ticketing")
    assert router.channels(an_intent(severity=3, rule_id="repeat_contact")) == ("console",)


def test_the_shipped_example_opens_when_its_secrets_are_there(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_bytes(EXAMPLE_PATH.read_bytes())
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "ticketing"
    secret.touch(0o600)
    secret.write_text("whsec_" + "A" * 32 + "\n")
    names = ("JOURNEYS_SLACK_SOCIAL_CARE", "JOURNEYS_TEAMS_HOTLINE", "JOURNEYS_TICKETING_URL", "JOURNEYS_SMTP_PASSWORD")
    environment = dict.fromkeys(names, SECRET_URL)
    environment |= {"JOURNEYS_SLACK_BOT": "xoxb-0000000000", "JOURNEYS_PAGERDUTY_KEY": "R" * 32}
    channels = open_channels(load_routing(path), environment, source=path)
    assert {type(channel) for channel in channels.values()} >= {ConsoleChannel, SlackChannel, WebhookChannel}
    assert channels["social-care"].wording.language is Language.GERMAN
    assert channels["ticketing"].wording.language is Language.ENGLISH
    assert channels["console"].wording.link is not None
    assert channels["social-care"].name == "social-care"


@pytest.mark.parametrize(("severity", "is_met"), [(2, False), (3, True), (4, True)])
def test_a_route_is_met_from_its_severity_on(severity: int, *, is_met: bool) -> None:
    assert Route(channels=("c",), min_severity=3).is_met_by(an_intent(severity=severity)) is is_met


def test_a_route_with_teams_is_not_met_without_a_team() -> None:
    assert not Route(channels=("c",), teams=("billing",)).is_met_by(an_intent(team=None))
    assert Route(channels=("c",)).is_met_by(an_intent(team=None))


def test_all_routes_count_and_each_channel_is_named_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "channels: {b: {type: console}, a: {type: console}}\nroutes: [{channels: [a]}, {channels: [b, a]}]\n"
    assert AlertRouter(load_routing(written(tmp_path, text))).channels(an_intent()) == ("b", "a")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "must be a mapping with language, link, channels, routes"),
        ("- a", "must be a mapping"),
        ("channels: [", "line 1, column 12: is not YAML"),
        (
            "channels: {a: {type: console}, a: {type: slack}}",
            "line 1, column 32: is not YAML: this name was given before",
        ),
        ("x: !!python/object/apply:os.getpid []", "line 1, column 4: is not YAML"),
        (TO_CONSOLE, "channels: is missing"),
        (CONSOLE, "routes: is missing"),
        (CONSOLE + "routes: []", "routes: must not be empty"),
        (CONSOLE + TO_CONSOLE + "chanels: {}", "chanels: is not known here; allowed: language, link, channels, routes"),
        (CONSOLE + TO_CONSOLE + "language: fr", "language: must be 'en' or 'de'"),
        (
            CONSOLE + TO_CONSOLE + "link: https://a.example/{id}",
            "link: names {id}; allowed: {journey_id}, {friction_id}",
        ),
        (
            CONSOLE + "routes: [{channels: [team]}]",
            "routes[0] names 'team', which is no channel here; there are: console",
        ),
        (CONSOLE + "routes: [{channels: []}]", "routes[0].channels: must not be empty"),
        (CONSOLE + "routes: [{channels: console}]", "routes[0].channels: must be a list"),
        (CONSOLE + "routes: [{}]", "routes[0].channels: is missing"),
        (CONSOLE + "routes: [{channels: [console], rule: x}]", "allowed: channels, rules, teams, min_severity"),
        (
            CONSOLE + "routes: [{channels: [console], rules: [x]}]",
            "routes[0].rules: 'x' is no rule; there are: channel_red",
        ),
        (CONSOLE + "routes: [{channels: [console], teams: []}]", "routes[0].teams: must not be empty"),
        (CONSOLE + "routes: [{channels: [console], min_severity: 0}]", "routes[0].min_severity: must be at least 1"),
        (CONSOLE + "routes: [{channels: [console], min_severity: 6}]", "routes[0].min_severity: must be at most 5"),
        (CONSOLE + "routes: [{channels: [console], min_severity: high}]", "min_severity: must be a whole number"),
        (
            "channels: {c: {type: pager}}\n" + TO_CONSOLE,
            "channels.c: type must be one of 'console', 'slack', 'slack_bot', 'teams'",
        ),
        (
            "channels: {c: {}}\n" + TO_CONSOLE,
            "channels.c: type is missing; it must be one of 'console', 'slack', 'slack_bot', 'teams'",
        ),
        ("channels: {c: slack}\n" + TO_CONSOLE, "channels.c: must be a mapping"),
        ("channels: {A b: {type: console}}\n" + TO_CONSOLE, "channels.A b: a channel's name is small letters"),
        ("channels: {c: {type: console, format: xml}}\n" + TO_CONSOLE, "channels.c.format: must be 'text' or 'json'"),
        (
            "channels: {c: {type: console, colour: red}}\n" + TO_CONSOLE,
            "channels.c.colour: is not known here; allowed: lan",
        ),
        ("channels: {c: {type: slack}}\n" + TO_CONSOLE, "channels.c: give either url_env or url_file"),
        ("channels: {c: {type: slack, url_env: A, url_file: b}}\n" + TO_CONSOLE, "channels.c: give either url_env or"),
        (
            "channels: {c: {type: webhook, url_env: A}}\n" + TO_CONSOLE,
            "channels.c: give either secret_env or secret_file",
        ),
    ],
)
def test_an_error_names_file_place_and_what_is_allowed(tmp_path: Path, text: str, error: str) -> None:
    assert error in error_of(tmp_path, text)


def test_all_errors_are_named_at_once(tmp_path: Path) -> None:
    errors = error_of(tmp_path, "channels: {c: {type: pager}}\nroutes: [{channels: []}]\nlanguage: fr\n")
    assert len(errors.splitlines()) == 3


@pytest.mark.parametrize(
    "field",
    [
        "url: {secret}",
        "url_env: {secret}",
        "url_file: {secret}",
        "token: {secret}",
        "url_env: A, url_file: {secret}",
        "url_env: [{secret}]",
        "language: {secret}",
        "url_env: A\n    oops: [{secret}",
        "url_env: A}}\nlink: '{secret}",
    ],
)
def test_a_secret_written_into_the_file_by_mistake_is_not_repeated_in_the_error(tmp_path: Path, field: str) -> None:
    text = "channels: {c: {type: slack, " + field.format(secret=f'"{SECRET_URL}"') + "}}\n" + TO_CONSOLE
    assert "secret-part" not in error_of(tmp_path, text)


def test_an_inline_address_is_told_where_it_belongs(tmp_path: Path) -> None:
    errors = error_of(tmp_path, f'channels: {{c: {{type: slack, url: "{SECRET_URL}"}}}}\n{TO_CONSOLE}')
    assert "channels.c.url: a secret does not belong in this file; name where it is with url_env or url_file" in errors


def test_a_file_that_is_not_there_or_is_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match=r"nowhere\.yaml: cannot be read: No such file or directory"):
        load_routing(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(RoutingError, match=r"binary\.yaml: is not YAML text"):
        load_routing(tmp_path / "binary.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(RoutingError, match=r"huge\.yaml: is over 1000000 bytes"):
        load_routing(tmp_path / "huge.yaml")


def slack_from_file(folder: Path, place: str) -> Path:
    return written(folder, f"channels: {{c: {{type: slack, url_file: {place}}}}}\nroutes: [{{channels: [c]}}]\n")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_file_of_its_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    (tmp_path / "url").write_text(SECRET_URL + "\n")
    (tmp_path / "url").chmod(mode)
    path = slack_from_file(tmp_path, "url")
    channel = open_channels(load_routing(path), {}, source=path)["c"]
    assert "hooks.example.com/…" in repr(channel)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_secret_file_that_others_may_use_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    (tmp_path / "url").write_text(SECRET_URL)
    (tmp_path / "url").chmod(mode)
    path = slack_from_file(tmp_path, "url")
    with pytest.raises(RoutingError, match=r"channels\.c\.url_file: others may use .*chmod 600") as caught:
        open_channels(load_routing(path), {}, source=path)
    assert "secret-part" not in str(caught.value)


def test_a_secret_mounted_by_a_container_engine_may_be_readable_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_source, "MOUNTED_SECRETS", tmp_path)
    (tmp_path / "url").write_text(SECRET_URL)
    (tmp_path / "url").chmod(0o644)
    path = slack_from_file(tmp_path, "url")
    assert open_channels(load_routing(path), {}, source=path)["c"].name == "c"


def test_what_is_no_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, content in (("empty", b" \n"), ("binary", b"\xff\xfe"), ("long", b"x" * 4097)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    for name, problem in {
        "folder": "is not a file",
        "pipe": "is not a file",
        "absent": "cannot be read: No such file",
        "empty": "is empty",
        "binary": "is not UTF-8",
        "long": "over 4096 bytes",
    }.items():
        path = slack_from_file(tmp_path, name)
        with pytest.raises(RoutingError, match=problem):
            open_channels(load_routing(path), {}, source=path)


def test_all_missing_secrets_are_named_at_once() -> None:
    with pytest.raises(RoutingError) as caught:
        open_channels(load_routing(EXAMPLE_PATH), {}, source=EXAMPLE_PATH)
    assert [line.partition(": ")[2] for line in str(caught.value).splitlines()] == [
        "channels.social-care.url_env: the environment variable JOURNEYS_SLACK_SOCIAL_CARE is not set",
        "channels.delivery-desk.token_env: the environment variable JOURNEYS_SLACK_BOT is not set",
        "channels.hotline.url_env: the environment variable JOURNEYS_TEAMS_HOTLINE is not set",
        "channels.lead.password_env: the environment variable JOURNEYS_SMTP_PASSWORD is not set",
        "channels.on-call.key_env: the environment variable JOURNEYS_PAGERDUTY_KEY is not set",
        "channels.ticketing.url_env: the environment variable JOURNEYS_TICKETING_URL is not set",
    ]
