"""Words for sentences about frictions: channels and matters as people name them, in English and German."""

from typing import Final, NamedTuple

from processors.entries import Entry

_ENGLISH: Final[dict[str, str]] = {
    "email": "e-mail",
    "field": "field service",
    "form": "a form",
    "ivr": "the phone menu",
    "other": "another channel",
    "review": "a review site",
    "sms": "text message",
    "social": "social media",
    "store": "the store",
    "web": "the website",
    "app": "the app",
    "portal": "the portal",
}
_GERMAN: Final[dict[str, str]] = {
    "app": "App",
    "bot": "Bot",
    "chat": "Chat",
    "email": "E-Mail",
    "field": "Außendienst",
    "form": "Formular",
    "ivr": "Sprachmenü",
    "kiosk": "Terminal",
    "letter": "Brief",
    "messenger": "Messenger",
    "other": "anderen Kanal",
    "partner": "Partner",
    "phone": "Telefon",
    "portal": "Portal",
    "push": "Push-Nachricht",
    "review": "Bewertungsseite",
    "sms": "SMS",
    "social": "Social Media",
    "store": "Filiale",
    "web": "Website",
}


class NearestMiss(NamedTuple):
    """What little would have had to be otherwise, in English and German: half a sentence about the friction."""

    en: str
    de: str


def miss(en: str, de: str) -> NearestMiss:
    """What would have kept a rule from firing, each after "with": "a reply 2 h earlier", "einer Antwort 2 h früher"."""
    return NearestMiss(f"would not have fired with {en}", f"hätte nicht angeschlagen mit {de}")


def german_channel(channel: str) -> str:
    """A channel as Germans name it; one without a word stays as it is."""
    return _GERMAN.get(channel, channel)


#: Words that `words_for` always has.
COMMON_WORDS: Final = frozenset({"about", "about_de", "from_channel", "from_channel_de", "to_channel", "to_channel_de"})


def words_for(from_channel: str, to_channel: str, topic: str | None, **more: str) -> dict[str, str]:
    """Words that every sentence may use, each as `name` and `name_de`; a channel without a word stays as it is."""
    return {
        "from_channel": _ENGLISH.get(from_channel, from_channel),
        "from_channel_de": _GERMAN.get(from_channel, from_channel),
        "to_channel": _ENGLISH.get(to_channel, to_channel),
        "to_channel_de": _GERMAN.get(to_channel, to_channel),
        "about": f" about {topic}" if topic else "",
        "about_de": f" zu {topic}" if topic else "",
        **more,
    }


def topic_of(entry: Entry) -> str | None:
    """Its topic, or that of its conversation."""
    if entry.touchpoint.topic is None and entry.contact is not None:
        return entry.contact.topic
    return entry.touchpoint.topic
