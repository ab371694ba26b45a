"""Settings: from options, environment (`JOURNEYS_…`, `__` between levels), the local stack's file, then defaults."""

import ipaddress
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from processors.admission import AdmissionSettings
from processors.identity_limits import IdentityLimits
from processors.keyring import Keyring
from processors.settings import EffortBudgets
from streams.pepper_file import PepperError, parse_keyring

DEFAULT_DATA_DIR = Path(".journeys")
#: Where `journeys up` writes the addresses of what it started.
STACK_FILE = "stack.json"
#: Where container engines mount secrets; a file named like a setting's variable sets it.
SECRETS_DIR = Path("/run/secrets")
_DAY_MS = 86_400_000
_ACCEPTED = r"[A-Za-z0-9._-]+/[0-9]+:[0-9]+"


class SettingsError(ValueError):
    """A setting is missing or wrong; the message says which and what to do."""


class KafkaSettings(BaseModel):
    """How to reach Kafka. Names are librdkafka's and Faust's."""

    model_config = ConfigDict(extra="forbid")

    bootstrap: str = Field("127.0.0.1:9092", description="Comma-separated host:port of the brokers.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    session_timeout_s: float = Field(10.0, gt=0, description="How long a worker may be silent before it is replaced.")
    instance_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Name of this worker that no other has; it keeps its partitions over a restart.",
    )

    @property
    def servers(self) -> list[str]:
        """Brokers as a list of host:port."""
        return [server.strip() for server in self.bootstrap.split(",") if server.strip()]

    @field_validator("bootstrap")
    @classmethod
    def _names_ports(cls, value: str) -> str:
        for server in value.split(","):
            host, colon, port = server.strip().rpartition(":")
            if not (colon and host and port.isdigit()):
                raise ValueError(f"expected host:port, got {server.strip()!r}")
        return value

    @model_validator(mode="after")
    def _never_send_passwords_in_the_clear(self) -> Self:
        hosts = [server.rpartition(":")[0].strip("[]") for server in self.servers]
        if self.security_protocol == "SASL_PLAINTEXT" and not all(map(is_loopback, hosts)):
            raise ValueError("SASL without TLS is for loopback only; use SASL_SSL")
        if self.security_protocol.startswith("SASL") and (self.username is None or self.password is None):
            raise ValueError("SASL needs username and password")
        return self


class ClickHouseSettings(BaseModel):
    """How to reach ClickHouse over its native protocol."""

    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(9000, gt=0, lt=65536)
    http_port: int = Field(8123, gt=0, lt=65536, description="Only shown to people; we speak the native protocol.")
    database: str = Field("journeys", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    user: str = "default"
    password: SecretStr = SecretStr("")
    secure: bool = False
    answer_timeout_s: float = Field(
        60.0, gt=0, description="How long ClickHouse may be silent before it counts as gone."
    )


class FlushSettings(BaseModel):
    """When results are written: whichever comes first."""

    model_config = ConfigDict(extra="forbid")

    max_rows: int = Field(20_000, gt=0, description="Touchpoints collected before a flush.")
    max_bytes: int = Field(16_777_216, gt=0, description="Bytes of records collected before a flush.")
    max_age_s: float = Field(1.0, gt=0, description="Age of the oldest touchpoint before a flush.")
    min_pause_s: float = Field(
        0.25, ge=0, description="Pause between flushes that no limit forces; four times the last one if that is longer."
    )


class WatchdogSettings(BaseModel):
    """When a worker that stands still ends itself."""

    model_config = ConfigDict(extra="forbid")

    standstill_s: float = Field(
        60.0, gt=0, description="How long a partition may stand still while records wait and nothing is tried again."
    )
    silence_s: float = Field(20.0, gt=0, description="How long a worker's event loop may be silent.")


class DeadLetterSettings(BaseModel):
    """How many records of a partition may be refused before the worker stops and asks for a decision."""

    model_config = ConfigDict(extra="forbid")

    most_in_a_row: int = Field(100, ge=0, description="More dead letters than that in a row stop the worker; 0: never.")
    most_percent: float = Field(
        10.0, ge=0, le=100, description="More dead letters than that of the last 10,000 stop the worker; 0: never."
    )
    accepted: str = Field(
        "",
        pattern=rf"^({_ACCEPTED}(,{_ACCEPTED})*)?$",
        description="Comma-separated TOPIC/PARTITION:OFFSET; dead letters before these offsets do not count.",
    )

    @property
    def accepted_offsets(self) -> dict[str, int]:
        """`TOPIC/PARTITION` to the offset before which somebody has accepted what is there."""
        places = (entry.rpartition(":") for entry in self.accepted.split(",") if entry)
        return {place: int(offset) for place, _, offset in places}


class IdentitySettings(BaseModel):
    """How much may be joined into one person without anybody having said so."""

    model_config = ConfigDict(extra="forbid")

    unique: int = Field(1, gt=0, description="Customer numbers, accounts, loyalty cards of a person, of each kind.")
    login: int = Field(5, gt=0, description="E-mail addresses, phone numbers and such of a person, of each kind.")
    volatile: int = Field(5, gt=0, description="Devices, cookies and such of a person, of each kind, in the window.")
    volatile_window_days: float = Field(7.0, gt=0)
    max_identities: int = Field(200, gt=1, description="Identities of a person, whatever anybody says.")
    max_companions: int = Field(
        200, gt=1, le=5_000, description="Others that an identity may be seen with; one with more is a placeholder."
    )

    def limits(self) -> IdentityLimits:
        """The same as the core takes it."""
        values = self.model_dump(exclude={"volatile_window_days"})
        return IdentityLimits(**values, volatile_window_ms=round(self.volatile_window_days * 86_400_000))


class EffortSettings(BaseModel):
    """How many minutes a journey may cost a customer before it counts as too much."""

    model_config = ConfigDict(extra="forbid")

    budget_minutes: float = Field(30.0, gt=0, description="Customer minutes that a journey may cost.")
    budget_minutes_by_topic: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="The same for journeys about single topics, as JSON: topic to minutes."
    )

    def budgets(self) -> EffortBudgets:
        """The same as the core takes it."""
        return EffortBudgets(minutes=self.budget_minutes, by_topic=self.budget_minutes_by_topic)


class TenantSettings(BaseModel):
    """What is different for one tenant."""

    model_config = ConfigDict(extra="forbid")

    identity: IdentitySettings | None = None
    effort: EffortSettings | None = None
    rollups_every_s: float = Field(
        60.0, ge=0, description="How often rollups are rebuilt where they differ from their base; 0 for never."
    )
    blocked_identities: frozenset[str] = Field(frozenset(), description="Further values that never identify anybody.")


class Settings(BaseSettings):
    """Everything that can be set, with its effective value."""

    model_config = SettingsConfigDict(
        env_prefix="JOURNEYS_",
        env_nested_delimiter="__",
        extra="forbid",
        secrets_dir=SECRETS_DIR,
        secrets_dir_missing="ok",
    )

    data_dir: Path = DEFAULT_DATA_DIR
    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    flush: FlushSettings = FlushSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    accept_lost_records: bool = Field(
        default=False,
        description="Go on where records were deleted before they were read; the range becomes a dead letter.",
    )
    pepper_file: Path | None = Field(None, description="Secret for hashing identities; default DATA_DIR/pepper.")
    pepper_window_days: float = Field(
        90.0, ge=0, description="How long after a new key began identities are known under the key before it as well."
    )
    alert_routing: Path | None = Field(None, description="YAML file that says who is told what; default console.")
    group_prefix: str = Field("journeys", pattern=r"^[A-Za-z0-9._-]+$")
    partitions: int = Field(
        4, gt=0, le=1024, description="Partitions of the touchpoint topics; hashes of identities depend on it."
    )
    replication: int = Field(1, gt=0, description="Replicas of topics that are created.")
    fused: bool = Field(
        default=False,
        description="Own persons straight from the topic touchpoints, where producers key by the strongest identity.",
    )
    max_persons: int = Field(
        200_000, gt=0, description="Persons held in memory per worker; about 6 kB each, without their touchpoints."
    )
    max_touchpoints: int = Field(
        500_000, gt=0, description="Touchpoints of all persons in memory, per worker; about 1.6 kB each."
    )
    session_gap_minutes: float = Field(30.0, gt=0)
    session_end: Literal["ended_at", "occurred_at"] = "ended_at"
    journey_gap_days: float = Field(14.0, gt=0)
    allowed_lateness_s: float = Field(600.0, ge=0, description="How far the watermark stays behind the newest event.")
    history_horizon_days: float = Field(
        90.0, gt=0, description="What is appended later than that after it happened is judged on request only."
    )
    blocked_identities: frozenset[str] = Field(frozenset(), description="Values that never identify anybody.")
    identity: IdentitySettings = IdentitySettings()
    effort: EffortSettings = EffortSettings()
    tenants: dict[str, TenantSettings] = Field({}, description="What is different for single tenants, by name.")
    alert_max_age_days: float = Field(
        400.0, gt=0, description="Frictions further than this behind the watermark alert nobody; default: none is."
    )

    def admission(self) -> AdmissionSettings:
        """What is let in."""
        by_tenant = {name: tenant.blocked_identities for name, tenant in self.tenants.items()}
        return AdmissionSettings(
            blocked=_lowered(self.blocked_identities),
            blocked_by_tenant={name: _lowered(blocked) for name, blocked in by_tenant.items() if blocked},
        )

    def limits_by_tenant(self) -> dict[str, IdentityLimits]:
        """Limits on identities of the tenants that have their own."""
        return {name: tenant.identity.limits() for name, tenant in self.tenants.items() if tenant.identity is not None}

    def effort_budgets_by_tenant(self) -> dict[str, EffortBudgets]:
        """Effort budgets of the tenants that have their own."""
        return {name: tenant.effort.budgets() for name, tenant in self.tenants.items() if tenant.effort is not None}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, then the environment, then secret files, which know levels like the environment does."""
        return init_settings, env_settings, NestedSecretsSettingsSource(file_secret_settings)

    @property
    def pepper_path(self) -> Path:
        """Where the secret for hashing identities lies."""
        return self.pepper_file or self.data_dir / "pepper"

    def keyring(self) -> Keyring:
        """Keys of the identity hashes, each with the moment from which it holds.

        Raises:
            SettingsError: there is none, one is too short, a line is wrong, or others can read them.

        """
        path = self.pepper_path
        try:
            mode = path.stat().st_mode
            content = path.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"no pepper at {path} ({error.strerror}). `journeys up` makes one for the local stack; elsewhere put"
                " at least 32 random characters into a file only you can read and name it with JOURNEYS_PEPPER_FILE"
            ) from None
        if stat.S_IMODE(mode) & 0o077 and not path.is_relative_to(SECRETS_DIR):
            raise SettingsError(f"{path} can be read by others; run: chmod 600 {path}")
        try:
            return parse_keyring(content, round(self.pepper_window_days * _DAY_MS), self.partitions)
        except PepperError as error:
            raise SettingsError(f"the pepper in {path}, {error}") from None


def _lowered(values: frozenset[str]) -> frozenset[str]:
    return frozenset(value.lower() for value in values)


def is_loopback(host: str) -> bool:
    """Whether a host name or address stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_pepper(path: Path) -> None:
    """Write a new random pepper, readable by its owner only, unless there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32) + "\n")


def parse_address(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of `host[:port]`.

    Raises:
        SettingsError: the port is not a number between 1 and 65535.

    """
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, default_port
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(f"expected host:port, got {text!r}")
    return host.strip("[]"), int(port)


def load_settings(data_dir: Path | None = None, kafka: str | None = None, clickhouse: str | None = None) -> Settings:
    """Effective settings; options win over the environment, that over the local stack's addresses.

    `kafka` is `host:port[,…]`, `clickhouse` is `host[:port]` of the native protocol.

    Raises:
        SettingsError: a value is wrong; the message names it.

    """
    folder = chosen_data_dir(data_dir)
    values: dict[str, Any] = {}
    with _problems_named():
        settings = Settings(data_dir=folder)
        stack = read_stack(folder)
        if stack and not settings.kafka.model_fields_set & {"bootstrap"}:
            values["kafka"] = {**settings.kafka.model_dump(), "bootstrap": stack["kafka"]}
        if stack and not settings.clickhouse.model_fields_set & {"host", "port"}:
            host, port = parse_address(stack["clickhouse"], 9000)
            http_port = parse_address(stack["clickhouse_http"], 8123)[1] if stack.get("clickhouse_http") else 8123
            values["clickhouse"] = {
                **settings.clickhouse.model_dump(),
                "host": host,
                "port": port,
                "http_port": http_port,
            }
        if kafka:
            values["kafka"] = {**settings.kafka.model_dump(), "bootstrap": kafka}
        if clickhouse:
            host, port = parse_address(clickhouse, 9000)
            values["clickhouse"] = {**settings.clickhouse.model_dump(), "host": host, "port": port}
        return Settings(data_dir=folder, **values) if values else settings


def settings_without_stack(data_dir: Path) -> Settings:
    """Effective settings as if no local stack ran in the folder.

    Raises:
        SettingsError: a value is wrong; the message names it.

    """
    with _problems_named():
        return Settings(data_dir=data_dir)


def unknown_variables() -> list[str]:
    """Environment variables that look like settings and are none; levels below the first are checked when loading."""
    known = {f"JOURNEYS_{name.upper()}" for name in Settings.model_fields}
    named = (name for name in os.environ if name.upper().startswith("JOURNEYS_"))
    return sorted(name for name in named if name.upper().partition("__")[0] not in known)


def chosen_data_dir(data_dir: Path | None) -> Path:
    """Folder of the local stack: the option, else the environment, else the default."""
    return data_dir or Path(os.environ.get("JOURNEYS_DATA_DIR") or DEFAULT_DATA_DIR)


@contextmanager
def _problems_named() -> Iterator[None]:
    """Turn what pydantic complains of into one line that repeats no value: one of them may be a password."""
    try:
        yield
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"setting {'; setting '.join(problems)}") from None
    except ValueError as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(str(error)) from None


def read_stack(data_dir: Path) -> dict[str, Any] | None:
    """Addresses that `journeys up` wrote into the data folder, or `None` when there is no stack."""
    try:
        stack = json.loads((data_dir / STACK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stack if isinstance(stack, dict) else None
