"""Topics: names, partitions, retention; and creating them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streams.settings import KafkaSettings, Settings

TOUCHPOINTS: Final = "touchpoints"
KEYED: Final = "touchpoints.keyed"
DEAD: Final = "touchpoints.dead"
OUTBOX: Final = "alerts.outbox"
RULES: Final = "friction.rules"
#: Agents that may read the raw topic, which is read by one of the two.
INTAKE: Final = "intake"
JOURNEYS: Final = "journeys"

_DAY_MS: Final = 86_400_000
#: Twice Kafka's default limit, which the raw topic has.
_LARGEST_FORWARDED: Final = 2_097_152
_KNOWN_WITHIN_MS: Final = 30_000
_ANSWER_WITHIN_MS: Final = 10_000


class TopicSpec(msgspec.Struct, frozen=True):
    """A topic as it has to be: partitions, and settings in the broker's words."""

    name: str
    partitions: int
    config: dict[str, str]


class TopicMismatch(RuntimeError):
    """A topic exists, but not as it has to be; the message says what to do."""


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """Every topic of the pipeline.

    The raw topic takes the broker's time, which clocks are corrected by; the keyed topic keeps the raw record's time.
    Dead letters stay for 90 days, so that there is time to mend a producer and replay. What follows the raw topic takes
    larger records: the same bytes with more headers must fit, or one record as large as allowed would stop everything.
    Rules stay for ever, one record for each version.
    """
    room = {"max.message.bytes": str(_LARGEST_FORWARDED)}
    log_time = {"message.timestamp.type": "LogAppendTime"}
    return (
        TopicSpec(TOUCHPOINTS, settings.partitions, {"retention.ms": str(30 * _DAY_MS), **log_time}),
        TopicSpec(KEYED, settings.partitions, {"retention.ms": str(30 * _DAY_MS), **room}),
        TopicSpec(DEAD, 1, {"retention.ms": str(90 * _DAY_MS), **room}),
        TopicSpec(OUTBOX, 1, {"retention.ms": str(7 * _DAY_MS)}),
        TopicSpec(RULES, 1, {"cleanup.policy": "compact"}),
    )


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Connection options for kafka-python clients."""
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.servers,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.ca_file is not None:
        options["ssl_cafile"] = str(kafka.ca_file)
    if kafka.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": kafka.password.get_secret_value() if kafka.password else None,
        }
    return options


def admin_client(kafka: KafkaSettings) -> KafkaAdminClient:
    """Admin client; close it after use. A broker that does not answer within 10 s is away.

    Raises:
        KafkaError: no broker answers.

    """
    return KafkaAdminClient(client_id="journeys-admin", bootstrap_timeout_ms=_ANSWER_WITHIN_MS, **client_options(kafka))


def create_topics(settings: Settings) -> dict[str, str]:
    """Create what is missing; topic name to `created` or `exists`.

    Raises:
        TopicMismatch: a topic exists with another number of partitions, which decides where persons live.
        KafkaError: the broker refused or did not answer.

    """
    admin = admin_client(settings.kafka)
    done: dict[str, str] = {}
    try:
        for spec in topic_specs(settings):
            topic = NewTopic(spec.name, spec.partitions, settings.replication, topic_configs=spec.config)
            try:
                admin.create_topics([topic])
                done[spec.name] = "created"
            except TopicAlreadyExistsError:
                done[spec.name] = "exists"
        # A broker answers for a new topic some moments after it agreed to make it.
        admin.wait_for_topics(list(done), timeout_ms=_KNOWN_WITHIN_MS)
        for spec in topic_specs(settings):
            found = len(_describe(admin, spec.name)["partitions"])
            if found != spec.partitions:
                raise TopicMismatch(
                    f"topic {spec.name} has {found} partitions, {spec.partitions} are configured. Keys decide the"
                    f" partition, so the number must not change: set JOURNEYS_PARTITIONS={found}, or make a new topic"
                )
    finally:
        admin.close()
    return done


def incarnations(
    kafka: KafkaSettings, names: tuple[str, ...] = (TOUCHPOINTS, KEYED, DEAD, OUTBOX, RULES)
) -> Mapping[str, str]:
    """Topic name to the id its broker gave it when it was created: offsets mean nothing without it.

    Raises:
        TopicMismatch: a topic does not exist.
        KafkaError: the broker does not answer.

    """
    admin = admin_client(kafka)
    try:
        return {name: str(_describe(admin, name)["topic_id"]) for name in names}
    finally:
        admin.close()


def partition_count(kafka: KafkaSettings, name: str) -> int:
    """Number of partitions of a topic.

    Raises:
        TopicMismatch: the topic does not exist.
        KafkaError: the broker does not answer.

    """
    admin = admin_client(kafka)
    try:
        return len(_describe(admin, name)["partitions"])
    finally:
        admin.close()


def _describe(admin: KafkaAdminClient, name: str) -> dict[str, Any]:
    try:
        (topic,) = admin.describe_topics([name])
    except KafkaError as error:
        raise TopicMismatch(f"cannot describe topic {name}: {error}") from error
    if topic["error_code"] or not topic["partitions"]:
        raise TopicMismatch(f"topic {name} does not exist; run: journeys topics create")
    return dict(topic)
