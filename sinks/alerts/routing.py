"""Who is told: the routing file, its errors, and the answer for one intent.

The file is described in example.yaml beside this module. Without a file everything goes to the console.
"""

import os
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Self, get_args

import yaml
from pydantic import BaseModel, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from schemas.alerts import AlertIntent
from sinks.alerts.allowed import AllowedAddresses, HostName
from sinks.alerts.answering import Answering, AnsweringSettings
from sinks.alerts.channel import Channel, Opening
from sinks.alerts.console import ConsoleSettings
from sinks.alerts.message import Language, Wording, link_problem
from sinks.alerts.policy import DEFAULTS, PARTS, Policy, PolicyFields, PolicyRoute, TimingFields, Traits, on
from sinks.alerts.registry import AnyChannelSettings
from sinks.alerts.secret_source import SecretError

#: A routing file is no longer than this, in bytes.
FILE_BYTES: Final = 1_000_000

#: A shipped file that shows and explains everything a routing file can say.
EXAMPLE_PATH: Final = Path(__file__).with_name("example.yaml")

ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Word = Annotated[str, Field(min_length=1)]


class RoutingError(Exception):
    """A routing file cannot be used. Each line names the file, the place in it and what is allowed; no secrets."""

    def __init__(self, source: str, problems: Collection[tuple[str, str]]) -> None:
        super().__init__(
            "\n".join(
                f"{source}: {place}: {problem}" if place else f"{source}: {problem}" for place, problem in problems
            )
        )


class Route(TimingFields):
    """One line of the routing: an intent that meets all that is said goes to all `channels`.

    `rules`, `teams`, `topics` and `tenants` left out match all; a friction without a team meets no route that names
    teams. What a route says of its timing holds for what it alone meets: of several that name a channel the first that
    an incident meets counts.
    """

    channels: tuple[str, ...] = Field(min_length=1)
    rules: tuple[Word, ...] | None = Field(default=None, min_length=1)
    teams: tuple[Word, ...] | None = Field(default=None, min_length=1)
    topics: tuple[Word, ...] | None = Field(default=None, min_length=1)
    tenants: tuple[Word, ...] | None = Field(default=None, min_length=1)
    min_severity: int = Field(default=1, ge=1, le=5, strict=True)


class Routing(PolicyFields):
    """A routing file. `link` is a template for the address of a journey, see `message.Wording`."""

    language: Language = Language.ENGLISH
    link: str | None = None
    channels: dict[ChannelName, AnyChannelSettings] = Field(min_length=1)
    routes: tuple[Route, ...] = Field(min_length=1)
    #: Links with which somebody answers; left out: none.
    answering: AnsweringSettings | None = None
    #: What channels may reach off the internet, see `AllowedAddresses`.
    allowed_hosts: tuple[HostName, ...] = ()
    allowed_networks: tuple[IPvAnyNetwork, ...] = ()

    @field_validator("link")
    @classmethod
    def _check_link(cls, link: str | None) -> str | None:
        if link is not None and (problem := link_problem(link)):
            # The text goes in as a value: a template's braces are not to be filled in here.
            raise PydanticCustomError("link", "{problem}", {"problem": problem})
        return link

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        declared = ", ".join(self.channels)
        for number, route in enumerate(self.routes):
            for name in route.channels:
                if name not in self.channels:
                    raise ValueError(
                        f"routes[{number}] names {name!r}, which is no channel here; there are: {declared}"
                    )
        for name in self.limits:
            if name not in self.channels:
                raise ValueError(f"limits names {name!r}, which is no channel here; there are: {declared}")
        places: list[tuple[str, TimingFields]] = [("", self)]
        places += [(f"routes[{number}].", route) for number, route in enumerate(self.routes)]
        for place, fields in places:
            if fields.hours and fields.hours.calendar not in self.calendars:
                there = ", ".join(self.calendars) or "none"
                raise ValueError(
                    f"{place}hours names {fields.hours.calendar!r}, which is no calendar; there are: {there}"
                )
        return self


def policy_of(routing: Routing, traits: Mapping[str, Traits] | None = None) -> Policy:
    """The policy that a routing file says, for channels that can do this; those not named can do nothing special."""
    defaults = DEFAULTS.overridden_by(routing)
    limits = {name: routing.limits.get(name, routing.limit) for name in routing.channels}
    return Policy(
        routes=tuple(
            PolicyRoute(
                channels=route.channels,
                timing=defaults.overridden_by(route),
                min_severity=route.min_severity,
                **{
                    name: None if (values := getattr(route, name)) is None else frozenset(values)
                    for name in ("rules", "teams", "topics", "tenants")
                },
            )
            for route in routing.routes
        ),
        channels={name: (traits or {}).get(name, Traits()) for name in routing.channels},
        defaults=defaults,
        group_by=routing.group_by,
        timezone=routing.timezone,
        calendars=dict(routing.calendars),
        resolve_after=routing.resolve_after,
        swarm=on(routing.swarm),
        limits={name: on(limit) for name, limit in limits.items()},
    )


def traits_of(channels: Mapping[str, Channel]) -> dict[str, Traits]:
    """What opened channels can do."""
    return {
        name: Traits(can_edit=channel.can_edit, can_thread=channel.can_thread, can_list=channel.can_list)
        for name, channel in channels.items()
    }


class AlertRouter:
    """Says which channels want an intent. Pure; holds no secrets."""

    def __init__(self, routing: Routing) -> None:
        self._policy = policy_of(routing)

    def channels(self, intent: AlertIntent) -> tuple[str, ...]:
        """Names of the channels of all routes that the intent meets, each once, in the order of `channels`."""
        return self._policy.channels_for(intent)


def default_routing() -> Routing:
    """Routing without a file: everything to the console, one message for each cause, within seconds."""
    return Routing.model_validate(
        {
            "channels": {"console": ConsoleSettings(type="console")},
            "routes": [{"channels": ["console"]}],
            "group_wait": "1s",
            "group_interval": "1m",
            "repeat_interval": "1h",
            "minimum": False,
            "digest": False,
            "limit": False,
        }
    )


def load_routing(path: Path, known_rules: Collection[str] | None = None) -> Routing:
    """Read and check a routing file, without reading the secrets it points to.

    `known_rules` are the rule ids there are; when given, a route that names another one is an error, because it would
    match nothing, for ever and silently.

    Raises:
        RoutingError: the file cannot be read, is not YAML, or says something that is not allowed.

    """
    source = str(path)
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise RoutingError(source, [("", f"cannot be read: {error.strerror}")]) from None
    if len(text) > FILE_BYTES:
        raise RoutingError(source, [("", f"is over {FILE_BYTES} bytes")])
    # Neither library's own error is passed on or chained: both quote lines of the file, which may hold a secret that
    # somebody put there by mistake.
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader that refuses repeated keys
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RoutingError(source, [(place, f"is not YAML: {error.problem}")]) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise RoutingError(source, [("", "is not YAML text in UTF-8")]) from None
    if not isinstance(content, dict):
        raise RoutingError(source, [("", f"must be a mapping with {_allowed_fields(Routing)}")])
    try:
        routing = Routing.model_validate(content)
    except ValidationError as error:
        raise RoutingError(source, _problems(error)) from None
    if known_rules is not None:
        _check_rules(source, routing, known_rules)
    return routing


def open_channels(
    routing: Routing, environment: Mapping[str, str] | None = None, *, source: Path | None = None
) -> dict[str, Channel]:
    """Read the secrets of all channels and return the channels by name, ready to send.

    `environment` is the process environment when not given; `source` the routing file, beside which relative secret
    files are looked for and which errors name.

    Raises:
        RoutingError: secrets are missing, unreadable, readable by others, or malformed; all of them are named.

    """
    folder = source.parent if source else Path()
    allowed = AllowedAddresses(allowed_hosts=routing.allowed_hosts, allowed_networks=routing.allowed_networks)
    opened: dict[str, Channel] = {}
    problems: list[tuple[str, str]] = []
    for name, settings in routing.channels.items():
        wording = Wording(language=settings.language or routing.language, link=routing.link)
        environment_ = os.environ if environment is None else environment
        try:
            opened[name] = settings.open_channel(Opening(name, wording, environment_, folder, allowed))
        except SecretError as error:
            problems.append((f"channels.{name}.{error.field}", error.problem))
    if problems:
        raise RoutingError(str(source or "alert routing"), problems)
    return opened


def open_answering(
    routing: Routing, environment: Mapping[str, str] | None = None, *, source: Path | None = None
) -> Answering | None:
    """Read the secrets of links that answer, or `None` where the file asks for none.

    Raises:
        RoutingError: a secret is missing, unreadable, readable by others, or malformed.

    """
    if routing.answering is None:
        return None
    try:
        return routing.answering.open(
            os.environ if environment is None else environment, source.parent if source else Path()
        )
    except SecretError as error:
        raise RoutingError(str(source or "alert routing"), [(f"answering.{error.field}", error.problem)]) from None


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML without repeated keys: the last one would win silently and a channel would be lost."""


def _mapping_of_unique_keys(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem="this name was given before", problem_mark=key.start_mark)
            seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_of_unique_keys)


def _check_rules(source: str, routing: Routing, known_rules: Collection[str]) -> None:
    known = ", ".join(sorted(known_rules))
    problems = [
        (f"routes[{number}].rules", f"{rule!r} is no rule; there are: {known}")
        for number, route in enumerate(routing.routes)
        for rule in route.rules or ()
        if rule not in known_rules
    ]
    if problems:
        raise RoutingError(source, problems)


_CHANNEL_MODELS: Final[dict[str, type[BaseModel]]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(get_args(AnyChannelSettings)[0])
}
#: Last words of the names that people give to what is a secret, such as `webhook_url` or `api_key`.
_SECRET_WORDS: Final = frozenset({"url", "webhook", "secret", "token", "key", "password"})


def _allowed_fields(model: type[BaseModel]) -> str:
    """Its own fields first, then those that it shares with others."""
    own = [name for name in model.model_fields if name in model.__annotations__]
    return ", ".join(dict.fromkeys([*own, *model.model_fields]))


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """Model that holds the field at a pydantic location such as `("channels", "team", "slack", "url")`."""
    if location[0] == "channels" and len(location) > 3:
        return _CHANNEL_MODELS[str(location[2])]
    # `minimum.customers` is a field of a part, `limits.desk.messages` and `calendars.office.hours` of one with a name.
    inner = location[2:] if location[0] == "routes" else location
    depth = 3 if inner and inner[0] in {"limits", "calendars"} else 2
    if len(inner) >= depth and (part := PARTS.get(str(inner[0]))) is not None:
        return part
    if location[0] == "answering" and len(location) > 1:
        return AnsweringSettings
    return Route if location[0] == "routes" and len(location) > 2 else Routing


def _unknown_field(location: tuple[int | str, ...], _: Mapping[str, Any]) -> str:
    model = _model_at(location)
    if places := _places_of_secret(str(location[-1]), model):
        return f"a secret does not belong in this file; name where it is with {' or '.join(places)}"
    return f"is not known here; allowed: {_allowed_fields(model)}"


def _places_of_secret(name: str, model: type[BaseModel]) -> list[str]:
    """Fields that say where the secret is that somebody wrote into the file itself under a name; empty for none."""
    secrets = [field.removesuffix("_env") for field in model.model_fields if field.endswith("_env")]
    if name in secrets:
        secrets = [name]
    elif name.rpartition("_")[2] not in _SECRET_WORDS:
        return []
    return [f"{secret}_{place}" for secret in secrets for place in ("env", "file")]


def _misspelt_name(location: tuple[int | str, ...], _: Mapping[str, Any]) -> str:
    if location[-1] == "[key]":
        return "a channel's name is small letters, digits, - and _, at most 63, and starts with a letter or digit"
    return "must be the name of an environment variable (letters, digits, _), not the secret itself"


def _said(text: str, _: tuple[int | str, ...], context: Mapping[str, Any]) -> str:
    return text.format_map(context)


#: What is said for each kind of error of pydantic, from its location and its context.
_SAYINGS: Final[dict[str, Callable[[tuple[int | str, ...], Mapping[str, Any]], str]]] = {
    "extra_forbidden": _unknown_field,
    "missing": partial(_said, "is missing"),
    "union_tag_invalid": partial(_said, "type must be one of {expected_tags}"),
    "union_tag_not_found": partial(
        _said, "type is missing; it must be one of " + ", ".join(map(repr, _CHANNEL_MODELS))
    ),
    "literal_error": partial(_said, "must be {expected}"),
    "enum": partial(_said, "must be {expected}"),
    "int_type": partial(_said, "must be a whole number"),
    "greater_than_equal": partial(_said, "must be at least {ge}"),
    "less_than_equal": partial(_said, "must be at most {le}"),
    "string_type": partial(_said, "must be text"),
    "string_too_short": partial(_said, "must not be empty"),
    "too_short": partial(_said, "must not be empty"),
    "tuple_type": partial(_said, "must be a list, such as [one] or [one, two]"),
    "dict_type": partial(_said, "must be a mapping"),
    "model_type": partial(_said, "must be a mapping"),
    "model_attributes_type": partial(_said, "must be a mapping"),
    "path_type": partial(_said, "must be the path of a file"),
    "string_pattern_mismatch": _misspelt_name,
    "value_error": partial(_said, "{error}"),
}


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    """Places and problems of all errors, in the words of the file."""
    all_details = error.errors(include_url=False, include_input=False)
    # A list whose only entry is wrong counts as empty for pydantic; the wrong entry is what is to be told.
    parents = {details["loc"][:length] for details in all_details for length in range(len(details["loc"]))}
    return [_problem(d) for d in all_details if d["type"] != "too_short" or d["loc"] not in parents]


def _problem(details: ErrorDetails) -> tuple[str, str]:
    """Place and problem of one error of pydantic, in the words of the file."""
    location = details["loc"]
    say = _SAYINGS.get(details["type"])
    problem = say(location, details.get("ctx", {})) if say else details["msg"]
    shown = location
    if location and location[0] == "channels" and len(location) > 2:
        # Pydantic puts the type of a channel, or a mark for its name, between the name and the field.
        shown = (*location[:2], *location[3:])
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in shown)
    return place.removeprefix("."), problem
