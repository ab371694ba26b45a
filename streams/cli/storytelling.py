"""A person's story as text for people."""

from collections.abc import Callable, Iterator, Sized
from datetime import UTC, datetime
from typing import Any, Final

from streams.timeline import Story

_MINUTE_MS: Final = 60_000
_SHOWN_WAIT_MS: Final = 30 * _MINUTE_MS
_ARROWS: Final = {"inbound": "->", "outbound": "<-", "internal": " ."}


def clock_text(time_ms: int) -> str:
    """Date and time, UTC."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def day_text(start_ms: int) -> Callable[[int], str]:
    """Day since `start_ms`, counted from 1, and time, for stories whose dates do not matter."""

    def text(time_ms: int) -> str:
        days, rest = divmod(time_ms - start_ms, 86_400_000)
        return f"day {days + 1:>2} {rest // 3_600_000:02}:{rest // _MINUTE_MS % 60:02}"

    return text


def duration_text(duration_ms: float) -> str:
    """A duration in its two largest units: `2 d 3 h`, `45 min`."""
    minutes = round(duration_ms / _MINUTE_MS)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{rest} min"


def counted(things: Sized, name: str) -> str:
    """Number and name, in the plural where there is not exactly one."""
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def story_lines(story: Story, when: Callable[[int], str] = clock_text) -> Iterator[str]:
    """Lines of a story: each journey with its touchpoints, the waits between them, and frictions where they hang."""
    by_key = {touchpoint["touchpoint_key"]: touchpoint for touchpoint in story.touchpoints}
    told: set[str] = set()
    for number, journey in enumerate(story.journeys, 1):
        yield _journey_line(number, journey)
        touchpoints = [by_key[key] for key in journey["touchpoint_keys"] if key in by_key]
        told.update(journey["touchpoint_keys"])
        frictions = [friction for friction in story.frictions if friction["journey_id"] == journey["journey_id"]]
        yield from _touchpoint_lines(touchpoints, frictions, when)
        yield ""
    rest = [touchpoint for touchpoint in story.touchpoints if touchpoint["touchpoint_key"] not in told]
    if rest:
        yield "In no journey"
        yield from _touchpoint_lines(rest, [], when)
        yield ""


def _journey_line(number: int, journey: dict[str, Any]) -> str:
    facts = [
        journey["topic"] or "no topic",
        " > ".join(journey["channels"]),
        f"{journey['contacts']} contact{'s' if journey['contacts'] != 1 else ''}",
        journey["status"],
    ]
    if journey["effort_minutes"]:
        facts.append(f"{journey['effort_minutes']:.0f} min of effort")
    return f"Journey {number}: {', '.join(facts)}"


def _touchpoint_lines(
    touchpoints: list[dict[str, Any]], frictions: list[dict[str, Any]], when: Callable[[int], str]
) -> Iterator[str]:
    until: int | None = None
    indent = " " * (len(when(touchpoints[0]["at"])) + 4) if touchpoints else ""
    for touchpoint in touchpoints:
        if until is not None and touchpoint["at"] - until >= _SHOWN_WAIT_MS:
            yield f"{indent}... {duration_text(touchpoint['at'] - until)}"
        yield f"  {when(touchpoint['at'])}  {_what(touchpoint)}"
        until = max(until or 0, touchpoint["until"])
        for friction in frictions:
            is_anchor = friction["anchor_at"] == touchpoint["at"]
            if is_anchor and touchpoint["touchpoint_key"] in friction["evidence_touchpoints"]:
                yield (
                    f"{indent}! severity {friction['severity']}, {friction['rule_id']} ({friction['variant']}),"
                    f" {friction['minutes']:.0f} min: {friction['sentence_en']}"
                )


def _what(touchpoint: dict[str, Any]) -> str:
    arrow = _ARROWS.get(touchpoint["direction"], "  ")
    facts = [touchpoint["kind"]]
    if touchpoint["redirect_to"]:
        facts.append(f"to {touchpoint['redirect_to']}")
    facts += [touchpoint[name] for name in ("touchpoint", "reason") if touchpoint[name]]
    if touchpoint["team"]:
        facts.append(f"by {touchpoint['team']}")
    if touchpoint["outcome"]:
        facts.append(f"outcome {touchpoint['outcome']}")
    facts += touchpoint["objects"]
    if touchpoint["wait_ms"]:
        facts.append(f"waited {duration_text(touchpoint['wait_ms'])}")
    return f"{touchpoint['channel']:<9} {arrow} {', '.join(facts)}"
