"""Words for sentences about frictions: channels and matters as people name them, in English and German."""

from typing import Final

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
