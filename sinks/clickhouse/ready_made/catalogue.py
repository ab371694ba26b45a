"""The questions that have a ready-made answer: the one place where each lives.

The SQL of a question is the file of its name beside this module. The page docs/questions.md is made from here, the
benchmark asks them, and whoever shows them elsewhere takes them from here too.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import msgspec

#: What a parameter may be: text, a number, or several texts.
Value = str | int | list[str]


class Parameter(msgspec.Struct, frozen=True):
    """A place in the SQL, written `{name:Type}` as ClickHouse wants it: what belongs there, and an example.

    `example_sql` finds a telling example in any data; `example` is one where none has to be found.
    """

    name: str
    says: str
    example: Value = ""
    example_sql: str = ""


class ReadyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its answer. `name` is that of the SQL file, `view` the view it is asked of."""

    name: str
    question: str
    view: str
    #: How to read the answer.
    reading: str
    #: What it is easy to get wrong.
    pitfalls: tuple[str, ...]
    #: Where the definition comes from.
    source: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def sql(self) -> str:
        """The query, with `{name:Type}` where a parameter belongs; no semicolon."""
        return files(__package__).joinpath(f"{self.name}.sql").read_text(encoding="utf-8").strip()

    def filled(self, values: Mapping[str, Value]) -> str:
        """The query with values in the places of its parameters, as text that can be run anywhere.

        Raises:
            KeyError: a parameter has no value.

        """
        sql = self.sql
        for parameter in self.parameters:
            before, _, rest = sql.partition(f"{{{parameter.name}:")
            sql = before + literal(values[parameter.name]) + rest.partition("}")[2]
        return sql


def literal(value: Value) -> str:
    """A value as ClickHouse reads it; what is in it stays text."""
    match value:
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case int():
            return str(value)
        case _:
            return "[" + ", ".join(literal(each) for each in value) + "]"


_BEHIND: Final = "From the table of contacts: a minute or more behind."
_DEFAULTS: Final = "Windows and weights are our defaults."
READY_MADE: Final = (
    ReadyMade(
        name="redirect_matrix",
        question="Who sends customers where, do they arrive, and does it help?",
        view="v_redirect_matrix",
        reading=(
            "A row is a pair of channels. A low arrival_rate says that customers give up on the way; a high one with a"
            " low success_rate says that they were sent to the wrong place."
        ),
        pitfalls=(
            "Redirects of the last three days are not decided: they count as neither arrived nor lost yet.",
            "Redirects that customers asked for are no frictions and are not here.",
            "solved is about the matter, wherever it was solved: not about the channel that they were sent to.",
        ),
        source="Channel switching as a driver of effort (Dixon et al., The Effortless Experience). " + _DEFAULTS,
    ),
    ReadyMade(
        name="friction_ranking",
        question="Which team, at which touchpoint, by what, costs customers most time?",
        view="v_friction_ranking",
        reading=(
            "Minutes come from the effort ledger, in which every minute is posted once: they add up over rows, and"
            " share is that of all minutes of frictions."
        ),
        pitfalls=(
            "team is empty where no touchpoint named one. That is a gap in what producers send, not a team.",
            (
                "Frictions without minutes (an escalation, a survey too many) come last here. They are not harmless:"
                " look at severity."
            ),
            "Waits that belong to no friction are in v_effort_accounts (cause wait), not here.",
        ),
        source="Ranking causes by their cost follows Pareto charts of quality management; cost is customers' time.",
    ),
    ReadyMade(
        name="repeat_contact_rate",
        question="How many customers had to come again within seven days?",
        view="v_repeat_contact_rate",
        reading=(
            "A day is that of the first contact, which owns what follows. So a bad day shows on the day on which"
            " something was not solved, not on the day on which customers came back."
        ),
        pitfalls=(
            _BEHIND,
            "is_provisional marks days whose seven days are not over: their rate can only grow.",
            "Repetitions that the company asked for (a document, an appointment) are none.",
            (
                "One minus this rate is often called first contact resolution. It is only an upper limit: who gives up"
                " does not come again."
            ),
        ),
        source="Seven days, same customer, same matter: common practice of contact centres (repeat-contact rate).",
    ),
    ReadyMade(
        name="person_timeline",
        question="What did this one customer go through?",
        view="v_person_timeline",
        reading="Everything in order: touchpoints with the journey that they belong to, frictions where they hang.",
        pitfalls=(
            "Touchpoints without a journey are looking around, or about nothing that was named.",
            "minutes of a friction is what it costs seen by itself; for sums use the ledger, v_effort_postings.",
            "Times are UTC.",
        ),
        source="Customer journey map, from events in place of a workshop.",
        parameters=(
            Parameter(
                "person_key",
                "the person, as every view names them",
                example_sql=(
                    "SELECT person_key FROM v_frictions WHERE rule_id = 'channel_redirect' GROUP BY person_key"
                    " ORDER BY max(variant = 'form') DESC, sum(minutes) DESC, person_key LIMIT 1"
                ),
            ),
        ),
    ),
    ReadyMade(
        name="journey_funnel",
        question="How many contacts does a matter take, and where do customers give up?",
        view="v_journey_funnel",
        reading=(
            "Step 0 are all journeys of the type, step 1 those with a contact, step 2 those that needed another."
            " solved_share at step 1 is the share that was solved at the first contact; drop_off is the share that"
            " ended there unsolved."
        ),
        pitfalls=(
            "A journey ends 14 days after its last event, or 7 days after its solution: young ones are open_here.",
            "Unsolved means that nothing said it was solved. Producers that never send an outcome make all unsolved.",
        ),
        source="Funnel with resolution at the first contact as its first step. " + _DEFAULTS,
    ),
    ReadyMade(
        name="step_funnel",
        question="How many customers go through these steps in order, and where are they lost?",
        view="v_step_funnel",
        reading="Each step counts persons who did all steps up to it, in this order, within the days given.",
        pitfalls=(
            "Up to six verbs; others may lie between them.",
            "Customers whose days are not over count as lost.",
            "A person counts once, at the furthest step of their best attempt.",
        ),
        source="ClickHouse's windowFunnel, over milliseconds (occurred_ms).",
        parameters=(
            Parameter(
                "steps",
                "verbs in order, up to six",
                example=["order.placed", "order.confirmed", "order.shipped", "order.delivered"],
            ),
            Parameter("days", "days from the first to the last step", example=14),
        ),
    ),
    ReadyMade(
        name="time_to_able_again",
        question="How long does it take until customers can go on?",
        view="v_time_to_able_again",
        reading=(
            "From the first touchpoint about a matter to its last solution, by the week in which it began. The clock"
            " is the customer's: redirects, transfers and new tickets do not reset it."
        ),
        pitfalls=(
            "Unsolved matters have no time. A short median beside many unsolved ones is no good news.",
            "A solution is what the touchpoints call one: case.resolved, customer.confirmed, or outcome ok.",
            "Weeks that are not over yet hold the quick ones only.",
        ),
        source="Time to restore service (ITIL), seen from the customer's first touchpoint. Median and 90th percentile.",
    ),
    ReadyMade(
        name="reachability",
        question="When is somebody there?",
        view="v_reachability",
        reading="Each row is an hour of the week on a channel. weekday 1 is Monday; hours are UTC.",
        pitfalls=(
            _BEHIND,
            (
                "Only attempts of which it is known what became of them: with a thread, an answer, or blocked. The"
                " rest is unknown."
            ),
            "An answer counts whenever it came: read median_minutes beside reach_rate.",
            "With few attempts a rate says little.",
        ),
        source=(
            "Answer rate per interval, the base of every contact centre's planning, with blocked attempts counted in."
        ),
    ),
    ReadyMade(
        name="promise_kept_rate",
        question="Does the company keep its promises on time?",
        view="v_promise_kept_rate",
        reading="By the week in which promises are due. kept_rate is on time, of those that are decided.",
        pitfalls=(
            "Only promises with a promise_id can be followed.",
            "There is no grace here; the friction promise_broken allows 5 % of the span, at least 15 minutes.",
            "Renegotiating counts when it comes before the date. Often renegotiated promises look kept.",
        ),
        source="On-time delivery to the date that was agreed last, as in logistics (OTIF, on time).",
    ),
    ReadyMade(
        name="effort_budget_burn",
        question="Which matters cost customers more time than they may?",
        view="v_effort_budgets",
        reading=(
            "burn is the share of the budget that is spent: above 1 the journeys of the week cost too much together."
        ),
        pitfalls=(
            "Budgets are settings (30 minutes unless told otherwise): see effort.md.",
            "A few very long journeys and many short ones can have the same burn: read share_over beside it.",
        ),
        source=(
            "Burn rate of an error budget (site reliability engineering), with customers' minutes in place of errors."
        ),
    ),
    ReadyMade(
        name="failure_demand",
        question="Which share of our contacts would not be there had we done it right before?",
        view="v_failure_demand",
        reading=(
            "failure_contacts counts a contact once, whatever made it failure demand; the columns after it say why,"
            " and overlap."
        ),
        pitfalls=(
            _BEHIND,
            "It is a lower limit: only what a friction proves, and complaints.",
            "Changing a rule, or putting it in shadow, changes the share: see v_rule_changes.",
        ),
        source=(
            "Failure demand (Seddon, I Want You to Cheat!): demand caused by a failure to do something or do it right."
        ),
    ),
    ReadyMade(
        name="next_contact",
        question="What do customers come for next, after they came for this?",
        view="v_next_contact",
        reading="After each contact for the reason: the next contact of the same customer within 30 days, or none.",
        pitfalls=(
            _BEHIND,
            "The reason is what the producer sends in reason, else the topic.",
            (
                "In the last 30 days those who came again are known, those who will not are not: shares of contacts"
                " that followed are too low while `not known yet` is large."
            ),
        ),
        source="Next issue avoidance (Dixon et al., The Effortless Experience).",
        parameters=(
            Parameter(
                "reason",
                "why they came: a reason or a topic",
                example_sql=(
                    "SELECT reason FROM v_contacts WHERE reason != '' AND NOT is_blocked GROUP BY reason ORDER BY"
                    " count() DESC, reason LIMIT 1"
                ),
            ),
        ),
    ),
    ReadyMade(
        name="claims_held",
        question="Is it as the company says?",
        view="v_claims_held",
        reading=(
            "Every claim is the company's own word: solved, on time. held_share is the share that customers bear out"
            " by what they do; gap is the rest."
        ),
        pitfalls=(
            (
                "Touchpoints carry no claims of advertising or of reports. What is held against customers is what is"
                " said in touchpoints: resolutions, promises, and ratings of resolutions."
            ),
            "satisfied only knows those who answered a survey, and only those whose answer names the matter.",
            "A customer who gave up counts as held: the gap is a lower limit.",
        ),
        source="The delivery gap (Bain & Company 2005: 80 % of companies believe, 8 % of customers agree). "
        + _DEFAULTS,
    ),
    ReadyMade(
        name="delivery_quality",
        question="Which producer delivers late or broken?",
        view="v_delivery_quality",
        reading="Sources by what could be read of them; topics by what could not.",
        pitfalls=(
            (
                "A record that cannot be read does not say who sent it: dead letters are by topic. Give a producer"
                " that is often broken a topic of its own, or look at the reasons in v_dead_letters."
            ),
            "Late is more than an hour between happening and arriving; imported history is never late.",
        ),
        source="Timeliness and validity of data quality (DAMA).",
    ),
    ReadyMade(
        name="activity_stream",
        question="How often do customers do the same thing again? (for tools that read an activity stream)",
        view="activity_stream",
        reading="One row is one activity with how often this customer has done it, and when they do it next.",
        pitfalls=(
            "activity_occurrence counts from the first touchpoint that is stored, not from the first ever.",
            "Over everything it sorts all touchpoints: give it an activity or a customer.",
        ),
        source="Activity Schema 2.0 (github.com/ActivitySchema/ActivitySchema): the ten columns and their names.",
    ),
    ReadyMade(
        name="sequence",
        question="Who did this and then that? (ClickHouse's own sequence functions)",
        view="v_touchpoints",
        reading="occurred_ms is event_time in milliseconds, which sequenceMatch and windowFunnel can take.",
        pitfalls=("Windows are milliseconds: a day is 86400000.", "DateTime64 is refused by these functions."),
        source="ClickHouse, parametric aggregate functions.",
    ),
    ReadyMade(
        name="redirects_by_day",
        question="Do we send away fewer customers than last week?",
        view="v_channel_matrix_daily",
        reading="The redirect matrix as a time series, here over all channels.",
        pitfalls=(
            "From a rollup: up to a minute behind. Late touchpoints correct days that are long gone.",
            "The last three days are not decided.",
        ),
        source="As the redirect matrix.",
    ),
    ReadyMade(
        name="frictions_by_hour",
        question="At which time of day do frictions arise?",
        view="v_friction_hourly",
        reading="severity is the mean: severities divided by frictions.",
        pitfalls=(
            "From a rollup: up to a minute behind.",
            "Hours are UTC. The hour is that of the touchpoint that the friction hangs on, not that of its discovery.",
        ),
        source="As v_frictions.",
    ),
    ReadyMade(
        name="team_effort_by_day",
        question="Which team cost customers how much, on which day?",
        view="v_team_effort_daily",
        reading="Minutes of the ledger by day, team, cause and what they were spent on.",
        pitfalls=("measured_minutes are those that touchpoints measured; the rest are defaults.",),
        source="The effort ledger: see effort.md.",
    ),
    ReadyMade(
        name="funnel_by_week",
        question="Is more solved at the first contact than before?",
        view="v_funnel_daily",
        reading="Of the journeys with a contact that began in the week: solved at the first, and gone on to a second.",
        pitfalls=(
            "From a rollup: up to a minute behind.",
            "Journeys of the last two weeks may be open: what is neither solved nor gone on may become either.",
        ),
        source="As the funnel of journeys.",
    ),
)


def ready_made(name: str) -> ReadyMade:
    """A question by its name.

    Raises:
        KeyError: there is none of that name.

    """
    found = next((one for one in READY_MADE if one.name == name), None)
    if found is None:
        raise KeyError(
            f"no ready-made answer is called {name!r}; there are {', '.join(one.name for one in READY_MADE)}"
        )
    return found
