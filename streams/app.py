"""The only module that builds Faust apps. One app per agent: each is a consumer group of its own."""

import ssl
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.types import EventT, TopicT
from yarl import URL

from streams.settings import KafkaSettings, Settings
from streams.transport import Chunk, ChunkTransport

ChunkEvent = EventT[Chunk]


class ChunkSchema(faust.Schema[None, Chunk]):
    """Hands the chunk over as it is; decoding is the agents' work."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """No key: a chunk has many."""
        return

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """The records."""
        return message.value


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
    app = faust.App(
        f"{settings.group_prefix}-{agent}",
        broker=[URL(f"kafka://{server}") for server in settings.kafka.servers],
        broker_credentials=faust_credentials(settings.kafka),
        broker_session_timeout=timeout,
        broker_heartbeat_interval=timeout / 4,
        broker_rebalance_timeout=max(timeout, 10.0),
        broker_commit_interval=0.2,
        broker_max_poll_records=5000,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        stream_buffer_maxsize=4,
        stream_processing_timeout=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        producer_threaded=False,
        producer_acks=-1,
        store="memory://",
        datadir=tempfile.gettempdir(),  # Faust insists on a folder; without tables nothing is kept in it
        web_enabled=False,
        worker_redirect_stdouts=False,
        autodiscover=False,
    )
    app.transport = ChunkTransport(app.conf.broker_consumer, app)
    return app


def chunk_topic(app: faust.App, name: str) -> TopicT:
    """Topic whose events are chunks."""
    return app.topic(name, schema=ChunkSchema(), acks=True)


def register_agent(app: faust.App, topic: TopicT, run: Callable[[Any], Awaitable[None]]) -> None:
    """Register the one agent of an app. No exception may leave `run`: Faust would acknowledge what raised."""
    app.agent(topic, concurrency=1, name=app.conf.id)(run)
