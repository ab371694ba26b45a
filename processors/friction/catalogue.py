"""The rules that run when nobody says otherwise."""

from processors.friction.finding import FrictionRule
from processors.friction.rules.channel_redirect import ChannelRedirectRule
from processors.friction.rules.repeat_contact import RepeatContactRule
from processors.friction.rules.unprompted_switch import UnpromptedSwitchRule


def default_rules() -> tuple[FrictionRule, ...]:
    """All patterns with their default parameters, in the order of the catalogue."""
    return (ChannelRedirectRule(), UnpromptedSwitchRule(), RepeatContactRule())


def rule_ids() -> tuple[str, ...]:
    """Ids of all patterns, in the order of the catalogue."""
    return tuple(rule.parameters.rule_id for rule in default_rules())
