"""The only module that builds Faust apps. One app per agent: each is a consumer group of its own."""

import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import faust
from faust.types import TopicT
from yarl import URL

from streams.members import instance_holder
from streams.settings import KafkaSettings, Settings
from streams.transport import MOST_FETCHED, Chunk, ChunkTransport


def rebalance_timeout_s(kafka: KafkaSettings) -> float:
    """How long a rebalance waits for a worker that has something to finish."""
    return max(kafka.session_timeout_s, 10.0)


def revocation_limit_s(kafka: KafkaSettings) -> float:
    """How long a worker may take to finish before its partitions go: a fifth of what the others wait at most."""
    return 0.2 * rebalance_timeout_s(kafka)


class ChunkSchema(faust.Schema[None, Chunk]):
    """Hands the chunk over as it is; decoding is the agents' work."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """No key: a chunk has many."""
        return

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """The records."""
        return message.value


class _FolderlessApp(faust.App):
    """Without tables Faust keeps nothing in its data folder, so none is made."""

    def _create_directories(self) -> None:
        pass


def faust_credentials(kafka: KafkaSettings) -> Any:
    """Credentials in Faust's form, or `None` for plain connections."""
    context = None
    if kafka.security_protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=str(kafka.ca_file) if kafka.ca_file else None)
    if kafka.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=kafka.username,
            password=kafka.password.get_secret_value() if kafka.password else None,
            ssl_context=context,
            mechanism=kafka.sasl_mechanism,
        )
    return faust.SSLCredentials(context) if context is not None else None


def build_app(settings: Settings, agent: str) -> faust.App:
    """Faust app of one agent, with every default that could surprise set by hand."""
    timeout = settings.kafka.session_timeout_s
    instance = settings.kafka.instance_id
    app = _FolderlessApp(
        f"{settings.group_prefix}-{agent}",
        broker=[URL(f"kafka://{server}") for server in settings.kafka.servers],
        broker_credentials=faust_credentials(settings.kafka),
        broker_session_timeout=timeout,
        broker_heartbeat_interval=timeout / 4,
        consumer_group_instance_id=f"{instance}-{agent}" if instance else None,
        broker_rebalance_timeout=rebalance_timeout_s(settings.kafka),
        broker_commit_interval=0.2,
        broker_max_poll_records=MOST_FETCHED,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        stream_buffer_maxsize=4,
        stream_processing_timeout=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        producer_threaded=False,
        producer_acks=-1,
        store="memory://",
        web_enabled=False,
        worker_redirect_stdouts=False,
        autodiscover=False,
    )
    app.transport = ChunkTransport(app.conf.broker_consumer, app, find_holder=partial(instance_holder, settings.kafka))
    return app


def chunk_topic(app: faust.App, *names: str) -> TopicT:
    """Topics whose events are chunks. Faust's assignor hands out several with as many partitions together."""
    return app.topic(*names, schema=ChunkSchema(), acks=True)


def register_agent(app: faust.App, topic: TopicT, run: Callable[[Any], Awaitable[None]]) -> None:
    """Register the one agent of an app. No exception may leave `run`: Faust would acknowledge what raised."""
    app.agent(topic, concurrency=1, name=app.conf.id)(run)
