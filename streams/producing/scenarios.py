"""The catalogue of planted stories: every variant of every pattern, and every case that comes close and must not fire.

A scenario writes one person's contacts; that person has no others. Boundaries are hit to the millisecond.
"""

from collections.abc import Callable
from typing import Final

from schemas.touchpoint import Touchpoint
from streams.producing.company import TOPICS
from streams.producing.planted import DAY, HOUR, MINUTE, Script

#: No story is longer, milliseconds.
LONGEST_STORY: Final = 15 * DAY

REDIRECT: Final = "channel_redirect"
SWITCH: Final = "unprompted_switch"
REPEAT: Final = "repeat_contact"

Scenario = Callable[[Script], None]


# --- Sent elsewhere -------------------------------------------------------------------------------------------------


def sent_to_a_form(s: Script) -> None:
    """Asked on social media, told to go to the website and fill in the form completely, and did."""
    s.contact("social", 0, channel_detail="facebook")
    redirect = s.redirect("social", "web", 20 * MINUTE, redirect_ref="https://shop.example/contact")
    s.customer("session.started", "web", 2 * HOUR, topic=None)
    s.customer("form.started", "web", 2 * HOUR + 2 * MINUTE, fields_required=14, touchpoint="/contact")
    form = s.customer(
        "form.submitted", "web", 2 * HOUR + 11 * MINUTE, fields_required=14, fields_filled=14, active_ms=9 * MINUTE
    )
    s.found(REDIRECT, "form", redirect, 4)
    s.nothing(SWITCH, form, "invited by the redirect")
    s.nothing(REPEAT, form, "invited by the redirect")


def sent_and_gone(s: Script) -> None:
    """Sent to the hotline and never seen again."""
    s.contact("chat", 0, lasts=6 * MINUTE)
    s.found(REDIRECT, "lost", s.redirect("chat", "phone", 5 * MINUTE), 4)


def sent_and_followed(s: Script) -> None:
    """Sent from chat to the hotline, called there, helped there."""
    s.contact("chat", 0, lasts=6 * MINUTE)
    redirect = s.redirect("chat", "phone", 5 * MINUTE)
    call = s.contact("phone", 2 * HOUR, lasts=7 * MINUTE, outcome="ok")
    s.found(REDIRECT, "followed", redirect, 3, status="cleared")
    s.nothing(SWITCH, call, "invited by the redirect")
    s.nothing(REPEAT, call, "invited by the redirect")


def sent_and_sent_again(s: Script) -> None:
    """Sent from chat to the hotline, and from there to e-mail."""
    s.contact("chat", 0, lasts=6 * MINUTE)
    first = s.redirect("chat", "phone", 5 * MINUTE)
    call = s.contact("phone", 3 * HOUR, lasts=10 * MINUTE)
    second = s.redirect("phone", "email", 3 * HOUR + 9 * MINUTE)
    s.found(REDIRECT, "followed", first, 3)
    s.found(REDIRECT, "chain", second, 4)
    s.nothing(REPEAT, call, "invited by the redirect")


def sent_but_helped(s: Script) -> None:
    """Sent to the website, but the company solved it before the customer went."""
    s.contact("social", 0)
    redirect = s.redirect("social", "web", 30 * MINUTE)
    s.solve(5 * HOUR)
    s.found(REDIRECT, "redirected", redirect, 2, status="cleared")


def sent_and_looked(s: Script) -> None:
    """Sent to the website; a page view there, about nothing named, is the arrival."""
    s.contact("email", 0)
    redirect = s.redirect("email", "web", 4 * HOUR)
    s.customer("page.viewed", "web", 9 * HOUR, topic=None, touchpoint="/help")
    s.found(REDIRECT, "followed", redirect, 3)


def sent_and_arrived_at_48_hours(s: Script) -> None:
    """The last millisecond at which an arrival counts."""
    s.contact("email", 0)
    redirect = s.redirect("email", "web", HOUR)
    s.customer("page.viewed", "web", 49 * HOUR, topic=None, touchpoint="/help")
    s.found(REDIRECT, "followed", redirect, 3)


def sent_with_fields(s: Script) -> None:
    """The redirect itself says what has to be entered."""
    s.contact("email", 0)
    redirect = s.redirect("email", "web", HOUR, fields_required=11)
    s.customer("page.viewed", "web", 6 * HOUR, touchpoint="/contact")
    s.found(REDIRECT, "form", redirect, 4)


def sent_and_asked_for_data(s: Script) -> None:
    """Sent to the portal, which is a place on the web, and asked for data there."""
    s.contact("email", 0)
    redirect = s.redirect("email", "portal", HOUR)
    s.customer("session.started", "web", 5 * HOUR)
    items = ("customer_no", "iban")
    s.agent("data.requested", "portal", 5 * HOUR + MINUTE, actor="bot", actor_id=None, items_requested=items)
    s.found(REDIRECT, "form", redirect, 4)


def sent_again_after_14_days(s: Script) -> None:
    """The last millisecond at which a second redirect makes a chain."""
    _sent_twice(s, 14 * DAY)
    s.found(REDIRECT, "chain", s.touchpoints[-1], 4)


def sent_again_later(s: Script) -> None:
    """One millisecond too late for a chain: lost by itself."""
    _sent_twice(s, 14 * DAY + 1)
    s.found(REDIRECT, "lost", s.touchpoints[-1], 4)


def _sent_twice(s: Script, apart: int) -> None:
    s.contact("chat", 0, lasts=6 * MINUTE)
    first = s.redirect("chat", "phone", 5 * MINUTE)
    s.contact("phone", HOUR, lasts=5 * MINUTE)
    s.contact("email", 5 * MINUTE + apart - HOUR)
    s.redirect("email", "store", 5 * MINUTE + apart)
    s.found(REDIRECT, "followed", first, 3)


def sent_for_authentication(s: Script) -> None:
    """There was no choice: base 1."""
    _sent_for_a_reason(s, "authentication", 1)


def sent_for_payment_security(s: Script) -> None:
    """There was no choice: base 1."""
    _sent_for_a_reason(s, "payment_security", 1)


def sent_for_legal_reasons(s: Script) -> None:
    """There was no choice: base 1."""
    _sent_for_a_reason(s, "legal", 1)


def _sent_for_a_reason(s: Script, reason: str, base: int) -> None:
    s.contact("social", 0)
    redirect = s.redirect("social", "phone", 15 * MINUTE, reason=reason)
    s.contact("phone", 5 * HOUR, lasts=4 * MINUTE)
    s.found(REDIRECT, "followed", redirect, base)


def sent_with_context(s: Script) -> None:
    """A deep link carried the matter along: base 1."""
    s.contact("chat", 0, lasts=4 * MINUTE)
    redirect = s.redirect(
        "chat", "web", 3 * MINUTE, context_carried=True, redirect_ref="https://shop.example/case/continue"
    )
    s.customer("page.viewed", "web", 4 * MINUTE, touchpoint="/case/continue")
    s.found(REDIRECT, "followed", redirect, 1)


def wanted_the_other_channel(s: Script) -> None:
    """The customer asked to be sent there."""
    _sent_for_nothing(s, "phone", "customer_request")


def sent_to_the_emergency_line(s: Script) -> None:
    """Lives first."""
    _sent_for_nothing(s, "phone", "emergency")


def _sent_for_nothing(s: Script, to: str, reason: str) -> None:
    s.contact("social", 0)
    redirect = s.redirect("social", to, 5 * MINUTE, reason=reason)
    s.contact("phone", 20 * MINUTE, lasts=4 * MINUTE)
    s.nothing(REDIRECT, redirect, reason)


def sent_nowhere(s: Script) -> None:
    """A redirect that names no channel."""
    s.contact("chat", 0, lasts=6 * MINUTE)
    s.nothing(REDIRECT, s.redirect("chat", None, 5 * MINUTE), "no target")


def sent_to_the_same_channel(s: Script) -> None:
    """Another address, but no other channel."""
    s.contact("email", 0)
    s.nothing(REDIRECT, s.redirect("email", "email", HOUR), "same channel")


def probe_was_sent(s: Script) -> None:
    """Synthetic monitoring is stored and never judged."""
    s.everywhere["probe"] = True
    s.contact("chat", 0)
    s.nothing(REDIRECT, s.redirect("chat", "phone", 5 * MINUTE), "probe")


def sent_in_imported_history(s: Script) -> None:
    """Found, but nobody is told."""
    s.everywhere["backfill"] = True
    s.contact("chat", 0, lasts=6 * MINUTE)
    s.found(REDIRECT, "lost", s.redirect("chat", "phone", 5 * MINUTE), 4, silenced="backfill")


def sent_without_consent(s: Script) -> None:
    """Found, but the customer does not want to be profiled."""
    s.customer("consent.withdrawn", "web", 0, topic=None, purposes=("profiling",))
    s.contact("chat", 3 * HOUR, lasts=6 * MINUTE)
    s.found(REDIRECT, "lost", s.redirect("chat", "phone", 3 * HOUR + 5 * MINUTE), 4, silenced="consent")


def sent_in_an_incident(s: Script) -> None:
    """Found, but it belongs to an incident that is known."""
    s.everywhere["objects"] = (s.object("incident"),)
    s.contact("chat", 0, lasts=6 * MINUTE)
    s.found(REDIRECT, "lost", s.redirect("chat", "phone", 5 * MINUTE), 4, silenced="incident")


# --- Went elsewhere --------------------------------------------------------------------------------------------------


def mailed_then_called(s: Script) -> None:
    """No help by mail, so a call on the same day."""
    s.contact("email", 0)
    _switched(s, s.contact("phone", 5 * HOUR, lasts=9 * MINUTE))


def chatted_looked_then_called(s: Script) -> None:
    """No help in the chat, none on the website, so a call."""
    s.contact("chat", 0, lasts=8 * MINUTE)
    s.customer("session.started", "web", 3 * HOUR - 20 * MINUTE, topic=None)
    s.customer("search.performed", "web", 3 * HOUR - 18 * MINUTE, topic=None, touchpoint="/help")
    call = s.contact("phone", 3 * HOUR, lasts=9 * MINUTE)
    s.found(SWITCH, "after_self_help", call, 3)
    s.found(REPEAT, "repeat", call, 2)


def filled_a_form_then_called(s: Script) -> None:
    """The form was sent; nothing came of it."""
    s.customer("form.submitted", "web", 0, fields_required=8, active_ms=4 * MINUTE)
    _switched(s, s.contact("phone", 20 * HOUR, lasts=5 * MINUTE))


def switched_after_24_hours(s: Script) -> None:
    """The last millisecond at which it is a switch; the first contact counts from its end."""
    s.contact("chat", 0, lasts=10 * MINUTE)
    _switched(s, s.contact("store", 10 * MINUTE + 24 * HOUR))


def called_while_the_mail_waited(s: Script) -> None:
    """The mail was still open."""
    s.contact("email", 0, ended_at=s.moment(20 * HOUR))
    _switched(s, s.contact("phone", 3 * HOUR, lasts=5 * MINUTE))


def _switched(s: Script, second: Touchpoint) -> None:
    s.found(SWITCH, "switched", second, 2)
    s.found(REPEAT, "repeat", second, 2)


def switched_in_imported_history(s: Script) -> None:
    """Found, but nobody is told."""
    s.everywhere["backfill"] = True
    s.contact("email", 0)
    call = s.contact("phone", 5 * HOUR, lasts=9 * MINUTE)
    s.found(SWITCH, "switched", call, 2, silenced="backfill")
    s.found(REPEAT, "repeat", call, 2, silenced="backfill")


def switched_a_day_later(s: Script) -> None:
    """One millisecond too late for a switch; a repeat it is."""
    s.contact("email", 0)
    call = s.contact("phone", 24 * HOUR + 1, lasts=5 * MINUTE)
    s.nothing(SWITCH, call, "over 24 h")
    s.found(REPEAT, "repeat", call, 2)


def switched_after_a_solution(s: Script) -> None:
    """The chat had helped; a repeat it is."""
    s.contact("chat", 0, lasts=8 * MINUTE, outcome="ok")
    call = s.contact("phone", 5 * HOUR, lasts=5 * MINUTE)
    s.nothing(SWITCH, call, "solved before")
    s.found(REPEAT, "repeat", call, 2)


def asked_for_data_then_called(s: Script) -> None:
    """The company asked for something."""
    s.contact("email", 0)
    s.agent("data.requested", "email", 2 * HOUR, items_requested=("serial_no",))
    _invited(s, s.contact("phone", 6 * HOUR, lasts=4 * MINUTE))


def promised_a_call_back(s: Script) -> None:
    """The company promised to call; the customer calls."""
    s.contact("chat", 0, lasts=6 * MINUTE)
    s.agent("callback.promised", "chat", 5 * MINUTE)
    _invited(s, s.contact("phone", 4 * HOUR, lasts=4 * MINUTE))


def given_an_appointment(s: Script) -> None:
    """The company invited the customer to the store."""
    s.contact("phone", 0, lasts=6 * MINUTE)
    s.agent("message.sent", "email", 30 * MINUTE, reason="appointment")
    _invited(s, s.contact("store", 20 * HOUR))


def came_as_agreed(s: Script) -> None:
    """The contact itself says that it follows an agreement."""
    s.contact("chat", 0, lasts=6 * MINUTE)
    _invited(s, s.contact("phone", 5 * HOUR, lasts=4 * MINUTE, reason="follow_up"))


def brought_a_document(s: Script) -> None:
    """The contact itself says that it brings what was asked for."""
    s.contact("phone", 0, lasts=6 * MINUTE)
    _invited(s, s.contact("email", 5 * HOUR, reason="document"))


def _invited(s: Script, second: Touchpoint) -> None:
    s.nothing(SWITCH, second, "invited")
    s.nothing(REPEAT, second, "invited")


def two_of_a_household(s: Script) -> None:
    """Only the household is known: it may be another person of it."""
    s.contact("email", 0)
    call = s.contact("phone", 5 * HOUR, lasts=5 * MINUTE)
    s.nothing(SWITCH, call, "another person of the household")
    s.found(REPEAT, "repeat", call, 2)


def another_matter(s: Script) -> None:
    """Two matters on one day are no friction."""
    s.contact("email", 0)
    other = next(topic for topic in TOPICS if topic != s.topic)
    call = s.customer("contact.started", "phone", 5 * HOUR, topic=other)
    s.nothing(SWITCH, call, "another topic")
    s.nothing(REPEAT, call, "another topic")


def nothing_known(s: Script) -> None:
    """Without topic and objects nobody knows whether it is one matter."""
    s.everywhere["topic"] = None
    s.contact("email", 0)
    call = s.contact("phone", 5 * HOUR)
    s.nothing(SWITCH, call, "no topic")
    s.nothing(REPEAT, call, "no topic")


def company_called(s: Script) -> None:
    """The second contact was the company's."""
    s.contact("email", 0)
    call = s.agent("contact.started", "phone", 5 * HOUR)
    s.nothing(SWITCH, call, "outbound")
    s.nothing(REPEAT, call, "outbound")


def staff_tried_it(s: Script) -> None:
    """An employee acting as a customer is stored and never judged."""
    s.everywhere["staff"] = True
    s.contact("email", 0)
    call = s.contact("phone", 5 * HOUR)
    s.nothing(SWITCH, call, "staff")
    s.nothing(REPEAT, call, "staff")


def robot_wrote(s: Script) -> None:
    """What comes in, but not from a customer."""
    s.customer("message.received", "email", 0, actor="bot")
    second = s.customer("contact.started", "chat", 5 * HOUR, actor="system")
    s.nothing(SWITCH, second, "not a customer")
    s.nothing(REPEAT, second, "not a customer")


# --- Came again ------------------------------------------------------------------------------------------------------


def called_again(s: Script) -> None:
    """The same matter two days later."""
    s.contact("phone", 0, lasts=6 * MINUTE)
    s.found(REPEAT, "repeat", s.contact("phone", 2 * DAY, lasts=8 * MINUTE), 2)


def called_three_times(s: Script) -> None:
    """The third contact is worse."""
    s.contact("phone", 0, lasts=6 * MINUTE)
    s.found(REPEAT, "repeat", s.contact("phone", 2 * DAY, lasts=8 * MINUTE), 2)
    s.found(REPEAT, "third", s.contact("phone", 4 * DAY, lasts=8 * MINUTE), 3)


def called_five_times(s: Script) -> None:
    """And the fifth worse still."""
    s.contact("phone", 0, lasts=6 * MINUTE)
    for number, (variant, base) in enumerate([("repeat", 2), ("third", 3), ("third", 3), ("fifth", 4)], 1):
        s.found(REPEAT, variant, s.contact("phone", number * 2 * DAY, lasts=8 * MINUTE), base)


def called_again_and_was_helped(s: Script) -> None:
    """A solution clears the friction; it does not undo it."""
    s.contact("phone", 0, lasts=6 * MINUTE)
    again = s.contact("phone", 2 * DAY, lasts=8 * MINUTE)
    s.solve(2 * DAY + 4 * HOUR)
    s.found(REPEAT, "repeat", again, 2, status="cleared")


def called_again_after_seven_days(s: Script) -> None:
    """The last millisecond; the first conversation counts from its end."""
    s.contact("phone", 0, lasts=40 * MINUTE)
    s.found(REPEAT, "repeat", s.contact("phone", 40 * MINUTE + 7 * DAY), 2)


def called_again_later(s: Script) -> None:
    """One millisecond too late."""
    s.contact("phone", 0, lasts=40 * MINUTE)
    s.nothing(REPEAT, s.contact("phone", 40 * MINUTE + 7 * DAY + 1), "over 7 d")


def called_again_about_the_order(s: Script) -> None:
    """Other words, same order."""
    order = s.object("order")
    s.contact("phone", 0, topic="delivery", objects=(order,))
    s.found(REPEAT, "repeat", s.contact("phone", 3 * DAY, topic="refund", objects=(order,)), 2)


def called_again_about_the_case(s: Script) -> None:
    """Other words, same case."""
    case = s.object("case")
    s.contact("phone", 0, topic="router", objects=(case,))
    s.found(REPEAT, "repeat", s.contact("phone", 3 * DAY, topic="outage", objects=(case,)), 2)


def called_again_with_a_new_case(s: Script) -> None:
    """A new case number for the old matter does not hide it."""
    s.contact("phone", 0, objects=(s.object("case"),))
    s.found(REPEAT, "repeat", s.contact("phone", 3 * DAY, objects=(s.object("case"),)), 2)


def called_again_in_an_incident(s: Script) -> None:
    """Found, but it belongs to an incident that is known."""
    s.everywhere["objects"] = (s.object("incident"),)
    s.contact("phone", 0, lasts=6 * MINUTE)
    s.found(REPEAT, "repeat", s.contact("phone", 2 * DAY, lasts=8 * MINUTE), 2, silenced="incident")


def called_again_without_consent(s: Script) -> None:
    """Found, but the customer does not want to be profiled."""
    s.customer("consent.denied", "web", 0, topic=None, purposes=("profiling",))
    s.contact("phone", 2 * HOUR, lasts=6 * MINUTE)
    s.found(REPEAT, "repeat", s.contact("phone", 2 * DAY, lasts=8 * MINUTE), 2, silenced="consent")


def called_about_another_order(s: Script) -> None:
    """The same topic, but another order is another matter."""
    s.contact("phone", 0, objects=(s.object("order"),))
    s.nothing(REPEAT, s.contact("phone", 2 * DAY, objects=(s.object("order"),)), "another order")


def called_as_scheduled(s: Script) -> None:
    """The call was agreed beforehand."""
    s.contact("phone", 0, lasts=6 * MINUTE)
    s.nothing(REPEAT, s.contact("phone", 2 * DAY, reason="scheduled"), "scheduled")


def called_for_the_status(s: Script) -> None:
    """A status call that was agreed."""
    s.contact("phone", 0, lasts=6 * MINUTE)
    s.nothing(REPEAT, s.contact("phone", 2 * DAY, reason="status_call"), "scheduled")


def wrote_several_messages(s: Script) -> None:
    """Many messages of one conversation are one contact."""
    thread = s.object("thread").partition(":")[2]
    s.customer("contact.started", "chat", 0, thread_id=thread)
    last = s.touchpoints[-1]
    for number in range(1, 4):
        last = s.customer("message.received", "chat", number * 2 * MINUTE, thread_id=thread)
    s.agent("contact.ended", "chat", 9 * MINUTE, thread_id=thread, outcome="ok")
    s.nothing(REPEAT, last, "one conversation")


#: Most telling first: a small company gets only the first ones.
SCENARIOS: Final[tuple[Scenario, ...]] = (
    sent_to_a_form,
    called_again,
    mailed_then_called,
    wanted_the_other_channel,
    sent_and_gone,
    called_about_another_order,
    asked_for_data_then_called,
    sent_and_followed,
    called_three_times,
    chatted_looked_then_called,
    sent_and_sent_again,
    another_matter,
    sent_but_helped,
    called_again_and_was_helped,
    switched_after_a_solution,
    wrote_several_messages,
    called_five_times,
    sent_and_looked,
    sent_and_arrived_at_48_hours,
    sent_with_fields,
    sent_and_asked_for_data,
    sent_again_after_14_days,
    sent_again_later,
    sent_for_authentication,
    sent_for_payment_security,
    sent_for_legal_reasons,
    sent_with_context,
    sent_to_the_emergency_line,
    sent_nowhere,
    sent_to_the_same_channel,
    probe_was_sent,
    sent_in_imported_history,
    sent_without_consent,
    sent_in_an_incident,
    filled_a_form_then_called,
    switched_after_24_hours,
    called_while_the_mail_waited,
    switched_in_imported_history,
    switched_a_day_later,
    promised_a_call_back,
    given_an_appointment,
    came_as_agreed,
    brought_a_document,
    two_of_a_household,
    nothing_known,
    company_called,
    staff_tried_it,
    robot_wrote,
    called_again_after_seven_days,
    called_again_later,
    called_again_about_the_order,
    called_again_about_the_case,
    called_again_with_a_new_case,
    called_again_in_an_incident,
    called_again_without_consent,
    called_as_scheduled,
    called_for_the_status,
)
#: Scenarios whose person is known by a shared identity only.
HOUSEHOLDS: Final[frozenset[Scenario]] = frozenset({two_of_a_household})
