"""The producer against a real broker: what it acknowledged is in the topic, and what failed is named."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from schemas.touchpoint import Touchpoint
from streams.producing.producer import BrokerUnavailable, DeliveryFailed, ProducerLimits, TouchpointProducer
from streams.settings import KafkaSettings
from tests.support.kafka_records import broker_with_topics, touchpoints_in
from tests.support.local_broker import free_port
from tests.support.touchpoints import MONDAY

pytestmark = pytest.mark.stack

IMPATIENT = ProducerLimits(connect_timeout_s=5.0, delivery_timeout_s=1.5, linger_ms=5)


def page_view(number: int, *identities: str) -> Touchpoint:
    return Touchpoint(
        id=f"view-{number}",
        source="webshop",
        kind="page.viewed",
        occurred_at=MONDAY + number,
        identities=identities or ("customer_no:4711",),
        channel="web",
    )


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with broker_with_topics() as settings:
        yield settings


def test_what_was_sent_is_in_the_topic_once_and_unchanged(kafka: KafkaSettings) -> None:
    sent = [page_view(number) for number in range(1_000)]
    with TouchpointProducer(kafka) as producer:
        for touchpoint in sent:
            producer.send(touchpoint)
    assert producer.delivered == 1_000
    assert producer.in_flight == 0
    found = [touchpoint for _, touchpoint in touchpoints_in(kafka) if touchpoint.id.startswith("view-")]
    assert found == sent


def test_the_key_is_the_strongest_identity_whatever_its_place(kafka: KafkaSettings) -> None:
    touchpoint = page_view(2_000, "cookie:abc", "email:Anna@Example.org", "customer_no:0000")
    with TouchpointProducer(kafka) as producer:
        producer.send(touchpoint)
    keys = [key for key, found in touchpoints_in(kafka) if found.id == touchpoint.id]
    assert keys == [b"email:anna@example.org"]


def test_a_touchpoint_without_usable_identity_is_an_error_and_nothing_is_sent(kafka: KafkaSettings) -> None:
    with TouchpointProducer(kafka) as producer:
        with pytest.raises(ValueError, match="default/webshop/view-3000: no usable identity"):
            producer.send(page_view(3_000, "customer_no:-"))
        with pytest.raises(ValueError, match="no usable identity"):
            producer.submit([page_view(3_001), page_view(3_002, "customer_no:0")], lambda _failure: None)
    assert producer.delivered == 0
    assert not {"view-3000", "view-3001"} & {touchpoint.id for _, touchpoint in touchpoints_in(kafka)}


def test_progress_counts_what_was_acknowledged_up_to_the_last(kafka: KafkaSettings) -> None:
    counts: list[int] = []
    with TouchpointProducer(kafka, on_progress=counts.append) as producer:
        for number in range(2_500):
            producer.send(page_view(4_000 + number))
    assert counts == [1_000, 2_000, 2_500]


def test_sending_waits_while_too_many_have_no_answer(kafka: KafkaSettings) -> None:
    most = 0
    with TouchpointProducer(kafka, limits=ProducerLimits(max_in_flight=50)) as producer:
        for number in range(2_000):
            producer.send(page_view(10_000 + number))
            most = max(most, producer.in_flight)
    assert producer.delivered == 2_000
    assert 0 < most <= 50


def test_a_batch_is_answered_once_when_all_of_it_is_acknowledged(kafka: KafkaSettings) -> None:
    answers: list[DeliveryFailed | None] = []
    answered = threading.Event()

    def on_done(failure: DeliveryFailed | None) -> None:
        answers.append(failure)
        answered.set()

    with TouchpointProducer(kafka) as producer:
        producer.submit([page_view(20_000 + number) for number in range(300)], on_done)
        assert answered.wait(10)
        assert producer.delivered == 300
    assert answers == [None]


def test_no_broker_is_told_with_the_address_and_what_to_do() -> None:
    port = free_port()
    with pytest.raises(BrokerUnavailable, match=rf"no Kafka broker answers at 127\.0\.0\.1:{port}.*journeys up"):
        TouchpointProducer(KafkaSettings(bootstrap=f"127.0.0.1:{port}"), limits=ProducerLimits(connect_timeout_s=0.5))


def test_a_broker_that_dies_names_the_first_touchpoint_without_answer() -> None:
    with ExitStack() as broker:
        kafka = broker.enter_context(broker_with_topics())
        producer = TouchpointProducer(kafka, limits=IMPATIENT)
        producer.send(page_view(1))
        producer.flush()
        broker.close()
        producer.send(page_view(2))
        producer.send(page_view(3))
        with pytest.raises(DeliveryFailed, match=r"2 touchpoints were not acknowledged.*\(1 were\)") as failed:
            producer.close()
    assert failed.value.first == page_view(2).key
    assert (failed.value.failed, failed.value.delivered) == (2, 1)
    with pytest.raises(DeliveryFailed):
        producer.send(page_view(4))


def test_a_batch_that_fails_is_answered_with_its_first_touchpoint_and_the_producer_lives() -> None:
    answers: list[DeliveryFailed | None] = []
    answered = threading.Event()

    def on_done(failure: DeliveryFailed | None) -> None:
        answers.append(failure)
        answered.set()

    with ExitStack() as broker:
        kafka = broker.enter_context(broker_with_topics())
        producer = TouchpointProducer(kafka, limits=IMPATIENT)
        producer.send(page_view(100))
        producer.flush()
        broker.close()
        producer.submit([page_view(number) for number in range(3)], on_done)
        assert answered.wait(10)
    (failure,) = answers
    assert failure is not None
    assert (failure.first, failure.failed, failure.delivered) == (page_view(0).key, 3, 0)
    assert producer.in_flight == 0
    producer.flush()
    producer.abandon()


def test_a_broker_that_dies_before_its_first_answer_does_not_hold_up_for_ever() -> None:
    with ExitStack() as broker:
        kafka = broker.enter_context(broker_with_topics())
        producer = TouchpointProducer(kafka, limits=IMPATIENT)
        broker.close()
        producer.send(page_view(1))
        with pytest.raises((BrokerUnavailable, DeliveryFailed)):
            producer.close()


def test_abandoning_answers_what_is_open() -> None:
    answers: list[DeliveryFailed | None] = []
    answered = threading.Event()

    def on_done(failure: DeliveryFailed | None) -> None:
        answers.append(failure)
        answered.set()

    with ExitStack() as broker:
        kafka = broker.enter_context(broker_with_topics())
        producer = TouchpointProducer(kafka, limits=ProducerLimits(delivery_timeout_s=3_600))
        broker.close()
        producer.submit([page_view(1), page_view(2)], on_done)
        producer.abandon()
        assert answered.wait(10)
    assert answers[0] is not None
    assert answers[0].failed == 2


def test_leaving_by_an_exception_does_not_wait_for_the_broker() -> None:
    def stop_in_the_middle(kafka: KafkaSettings) -> None:
        with TouchpointProducer(kafka, limits=ProducerLimits(delivery_timeout_s=3_600)) as producer:
            broker.close()
            producer.send(page_view(1))
            raise RuntimeError("stop here")

    with ExitStack() as broker:
        kafka = broker.enter_context(broker_with_topics())
        with pytest.raises(RuntimeError, match="stop here"):
            stop_in_the_middle(kafka)
