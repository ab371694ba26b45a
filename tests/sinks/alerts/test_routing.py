"""The routing file: what it says, what it may not say, and who is told."""

import os
from pathlib import Path
from typing import Any

import pytest

from schemas.alerts import AlertIntent
from sinks.alerts import secret_source
from sinks.alerts.console import ConsoleChannel
from sinks.alerts.message import Language
from sinks.alerts.routing import (
    EXAMPLE_PATH,
    AlertRouter,
    Routing,
    RoutingError,
    default_routing,
    load_routing,
    open_channels,
    policy_of,
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


def is_met_by(intent: AlertIntent, **condition: Any) -> bool:
    """Whether a route with this condition takes an intent."""
    routing = Routing.model_validate(
        {"channels": {"c": {"type": "console"}}, "routes": [{"channels": ["c"], **condition}]}
    )
    return AlertRouter(routing).channels(intent) == ("c",)


@pytest.mark.parametrize(("severity", "is_met"), [(2, False), (3, True), (4, True)])
def test_a_route_is_met_from_its_severity_on(severity: int, *, is_met: bool) -> None:
    assert is_met_by(an_intent(severity=severity), min_severity=3) is is_met


def test_a_route_with_teams_is_not_met_without_a_team() -> None:
    assert not is_met_by(an_intent(team=None), teams=["billing"])
    assert is_met_by(an_intent(team=None))


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        ({"topics": ["invoice"]}, True),
        ({"topics": ["router"]}, False),
        ({"tenants": ["acme"]}, True),
        ({"tenants": ["other"]}, False),
        ({"rules": ["channel_redirect"], "teams": ["social-care"], "topics": ["invoice"]}, True),
    ],
)
def test_a_route_may_ask_for_topics_and_tenants_too(condition: dict[str, list[str]], *, is_met: bool) -> None:
    assert is_met_by(an_intent(), **condition) is is_met


def test_all_routes_count_and_each_channel_is_named_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "channels: {b: {type: console}, a: {type: console}}\nroutes: [{channels: [a]}, {channels: [b, a]}]\n"
    assert AlertRouter(load_routing(written(tmp_path, text))).channels(an_intent()) == ("b", "a")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "must be a mapping with language, link, channels, routes, answering, allowed_hosts"),
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
        (
            CONSOLE + "routes: [{channels: [console], rule: x}]",
            "allowed: channels, rules, teams, topics, tenants, min_severity, group_wait",
        ),
        (
            CONSOLE + "routes: [{channels: [console], rules: [x]}]",
            "routes[0].rules: 'x' is no rule; there are: channel_red",
        ),
        (CONSOLE + "routes: [{channels: [console], teams: []}]", "routes[0].teams: must not be empty"),
        (CONSOLE + "routes: [{channels: [console], min_severity: 0}]", "routes[0].min_severity: must be at least 1"),
        (CONSOLE + "routes: [{channels: [console], min_severity: 6}]", "routes[0].min_severity: must be at most 5"),
        (CONSOLE + "routes: [{channels: [console], min_severity: high}]", "min_severity: must be a whole number"),
        (
            "channels: {c: {type: fax}}\n" + TO_CONSOLE,
            "channels.c: type must be one of 'console', 'slack'",
        ),
        (
            "channels: {c: {}}\n" + TO_CONSOLE,
            "channels.c: type is missing; it must be one of 'console', 'slack'",
        ),
        (CONSOLE + TO_CONSOLE + "group_wait: 5x", "group_wait: '5x' is no duration; write days, hours, minutes"),
        (CONSOLE + TO_CONSOLE + "minimum: {customers: 0}", "minimum.customers: must be at least 1"),
        (CONSOLE + TO_CONSOLE + "minimum: true", "minimum: must be a mapping"),
        (CONSOLE + TO_CONSOLE + "digest: {at: 9}", "digest.at: 9 is no time of day; write it in quotes"),
        (CONSOLE + TO_CONSOLE + "digest: {x: 1}", "digest.x: is not known here; allowed: below_severity, at"),
        (CONSOLE + TO_CONSOLE + "hours: {calendar: x}", "hours names 'x', which is no calendar; there are: none"),
        (CONSOLE + TO_CONSOLE + "group_by: [person]", "group_by[0]: must be 'rule', 'variant'"),
        (CONSOLE + TO_CONSOLE + "limits: {x: {messages: 1}}", "limits names 'x', which is no channel here"),
        (CONSOLE + TO_CONSOLE + "calendars: {a: {hours: {mun: '1'}}}", "calendars.a.hours: 'mun' are no days"),
        (CONSOLE + TO_CONSOLE + "timezone: Mars/X", "timezone: 'Mars/X' is no time zone"),
        (
            CONSOLE + TO_CONSOLE + "calendars: {a: {hours: {mon: '08:00-18:00'}, country: XX}}",
            "calendars.a: no holidays are known of country 'XX'",
        ),
        ("channels: {c: slack}\n" + TO_CONSOLE, "channels.c: must be a mapping"),
        ("channels: {A b: {type: console}}\n" + TO_CONSOLE, "channels.A b: a channel's name is small letters"),
        ("channels: {c: {type: console, format: xml}}\n" + TO_CONSOLE, "channels.c.format: must be 'text' or 'json'"),
        (
            "channels: {c: {type: console, colour: red}}\n" + TO_CONSOLE,
            "channels.c.colour: is not known here; allowed: type, format, lan",
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
    errors = error_of(tmp_path, "channels: {c: {type: fax}}\nroutes: [{channels: []}]\nlanguage: fr\n")
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


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("channels: {c: {type: slack_bot, channel: C1, token: VALUE}}", "c.token: {}token_env or token_file"),
        ("channels: {c: {type: slack_bot, channel: C1, bot_token: VALUE}}", "c.bot_token: {}token_env or token_file"),
        ("channels: {c: {type: pagerduty, routing_key: VALUE}}", "c.routing_key: {}key_env or key_file"),
        ("channels: {c: {type: slack, webhook: VALUE}}", "c.webhook: {}url_env or url_file"),
        ("channels: {c: {type: webhook, url_env: U, secret: VALUE}}", "c.secret: {}secret_env or secret_file"),
        (
            (
                "channels: {c: {type: email, host: h.example, sender: a@b.example, recipients: [a@b.example], user: u,"
                " password: VALUE}}"
            ),
            "c.password: {}password_env or password_file",
        ),
        ("answering: {public_url: 'https://j.example', port: 0, key: VALUE}", "answering.key: {}key_env or key_file"),
    ],
)
def test_a_secret_in_plain_text_is_told_where_it_belongs(tmp_path: Path, part: str, told: str) -> None:
    channels = "" if part.startswith("channels") else "channels: {c: {type: console}}\n"
    text = f"{channels}{part}\nroutes: [{{channels: [c]}}]\n".replace("VALUE", "AbCdEf0123456789")
    errors = error_of(tmp_path, text)
    assert told.format("a secret does not belong in this file; name where it is with ") in errors
    assert "AbCdEf0123456789" not in errors


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


def test_a_file_with_channels_and_one_route_has_good_defaults(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(CONSOLE + TO_CONSOLE)
    policy = policy_of(load_routing(path))
    timing = policy.routes[0].timing
    assert (timing.group_wait, timing.group_interval, timing.repeat_interval) == (60_000, 3_600_000, 86_400_000)
    assert timing.minimum is not None
    assert timing.minimum.customers == 3
    assert timing.digest is not None
    assert (timing.digest.below_severity, timing.digest.at) == (3, 540)
    assert policy.limits["console"] is not None
    assert policy.limits["console"].messages == 20


def test_a_route_overrides_what_the_file_says_and_false_turns_it_off(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(
        CONSOLE + "routes: [{channels: [console], digest: false, group_wait: 5s}, {channels: [console]}]\n"
        "group_wait: 1h30m\nminimum: false\nlimit: false\nswarm: false\n"
    )
    policy = policy_of(load_routing(path))
    first, second = (route.timing for route in policy.routes)
    assert (first.group_wait, second.group_wait) == (5_000, 5_400_000)
    assert (first.digest, first.minimum) == (None, None)
    assert second.digest is not None
    assert (policy.limits["console"], policy.swarm) == (None, None)


def test_receivers_in_a_network_are_reached_when_the_file_allows_them(tmp_path: Path) -> None:
    text = "channels: {c: {type: slack, url_env: URL}}\nroutes: [{channels: [c]}]\n"
    path = tmp_path / "alerts.yaml"
    for url in ("https://10.20.0.1/hook", "https://chat.intern.example/hook"):
        path.write_text(text + "allowed_networks: [10.20.0.0/16]\nallowed_hosts: [Chat.Intern.Example]\n")
        assert open_channels(load_routing(path), {"URL": url}, source=path)["c"].name == "c"
    path.write_text(text)
    with pytest.raises(
        RoutingError, match=r"channels\.c\.url_env: leads to 10\.20\.0\.1, which is not a public address"
    ):
        open_channels(load_routing(path), {"URL": "https://10.20.0.1/hook"}, source=path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("allowed_hosts: ['*.intern']", "allowed_hosts[0]: must be the name of a host without wildcards"),
        ("allowed_hosts: [10.0.0.1]", "allowed_hosts[0]: must be the name of a host"),
        ("allowed_hosts: intern", "allowed_hosts: must be a list"),
        ("allowed_networks: [10.0.0.1/8]", "allowed_networks[0]: value is not a valid IPv4 or IPv6 network"),
    ],
)
def test_what_cannot_be_allowed_is_named(tmp_path: Path, line: str, problem: str) -> None:
    text = "channels: {c: {type: console}}\nroutes: [{channels: [c]}]\n"
    assert problem in error_of(tmp_path, text + line + "\n")
