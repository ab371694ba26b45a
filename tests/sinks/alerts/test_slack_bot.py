"""A bot in Slack: what it posts, changes and answers, and what it makes of Slack's answers."""

import asyncio
import json
from typing import Any

import pytest

from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender, Limits
from sinks.alerts.secret_source import SecretError
from tests.support.channels import BOT_TOKEN, TAKEN, opened
from tests.support.chat_endpoint import Answer, ChatEndpoint
from tests.support.notices import ACTIONS, EXAMPLES, SUBJECT, WITHDRAWN_EN, a_notice
from tests.support.slack_rules import slack_violations

REFERENCE = "C0OLD:1767000000.000200"
CALLS = {
    "chat.postMessage": {"channel", "text", "blocks", "thread_ts", "unfurl_links", "unfurl_media"},
    "chat.update": {"channel", "ts", "text", "blocks"},
}


def answer(**fields: Any) -> Answer:
    return Answer(200, json.dumps(fields))


def error(word: str) -> Answer:
    return answer(ok=False, error=word)


def delivered(*answers: Answer, notice: Notice, **changes: Any) -> tuple[Outcome, list[tuple[str, Any]]]:
    """Outcome, and the calls that Slack got: method and arguments."""

    async def run() -> tuple[Outcome, list[tuple[str, Any]]]:
        async with ChatEndpoint(*answers, usual=TAKEN["slack_bot"]) as endpoint, HttpSender(Limits(total_s=2)) as http:
            outcome = await opened("slack_bot", endpoint.url("/api"), **changes).send(notice, http)
            for request in endpoint.received:
                assert request.headers["authorization"] == f"Bearer {BOT_TOKEN}"
                assert request.headers["content-type"] == "application/json; charset=utf-8"
            return outcome, [(request.path.removeprefix("/api/"), request.json) for request in endpoint.received]

    outcome, calls = asyncio.run(run())
    for method, arguments in calls:
        assert arguments.keys() <= CALLS[method]
        assert slack_violations({"text": arguments["text"], "blocks": arguments["blocks"]}) == []
    return outcome, calls


def following(kind: NoticeKind, **changes: Any) -> Notice:
    return a_notice(kind, because_en=WITHDRAWN_EN, reference=REFERENCE, **changes)


def test_the_first_notice_is_a_message_whose_place_comes_back() -> None:
    outcome, calls = delivered(notice=EXAMPLES["opened"])
    assert outcome == Delivered("C0CARE:1767262020.000100")
    assert [method for method, _ in calls] == ["chat.postMessage"]
    assert calls[0][1]["channel"] == "C0CARE"
    assert calls[0][1]["unfurl_links"] is False


@pytest.mark.parametrize("kind", [NoticeKind.UPDATED, NoticeKind.WITHDRAWN])
def test_what_calls_for_attention_changes_the_message_and_answers_below_it(kind: NoticeKind) -> None:
    outcome, calls = delivered(notice=following(kind))
    assert outcome == Delivered(REFERENCE)
    (first, changed), (second, reply) = calls
    assert (first, changed["channel"], changed["ts"]) == ("chat.update", "C0OLD", "1767000000.000200")
    assert (second, reply["channel"], reply["thread_ts"]) == ("chat.postMessage", "C0OLD", "1767000000.000200")
    assert WITHDRAWN_EN in changed["text"]
    assert WITHDRAWN_EN in reply["text"]


def test_what_is_over_changes_the_message_without_calling_anybody() -> None:
    outcome, calls = delivered(notice=following(NoticeKind.CLOSED))
    assert outcome == Delivered(REFERENCE)
    assert [method for method, _ in calls] == ["chat.update"]


def test_a_withdrawn_message_no_longer_says_what_was_wrong_as_if_it_were_so() -> None:
    _, calls = delivered(notice=following(NoticeKind.WITHDRAWN))
    blocks = calls[0][1]["blocks"]
    assert blocks[0]["text"]["text"].startswith("Withdrawn: ")
    assert blocks[2]["text"]["text"] == f"It had said: {SUBJECT.sentence_en}"


@pytest.mark.parametrize("kind", [NoticeKind.DIGEST, NoticeKind.EXPIRED, NoticeKind.TEST, NoticeKind.OPENED])
def test_what_follows_nothing_is_a_message_of_its_own_whatever_the_reference(kind: NoticeKind) -> None:
    _, calls = delivered(notice=following(kind))
    assert [method for method, _ in calls] == ["chat.postMessage"]


@pytest.mark.parametrize("reference", ["", "C0OLD", "C0OLD:x", "c:1.1", "C0OLD:1.1\n", "<a@b>", "C0OLD:1.1/../x"])
def test_without_a_reference_of_ours_an_update_is_a_message_of_its_own(reference: str) -> None:
    outcome, calls = delivered(notice=a_notice(NoticeKind.UPDATED, reference=reference))
    assert [method for method, _ in calls] == ["chat.postMessage"]
    assert outcome == Delivered("C0CARE:1767262020.000100")


@pytest.mark.parametrize(
    ("kind", "methods", "reference"),
    [
        (NoticeKind.UPDATED, ["chat.update", "chat.postMessage"], "C0CARE:1767262020.000100"),
        (NoticeKind.CLOSED, ["chat.update"], REFERENCE),
        (NoticeKind.WITHDRAWN, ["chat.update"], REFERENCE),
    ],
)
def test_of_a_message_that_somebody_deleted_only_what_goes_on_is_said_anew(
    kind: NoticeKind, methods: list[str], reference: str
) -> None:
    outcome, calls = delivered(error("message_not_found"), notice=following(kind))
    assert [method for method, _ in calls] == methods
    assert outcome == Delivered(reference)
    assert all("thread_ts" not in arguments for _, arguments in calls)


@pytest.mark.parametrize("word", ["edit_window_closed", "cant_update_message"])
@pytest.mark.parametrize("kind", [NoticeKind.UPDATED, NoticeKind.CLOSED, NoticeKind.WITHDRAWN])
def test_where_messages_may_not_be_changed_it_is_said_below(word: str, kind: NoticeKind) -> None:
    outcome, calls = delivered(error(word), notice=following(kind))
    assert outcome == Delivered(REFERENCE)
    assert [method for method, _ in calls] == ["chat.update", "chat.postMessage"]
    assert calls[1][1]["thread_ts"] == "1767000000.000200"


def test_a_reply_that_fails_is_tried_again_with_the_change_before_it() -> None:
    outcome, calls = delivered(TAKEN["slack_bot"], Answer(500), notice=following(NoticeKind.UPDATED))
    assert isinstance(outcome, Retry)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error("ratelimited"), Retry, "ratelimited"),
        (error("internal_error"), Retry, "internal_error"),
        (error("service_unavailable"), Retry, "service_unavailable"),
        (error("not_in_channel"), Refused, "invite it"),
        (error("missing_scope"), Refused, "chat:write"),
        (error("token_revoked"), Refused, "was revoked"),
        (error("is_archived"), Refused, "archived"),
        (error("something_new"), Refused, "answered something_new"),
        (error("<b>secret page</b>"), Refused, "an error without a name"),
        (Answer(200, "<html>secret page</html>"), Retry, "something that is not Slack's"),
        (Answer(200, '{"ok":"yes"}'), Retry, "something that is not Slack's"),
        (Answer(200, ""), Retry, "something that is not Slack's"),
        (Answer(streams_bytes=50_000_000), Retry, "something that is not Slack's"),
        (Answer(drips=True), Retry, "did not answer within 2 s"),
        (answer(ok=True), Delivered, ""),
        (answer(ok=True, channel="C0CARE", ts="1.5", message={"text": "x" * 100_000}), Delivered, ""),
    ],
)
def test_answers_of_slack_are_understood(reply: Answer, kind: type, words: str) -> None:
    outcome, calls = delivered(reply, notice=a_notice())
    assert type(outcome) is kind
    assert words in getattr(outcome, "reason", "")
    assert "secret" not in repr(outcome)
    assert len(calls) == 1


def test_too_many_messages_are_put_off_for_as_long_as_slack_says() -> None:
    outcome, _ = delivered(Answer(429, '{"ok":false,"error":"ratelimited"}', {"Retry-After": "30"}), notice=a_notice())
    assert isinstance(outcome, Retry)
    assert outcome.after_s == 30


def test_an_answer_longer_than_a_packet_is_read_to_its_end() -> None:
    reply = answer(message={"text": "x" * 200_000}, ok=True, channel="C0CARE", ts="1.5")
    assert delivered(reply, notice=a_notice())[0] == Delivered("C0CARE:1.5")


def test_an_interactive_bot_asks_in_slack() -> None:
    _, calls = delivered(notice=a_notice(actions=ACTIONS), interactive=True)
    buttons = calls[0][1]["blocks"][-1]["elements"]
    assert [button.get("value") for button in buttons] == [None, None, SUBJECT.incident_id, SUBJECT.incident_id]


@pytest.mark.parametrize("channel", ["social-care", "#social-care", "c0care", "", "C0CARE\n", "C"])
def test_a_channel_is_named_by_its_id(channel: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        opened("slack_bot", "https://slack.example", channel=channel)


def test_a_token_that_is_none_is_an_error_that_does_not_show_it(tmp_path: Any) -> None:
    file = tmp_path / "token"
    file.write_text("https://hooks.slack.com/secret-part")
    file.chmod(0o600)
    with pytest.raises(SecretError, match=r"token_file: is no token of a Slack bot") as caught:
        opened("slack_bot", "https://slack.example", token_env=None, token_file=file)
    assert "secret-part" not in str(caught.value)
