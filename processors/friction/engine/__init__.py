"""The engine: from what a rule file says to a rule that finds it.

`compiled` makes a `FrictionRule` of a `RuleDefinition`. A class of patterns is a module with a matcher, which finds
places in a story whatever the watermark, each with the moment from which it is certain: that something is there is
certain at once, that something is not there when its time is over. `rule` puts matchers, guards and variants together.
"""

from processors.friction.engine.compiling import compiled, definition_hash

__all__ = ["compiled", "definition_hash"]
