"""How a report says things, in English and German: causes, channels, verbs, numbers, days."""

from datetime import date, datetime
from typing import Final

from processors.friction.catalogue import definitions
from streams.reports.languages import Language

_Pair = tuple[str, str]

#: Titles of the rules that come with the product; the English ones stand in their files.
_CAUSES_DE: Final[dict[str, str]] = {
    "asked_again": "Nach schon Gesagtem gefragt",
    "bot_loop": "Beim Bot hängen geblieben",
    "callback_missed": "Ein versprochener Rückruf blieb aus",
    "channel_redirect": "An einen anderen Kanal verwiesen",
    "complaint_after_resolution": "Beschwerde, nachdem es als gelöst galt",
    "contact_collision": "Zu viel Werbung auf einmal",
    "context_loss": "Bekanntes ging unterwegs verloren",
    "effort_budget_exceeded": "Eine Reise kostet den Kunden zu viel Zeit",
    "escalation": "Der Kunde eskaliert",
    "false_containment": "Der Bot hielt es für gelöst",
    "form_abandoned": "Ein verlassenes Formular",
    "form_burden": "Ein mühsames Formular",
    "gave_up_waiting": "Der Kunde gab das Warten auf",
    "handoff_chain": "Immer weitergereicht",
    "login_loop": "Kommt nicht hinein",
    "loop": "Dreht sich im Kreis",
    "opening_hours_gap": "Der Kunde stand vor verschlossener Tür",
    "payment_retry_loop": "Zahlt und zahlt, und es geht nicht durch",
    "ping_pong": "Hin und her geschickt",
    "post_purchase_silence": "Stille nach dem Kauf",
    "promise_broken": "Ein Versprechen wurde nicht gehalten",
    "rage_on_dead": "Klickt, und nichts geschieht",
    "repeat_contact": "Musste noch einmal fragen",
    "return_loop": "Wieder zurückgeschickt, oder keine Erstattung",
    "self_service_dead_end": "Selbsthilfe führte nirgendwohin",
    "status_chasing": "Der Kunde muss nach dem Stand fragen",
    "survey_fatigue": "Zu oft oder zu früh nach der Meinung gefragt",
    "tone_deaf_contact": "Werbung im falschen Moment",
    "treated_as_stranger": "Wie ein Fremder behandelt",
    "unanswered_contact": "Eine Nachricht bleibt ohne Antwort",
    "unprompted_switch": "Anderswo noch einmal versucht",
    "verification_loop": "Immer wieder ausgewiesen",
    "wait_sum": "Der Kunde wartet und wartet",
}

_CHANNELS: Final[dict[str, _Pair]] = {
    "web": ("website", "Website"), "app": ("app", "App"), "email": ("e-mail", "E-Mail"),
    "phone": ("phone", "Telefon"), "ivr": ("phone menu", "Telefonmenü"), "chat": ("chat", "Chat"),
    "bot": ("bot", "Bot"), "messenger": ("messenger", "Messenger"), "social": ("social media", "Social Media"),
    "sms": ("text message", "SMS"), "push": ("push", "Push"), "letter": ("letter", "Brief"),
    "store": ("store", "Filiale"), "kiosk": ("kiosk", "Terminal"), "field": ("field service", "Außendienst"),
    "form": ("form", "Formular"), "portal": ("portal", "Portal"), "partner": ("partner", "Partner"),
    "api": ("API", "API"), "review": ("review", "Bewertung"), "other": ("another channel", "anderer Kanal"),
}  # fmt: skip

_KINDS: Final[dict[str, _Pair]] = {
    "session.started": ("visit begins", "Besuch beginnt"),
    "session.ended": ("visit ends", "Besuch endet"),
    "page.viewed": ("looks at a page", "sieht eine Seite an"),
    "screen.viewed": ("looks at a screen", "sieht eine Ansicht an"),
    "search.performed": ("searches", "sucht"),
    "ui.clicked": ("clicks", "klickt"),
    "ui.click_dead": ("clicks, nothing happens", "klickt, nichts geschieht"),
    "ui.error": ("sees an error", "sieht einen Fehler"),
    "visit.started": ("comes in", "kommt vorbei"),
    "visit.ended": ("leaves", "geht"),
    "contact.started": ("gets in touch", "meldet sich"),
    "contact.ended": ("conversation ends", "Gespräch endet"),
    "message.received": ("writes", "schreibt"),
    "message.sent": ("is answered", "bekommt Antwort"),
    "message.auto_ack": ("gets an automatic receipt", "bekommt eine automatische Bestätigung"),
    "call.offered": ("calls", "ruft an"),
    "call.answered": ("call is taken", "Anruf wird angenommen"),
    "call.ended": ("call ends", "Anruf endet"),
    "queue.entered": ("has to queue", "kommt in die Warteschlange"),
    "queue.left": ("leaves the queue", "verlässt die Warteschlange"),
    "hold.started": ("is put on hold", "wird in die Warteschleife gelegt"),
    "hold.ended": ("is off hold", "ist aus der Warteschleife"),
    "attempt.blocked": ("does not get through", "kommt nicht durch"),
    "contact.redirected": ("is sent to another channel", "wird an einen anderen Kanal verwiesen"),
    "contact.transferred": ("is transferred", "wird weitergeleitet"),
    "case.assigned": ("case goes to a team", "Fall geht an ein Team"),
    "human.requested": ("asks for a human", "verlangt einen Menschen"),
    "human.reached": ("reaches a human", "erreicht einen Menschen"),
    "case.opened": ("case is opened", "Fall wird angelegt"),
    "case.updated": ("case is worked on", "Fall wird bearbeitet"),
    "case.waiting": ("case waits", "Fall wartet"),
    "case.resolved": ("case is called resolved", "Fall gilt als gelöst"),
    "case.reopened": ("case is opened again", "Fall wird wieder geöffnet"),
    "case.closed": ("case is closed", "Fall wird geschlossen"),
    "complaint.raised": ("complains", "beschwert sich"),
    "escalation.raised": ("escalates", "eskaliert"),
    "goodwill.granted": ("is given something in return", "bekommt eine Kulanz"),
    "form.started": ("begins a form", "beginnt ein Formular"),
    "form.field_error": ("form reports an error", "Formular meldet einen Fehler"),
    "form.saved": ("saves a form", "speichert ein Formular"),
    "form.submitted": ("sends a form", "schickt ein Formular ab"),
    "data.requested": ("is asked for data", "wird nach Angaben gefragt"),
    "data.provided": ("gives data", "macht Angaben"),
    "identity.verified": ("is identified", "hat sich ausgewiesen"),
    "identity.failed": ("is not identified", "kann sich nicht ausweisen"),
    "promise.made": ("is promised something", "bekommt etwas versprochen"),
    "promise.kept": ("promise is kept", "Versprechen wird gehalten"),
    "promise.renegotiated": ("promise is moved", "Versprechen wird verschoben"),
    "promise.broken": ("promise is broken", "Versprechen wird gebrochen"),
    "callback.promised": ("is promised a call-back", "bekommt einen Rückruf versprochen"),
    "callback.attempted": ("call-back misses them", "Rückruf erreicht niemanden"),
    "callback.reached": ("is called back", "wird zurückgerufen"),
    "login.failed": ("cannot log in", "kann sich nicht anmelden"),
    "login.succeeded": ("logs in", "meldet sich an"),
    "login.locked": ("is locked out", "wird ausgesperrt"),
    "password.reset": ("resets the password", "setzt das Passwort zurück"),
    "payment.attempted": ("pays", "zahlt"),
    "payment.declined": ("payment is declined", "Zahlung wird abgelehnt"),
    "payment.succeeded": ("payment goes through", "Zahlung geht durch"),
    "refund.promised": ("is promised a refund", "bekommt eine Erstattung versprochen"),
    "refund.posted": ("is refunded", "bekommt die Erstattung"),
    "cart.changed": ("changes the cart", "ändert den Warenkorb"),
    "checkout.started": ("goes to the checkout", "geht zur Kasse"),
    "order.placed": ("orders", "bestellt"),
    "order.confirmed": ("order is confirmed", "Bestellung wird bestätigt"),
    "order.shipped": ("order is shipped", "Bestellung wird verschickt"),
    "order.delayed": ("order is late", "Bestellung verspätet sich"),
    "order.delivered": ("order arrives", "Bestellung kommt an"),
    "order.cancelled": ("order is cancelled", "Bestellung wird storniert"),
    "return.requested": ("wants to return it", "will zurückgeben"),
    "return.received": ("return arrives", "Rücksendung kommt an"),
    "contract.started": ("contract begins", "Vertrag beginnt"),
    "contract.renewed": ("contract is renewed", "Vertrag wird verlängert"),
    "contract.cancelled": ("contract is cancelled", "Vertrag wird gekündigt"),
    "outbound.sent": ("is written to", "wird angeschrieben"),
    "outbound.delivered": ("message is delivered", "Nachricht kommt an"),
    "outbound.opened": ("opens the message", "öffnet die Nachricht"),
    "outbound.clicked": ("follows a link in it", "folgt einem Link darin"),
    "outbound.unsubscribed": ("unsubscribes", "meldet sich ab"),
    "outbound.spam_reported": ("reports it as spam", "meldet es als Spam"),
    "bot.turn": ("talks with a bot", "spricht mit einem Bot"),
    "bot.not_understood": ("is not understood by a bot", "wird vom Bot nicht verstanden"),
    "bot.marked_resolved": ("bot calls it resolved", "Bot hält es für gelöst"),
    "customer.confirmed": ("says that it is solved", "sagt, dass es gelöst ist"),
    "survey.sent": ("is asked for an opinion", "wird nach der Meinung gefragt"),
    "survey.answered": ("answers a survey", "beantwortet eine Umfrage"),
    "survey.refused": ("refuses a survey", "lehnt eine Umfrage ab"),
    "review.posted": ("writes a review", "schreibt eine Bewertung"),
    "social.posted": ("posts", "schreibt öffentlich"),
    "consent.granted": ("gives consent", "willigt ein"),
    "consent.denied": ("denies consent", "willigt nicht ein"),
    "consent.withdrawn": ("withdraws consent", "widerruft die Einwilligung"),
    "incident.opened": ("incident begins", "Störung beginnt"),
    "incident.closed": ("incident is over", "Störung ist vorbei"),
    "change.released": ("something was changed", "etwas wurde geändert"),
}

_TEXTS: Final[dict[str, _Pair]] = {
    "title": ("What cost our customers time", "Was unsere Kunden Zeit gekostet hat"),
    "week": ("Week {number} of {year}, {first} to {last}", "Woche {number} des Jahres {year}, {first} bis {last}"),
    "team": ("team {name}", "Team {name}"),
    "all_teams": ("all teams", "alle Teams"),
    "unknown_team": ("no team known", "kein Team bekannt"),
    "zone": ("times in {name}", "Zeiten in {name}"),
    "minutes_lost": ("customer minutes lost", "verlorene Kundenminuten"),
    "frictions": ("frictions", "Reibungen"),
    "persons": ("persons affected", "betroffene Personen"),
    "severe": ("of them severe (4 or 5)", "davon schwer (4 oder 5)"),
    "against": ("{change} against the week before", "{change} zur Vorwoche"),
    "same": ("as in the week before", "wie in der Vorwoche"),
    "first_week": ("no earlier week is known", "keine frühere Woche ist bekannt"),
    "hurt": ("What hurt most", "Was am meisten weh tat"),
    "hurt_note": (
        "By the minutes that it cost customers in this week. Usual: the mean of the {weeks} weeks before.",
        "Nach den Minuten, die es Kunden in dieser Woche gekostet hat. Üblich: Mittel der {weeks} Wochen davor.",
    ),
    "hurt_note_one": (
        "By the minutes that it cost customers in this week. Usual: the week before.",
        "Nach den Minuten, die es Kunden in dieser Woche gekostet hat. Üblich: die Woche davor.",
    ),
    "hurt_note_alone": (
        "By the minutes that it cost customers in this week.",
        "Nach den Minuten, die es Kunden in dieser Woche gekostet hat.",
    ),
    "cause": ("Cause", "Ursache"),
    "minutes": ("Minutes", "Minuten"),
    "usual": ("Usual", "Üblich"),
    "number": ("Frictions", "Reibungen"),
    "people": ("Persons", "Personen"),
    "worst": ("Worst, of 5", "Schwerste, von 5"),
    "all_causes": ("All causes", "Alle Ursachen"),
    "other_causes": ("{count} other causes", "{count} weitere Ursachen"),
    "nothing": ("No friction was found in this week.", "In dieser Woche wurde keine Reibung gefunden."),
    "new": ("What is new", "Was neu ist"),
    "new_note": (
        "Causes that were in none of the {weeks} weeks before.",
        "Ursachen, die es in keiner der {weeks} Wochen davor gab.",
    ),
    "new_note_one": ("Causes that were not in the week before.", "Ursachen, die es in der Woche davor nicht gab."),
    "new_none": ("Nothing: all causes are known from before.", "Nichts: alle Ursachen sind von früher bekannt."),
    "new_unknown": (
        "Nothing can be said: no earlier week is known.",
        "Dazu lässt sich nichts sagen: keine frühere Woche ist bekannt.",
    ),
    "new_line": ("{minutes} min, {frictions}", "{minutes} min, {frictions}"),
    "better": ("What got better", "Was besser wurde"),
    "better_note": (
        "Causes that cost less than usual, by what customers were spared.",
        "Ursachen, die weniger kosteten als üblich, nach dem, was Kunden erspart blieb.",
    ),
    "better_line": ("{now} min instead of {usual}", "{now} min statt {usual}"),
    "better_gone": ("gone; usually {usual} min", "verschwunden; sonst {usual} min"),
    "better_none": ("No cause cost less than usual.", "Keine Ursache kostete weniger als üblich."),
    "better_unknown": (
        "Nothing can be said: no earlier week is known.",
        "Dazu lässt sich nichts sagen: keine frühere Woche ist bekannt.",
    ),
    "teams": ("By team", "Nach Team"),
    "team_head": ("Team", "Team"),
    "trend": ("Customer minutes by week", "Kundenminuten nach Woche"),
    "trend_week": ("W{number}", "KW {number}"),
    "stories_1": ("One story", "Eine Geschichte"),
    "stories_2": ("Two stories", "Zwei Geschichten"),
    "stories_3": ("Three stories", "Drei Geschichten"),
    "stories_note": (
        "What cost customers most in this week, as they saw it. Filled dots mark what proves a friction.",
        "Was Kunden in dieser Woche am meisten kostete, wie sie es sahen. Volle Punkte markieren Belege einer Reibung.",
    ),
    "person": ("Person {letter}", "Person {letter}"),
    "about": ("about {topic}", "zum Thema {topic}"),
    "story_facts": ("{minutes} min lost, {contacts}, {outcome}", "{minutes} min verloren, {contacts}, {outcome}"),
    "outcome_solved": ("solved", "gelöst"),
    "outcome_unsolved": ("ended unsolved", "endete ungelöst"),
    "outcome_open": ("still open", "noch offen"),
    "later": ("{duration} later", "{duration} später"),
    "skipped": ("{count} more", "{count} weitere"),
    "by": ("by {team}", "durch {team}"),
    "to": ("to {channel}", "an {channel}"),
    "waited": ("waited {duration}", "wartete {duration}"),
    "severity": ("severity {severity}", "Schwere {severity}"),
    "foot_minutes": (
        "Minutes are the sums of the frictions of this week: measured where touchpoints carry times, else defaults.",
        "Minuten sind die Summen der Reibungen dieser Woche: gemessen, wo Kontaktpunkte Zeiten tragen, sonst Annahmen.",
    ),
    "foot_twice": (
        "Two frictions may see the same wait.",
        "Zwei Reibungen können dasselbe Warten sehen.",
    ),
    "foot_persons": (
        "Persons are pseudonyms: a letter stands for somebody in this report alone.",
        "Personen sind Pseudonyme: ein Buchstabe steht nur in diesem Bericht für jemanden.",
    ),
}  # fmt: skip

_COUNTED: Final[dict[str, tuple[_Pair, _Pair]]] = {
    "frictions": (("friction", "frictions"), ("Reibung", "Reibungen")),
    "contacts": (("contact", "contacts"), ("Kontakt", "Kontakte")),
}

_MONTHS: Final = (
    "January February March April May June July August September October November December".split(),
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
)
_DAYS: Final = ("Mon Tue Wed Thu Fri Sat Sun".split(), "Mo Di Mi Do Fr Sa So".split())


class Words:
    """Everything that a report says, in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._place = 1 if language is Language.GERMAN else 0
        self._titles = {definition.id: definition.title for definition in definitions()}

    def text(self, key: str, **values: str) -> str:
        """The text of a key, with values filled in."""
        return _TEXTS[key][self._place].format(**values)

    def counted(self, key: str, count: int) -> str:
        """Number and name, in the plural where there is not exactly one."""
        return f"{self.number(count)} {_COUNTED[key][self._place][count != 1]}"

    def cause(self, rule_id: str) -> str:
        """Title of a rule; one that nobody has named here is called by its id."""
        titles = (self._titles, _CAUSES_DE)[self._place]
        return titles.get(rule_id, rule_id.replace("_", " "))

    def channel(self, name: str) -> str:
        """A channel as people name it."""
        return _CHANNELS[name][self._place] if name in _CHANNELS else name

    def kind(self, name: str) -> str:
        """What happened, for a verb."""
        return _KINDS[name][self._place] if name in _KINDS else name

    def outcome(self, name: str) -> str:
        """How a journey ended or stands."""
        key = f"outcome_{name}"
        return self.text(key) if key in _TEXTS else name

    def team(self, name: str) -> str:
        """Name of a team."""
        return name or self.text("unknown_team")

    def number(self, value: float, digits: int = 0) -> str:
        """A number with separators; a minus is a minus sign."""
        text = f"{value:,.{digits}f}"
        if self.language is Language.GERMAN:
            text = text.translate(str.maketrans(",.", ".,"))
        return text.replace("-", "\u2212")

    def minutes(self, value: float) -> str:
        """Minutes without a unit; what is less than ten is told to a tenth, unless it is whole."""
        return self.number(value, 0 if abs(value) >= 9.95 or abs(value - round(value)) < 0.05 else 1)

    def change(self, now: float, before: float) -> str:
        """By how much something grew, in percent, or in itself where there was nothing before."""
        if before == 0:
            return f"+{self.number(now)}"
        percent = round(100 * (now - before) / before)
        sign = "+" if percent > 0 else ""
        return f"{sign}{self.number(percent)} %"

    def day(self, day: date, *, year: bool = True) -> str:
        """A day with the name of its month."""
        month = _MONTHS[self._place][day.month - 1]
        text = f"{day.day}. {month}" if self.language is Language.GERMAN else f"{day.day} {month}"
        return f"{text} {day.year}" if year else text

    def moment(self, moment: datetime) -> str:
        """Day of the week, day and time."""
        name = _DAYS[self._place][moment.weekday()]
        if self.language is Language.GERMAN:
            return f"{name} {moment.day}.{moment.month}. {moment:%H:%M}"
        return f"{name} {moment.day} {_MONTHS[0][moment.month - 1][:3]} {moment:%H:%M}"

    def duration(self, duration_ms: float) -> str:
        """A duration in its two largest units: `2 d 3 h`, `45 min`."""
        minutes = round(duration_ms / 60_000)
        days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
        day = "T" if self.language is Language.GERMAN else "d"
        if days:
            return f"{days} {day} {hours} h" if hours else f"{days} {day}"
        if hours:
            return f"{hours} h {rest} min" if rest else f"{hours} h"
        return f"{rest} min"

    def sentence(self, friction: dict[str, object]) -> str:
        """What happened, as the friction says."""
        return str(friction["sentence_de" if self.language is Language.GERMAN else "sentence_en"])
