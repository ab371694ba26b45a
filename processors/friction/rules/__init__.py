"""One friction pattern a file: `<rule_id>.yaml`, with a class of its own in `<rule_id>.py` where that is not enough.

To add a pattern, write the file (see docs/rules.md) with an example for every variant, every guard and every boundary;
`tests/processors/friction/test_examples_pin_thresholds.py` says which one is missing. A class looks at the `Story`
alone, names its anchor, and lists every moment at which time by itself may change its mind. Severity, status, effort
postings and silence are judged for it.
"""
