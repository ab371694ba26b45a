"""The pure core: journeys and frictions as functions of a set of touchpoints."""
