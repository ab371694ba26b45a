"""One friction pattern a module.

To add a pattern: write `processors/friction/rules/<rule_id>.py` with one frozen struct of parameters (a subclass of
`RuleParameters`: rule id, version, severity bases, sentences in English and German, windows in milliseconds) and one
class with `parameters` and `find(story, watermark)`; add it to `processors/friction/catalogue.py`; write
`tests/processors/friction/rules/test_<rule_id>.py` with a case for every variant, every guard and every boundary.
The rule looks at the `Story` alone, names its anchor, and lists every moment at which time by itself may change its
mind. Severity, status, effort postings and silence are judged for it.
"""
