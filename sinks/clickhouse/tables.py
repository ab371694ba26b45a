"""Tables and views as the code expects them; a test and `schema_check` hold the live schema against this."""

import msgspec

_TEXT = "String"
_WORD = "LowCardinality(String)"
_TIME = "DateTime64(3, 'UTC')"
_TIME_OR_NULL = f"Nullable({_TIME})"
_COUNT = "UInt32"


class Column(msgspec.Struct, frozen=True):
    """A column's name and its type, spelled as `system.columns` spells it."""

    name: str
    type: str

    @property
    def is_time(self) -> bool:
        """Whether it holds a moment; such values are UTC milliseconds on our side."""
        return _TIME in self.type

    @property
    def default(self) -> object:
        """Value for "nothing known" in this column."""
        if self.type.startswith("Nullable"):
            return None
        if self.type.startswith("Array"):
            return ()
        if self.type in {_TEXT, _WORD}:
            return ""
        return False if self.type == "Bool" else 0


class Table(msgspec.Struct, frozen=True):
    """A table: its name and its columns in order."""

    name: str
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in order."""
        return tuple(column.name for column in self.columns)


def _table(name: str, /, **types: str) -> Table:
    return Table(name, tuple(Column(column, type_) for column, type_ in types.items()))


#: One row per touchpoint of the contract, with the contract's names; optional text that is absent is ''.
TOUCHPOINTS = _table(
    "touchpoints",
    tenant=_WORD,
    source=_WORD,
    id=_TEXT,
    kind=_WORD,
    event_time=_TIME,
    end_time=_TIME,
    identity_hash=_TEXT,
    identities="Array(String)",
    occurred_at=_TIME,
    ended_at=_TIME_OR_NULL,
    sent_at=_TIME_OR_NULL,
    received_at=_TIME_OR_NULL,
    ingestion_time=_TIME,
    is_time_corrected="Bool",
    schema_version="Int32",
    traceparent=_TEXT,
    probe="Bool",
    backfill="Bool",
    staff="Bool",
    actor=_WORD,
    actor_id=_TEXT,
    team=_WORD,
    unit=_WORD,
    channel=_WORD,
    channel_detail=_WORD,
    touchpoint=_TEXT,
    direction=_WORD,
    locale=_WORD,
    timezone=_WORD,
    topic=_WORD,
    reason=_WORD,
    outcome=_WORD,
    urgency=_WORD,
    score="Nullable(Float64)",
    text_ref=_TEXT,
    objects="Array(String)",
    thread_id=_TEXT,
    reply_to=_TEXT,
    caused_by=_TEXT,
    wait_ms="Nullable(Int64)",
    active_ms="Nullable(Int64)",
    fields_required="Nullable(Int64)",
    fields_filled="Nullable(Int64)",
    errors="Nullable(Int64)",
    items_requested="Array(String)",
    items_provided="Array(String)",
    redirect_to=_WORD,
    redirect_ref=_TEXT,
    context_carried="Nullable(Bool)",
    from_team=_WORD,
    to_team=_WORD,
    warm="Nullable(Bool)",
    promise_id=_TEXT,
    promise_due=_TIME_OR_NULL,
    message_class=_WORD,
    campaign=_WORD,
    amount="Nullable(Float64)",
    currency=_WORD,
    survey_type=_WORD,
    basis=_WORD,
    purposes="Array(LowCardinality(String))",
    retention_class=_WORD,
    ext=_TEXT,
    origin_topic=_WORD,
    origin_partition="Int32",
    origin_offset="Int64",
    schema_id="UInt32",
    ingest_version="UInt64",
)

PERSONS = _table(
    "persons",
    tenant=_WORD,
    person_key=_TEXT,
    merged_into=_TEXT,
    first_seen_at=_TIME,
    last_seen_at=_TIME,
    touchpoints=_COUNT,
    contacts=_COUNT,
    sessions=_COUNT,
    journeys=_COUNT,
    frictions=_COUNT,
    effort_minutes="Float64",
    next_deadline=_TIME_OR_NULL,
    identifiers="Array(String)",
    rule_changes=_COUNT,
    partition="Int32",
    version="UInt64",
    is_deleted="UInt8",
)

SESSIONS = _table(
    "sessions",
    tenant=_WORD,
    session_id=_TEXT,
    person_key=_TEXT,
    started_at=_TIME,
    ended_at=_TIME,
    touches=_COUNT,
    channels="Array(LowCardinality(String))",
    first_touchpoint=_TEXT,
    last_touchpoint=_TEXT,
    version="UInt64",
    is_deleted="UInt8",
)

JOURNEYS = _table(
    "journeys",
    tenant=_WORD,
    journey_id=_TEXT,
    person_key=_TEXT,
    status=_WORD,
    opened_at=_TIME,
    last_event_at=_TIME,
    closed_at=_TIME_OR_NULL,
    topic=_WORD,
    channels="Array(LowCardinality(String))",
    first_channel=_WORD,
    last_channel=_WORD,
    touches=_COUNT,
    contacts=_COUNT,
    handoffs=_COUNT,
    redirects=_COUNT,
    handoff_chain="Array(LowCardinality(String))",
    redirect_chain="Array(LowCardinality(String))",
    continuity="Nullable(Float64)",
    wait_minutes="Float64",
    effort_minutes="Float64",
    effort_budget_minutes="Float64",
    outcome=_WORD,
    objects="Array(String)",
    open_promises=_COUNT,
    touchpoint_keys="Array(String)",
    version="UInt64",
    is_deleted="UInt8",
)

FRICTIONS = _table(
    "frictions",
    tenant=_WORD,
    friction_id=_TEXT,
    rule_id=_WORD,
    rule_version=_COUNT,
    variant=_WORD,
    status=_WORD,
    severity="UInt8",
    person_key=_TEXT,
    journey_id=_TEXT,
    anchor_at=_TIME,
    opened_at=_TIME,
    from_channel=_WORD,
    to_channel=_WORD,
    team=_WORD,
    owner_team=_WORD,
    topic=_WORD,
    minutes="Float64",
    evidence=_TEXT,
    sentence_en=_TEXT,
    sentence_de=_TEXT,
    is_alertable="Bool",
    silenced_by=_WORD,
    version="UInt64",
    is_deleted="UInt8",
)

EFFORT_POSTINGS = _table(
    "effort_postings",
    tenant=_WORD,
    posting_id=_TEXT,
    person_key=_TEXT,
    journey_id=_TEXT,
    friction_id=_TEXT,
    cause=_WORD,
    kind=_WORD,
    minutes="Float64",
    is_measured="Bool",
    team=_WORD,
    voucher=_TEXT,
    posted_at=_TIME,
    version="UInt64",
    is_deleted="UInt8",
)

#: What touchpoints say about two identities, once for either end.
IDENTITY_LINKS = _table(
    "identity_links",
    tenant=_WORD,
    identifier=_TEXT,
    other_identifier=_TEXT,
    identity=_TEXT,
    other=_TEXT,
    kind=_WORD,
    event_time=_TIME,
    source=_WORD,
    id=_TEXT,
    ingestion_time=_TIME,
    ingest_version="UInt64",
)

PERSON_IDENTIFIERS = _table(
    "person_identifiers",
    tenant=_WORD,
    identifier=_TEXT,
    identity=_TEXT,
    person_key=_TEXT,
    epoch=_COUNT,
    is_placeholder="Bool",
    companions=_COUNT,
    refused="Array(String)",
    version="UInt64",
)

#: Identities under which nothing is taken any more.
ERASED_IDENTIFIERS = _table(
    "erased_identifiers",
    tenant=_WORD,
    identifier=_TEXT,
    identity=_TEXT,
    requested_at=_TIME,
    source=_WORD,
    id=_TEXT,
    version="UInt64",
)

ERASURE_RECEIPTS = _table(
    "erasure_receipts",
    tenant=_WORD,
    source=_WORD,
    id=_TEXT,
    requested_at=_TIME,
    identifier=_TEXT,
    store=_WORD,
    rows_before="UInt64",
    rows_after="UInt64",
    recorded_at=_TIME,
    version="UInt64",
)

CHECKPOINTS = _table(
    "checkpoints",
    consumer_group=_WORD,
    topic=_WORD,
    topic_incarnation=_TEXT,
    partition="Int32",
    next_offset="Int64",
    watermark=_TIME_OR_NULL,
    watermark_state=_TEXT,
    written_at=_TIME,
)

#: What workers began to process, so that a record that kills them is found.
ATTEMPTS = _table(
    "attempts",
    consumer_group=_WORD,
    topic=_WORD,
    partition="Int32",
    topic_incarnation=_TEXT,
    keyed_partitions=_COUNT,
    offset="Int64",
    until_offset="Int64",
    deaths=_COUNT,
    recorded_at=_TIME,
    version="UInt64",
)

#: Changes to the friction rules that workers took.
RULE_CHANGES = _table(
    "rule_changes",
    rule_id=_WORD,
    version=_COUNT,
    effective_from=_TIME,
    published_at=_TIME,
    text=_TEXT,
)

DEAD_LETTERS = _table(
    "dead_letters",
    topic=_WORD,
    topic_incarnation=_TEXT,
    partition="Int32",
    offset="Int64",
    appended_at=_TIME,
    stage=_WORD,
    reason=_WORD,
    field=_WORD,
    detail=_TEXT,
    raw_bytes="Nullable(UInt64)",
    raw_sha256=_TEXT,
    key_hash=_TEXT,
    code_version=_WORD,
    recorded_at=_TIME,
    dead_topic=_WORD,
    dead_partition="Int32",
    dead_offset="Int64",
    state=_WORD,
    version="UInt64",
)

ALERTS = _table(
    "alerts",
    tenant=_WORD,
    friction_id=_TEXT,
    channel=_WORD,
    state=_WORD,
    attempts=_COUNT,
    reason=_TEXT,
    rule_id=_WORD,
    team=_WORD,
    severity="UInt8",
    incident_id=_TEXT,
    person_key=_TEXT,
    minutes="Float64",
    joined_at=_TIME,
    recorded_at=_TIME,
    version="UInt64",
)

#: Rollups: whole numbers, so that sums do not depend on the order of rows.
FRICTION_HOURLY = _table(
    "friction_hourly",
    tenant=_WORD,
    hour="DateTime('UTC')",
    rule_id=_WORD,
    variant=_WORD,
    status=_WORD,
    team=_WORD,
    topic=_WORD,
    from_channel=_WORD,
    to_channel=_WORD,
    frictions="UInt64",
    severities="UInt64",
    arrivals="UInt64",
    effort_ms="Int64",
    version="UInt64",
    is_deleted="UInt8",
)

CONTACTS = _table(
    "contacts",
    tenant=_WORD,
    started_at=_TIME,
    contact_id=_TEXT,
    person_key=_TEXT,
    channel=_WORD,
    kind=_WORD,
    ended_at=_TIME,
    team=_WORD,
    touchpoint=_TEXT,
    topic=_WORD,
    reason=_WORD,
    matters="Array(String)",
    touches="UInt64",
    is_blocked="Bool",
    is_answer_known="Bool",
    is_answered="Bool",
    first_answer_at=_TIME,
    outcome=_WORD,
    version="UInt64",
    is_deleted="UInt8",
)

JOURNEY_DAILY = _table(
    "journey_daily",
    tenant=_WORD,
    day="Date",
    topic=_WORD,
    first_channel=_WORD,
    last_channel=_WORD,
    status=_WORD,
    outcome=_WORD,
    last_step="UInt8",
    journeys="UInt64",
    journeys_over_budget="UInt64",
    touches="UInt64",
    contacts="UInt64",
    handoffs="UInt64",
    redirects="UInt64",
    duration_ms="Int64",
    wait_ms="Int64",
    effort_ms="Int64",
    version="UInt64",
    is_deleted="UInt8",
)

#: Frictions of one cause, which teams are told of together.
ALERT_INCIDENTS = _table(
    "alert_incidents",
    tenant=_WORD,
    incident_id=_TEXT,
    cause=_TEXT,
    rule_id=_WORD,
    variant=_WORD,
    team=_WORD,
    topic=_WORD,
    from_channel=_WORD,
    to_channel=_WORD,
    phase=_WORD,
    is_over="Bool",
    is_swarm="Bool",
    severity="UInt8",
    customers=_COUNT,
    frictions=_COUNT,
    minutes="Float64",
    started_at=_TIME,
    opened_at=_TIME,
    last_member_at=_TIME,
    ended_at=_TIME_OR_NULL,
    because_en=_TEXT,
    because_de=_TEXT,
    acknowledged_by=_TEXT,
    acknowledged_at=_TIME_OR_NULL,
    assigned_to=_TEXT,
    person_keys="Array(String)",
    samples=_TEXT,
    content=_TEXT,
    version="UInt64",
)

#: Messages to teams.
ALERT_NOTICES = _table(
    "alert_notices",
    notice_id=_TEXT,
    channel=_WORD,
    kind=_WORD,
    state=_WORD,
    tenant=_WORD,
    incident_ids="Array(String)",
    rule_id=_WORD,
    team=_WORD,
    severity="UInt8",
    customers=_COUNT,
    decided_at=_TIME,
    attempts=_COUNT,
    settled_at=_TIME_OR_NULL,
    reference=_TEXT,
    reason=_TEXT,
    person_keys="Array(String)",
    content=_TEXT,
    version="UInt64",
)

#: What people did about incidents.
ALERT_ACTIONS = _table(
    "alert_actions",
    action_id=_TEXT,
    kind=_WORD,
    tenant=_WORD,
    incident_id=_TEXT,
    cause=_TEXT,
    notice_id=_TEXT,
    acted_by=_TEXT,
    acted_at=_TIME,
    until=_TIME_OR_NULL,
    text=_TEXT,
    applied_at=_TIME_OR_NULL,
    version="UInt8",
)

SCHEMA_MIGRATIONS = _table(
    "schema_migrations",
    number=_COUNT,
    name=_TEXT,
    checksum=_TEXT,
    state=_WORD,
    host=_TEXT,
    process_id=_COUNT,
    recorded_at=_TIME,
    version="UInt8",
)

TABLES: tuple[Table, ...] = (
    TOUCHPOINTS,
    PERSONS,
    SESSIONS,
    JOURNEYS,
    FRICTIONS,
    EFFORT_POSTINGS,
    IDENTITY_LINKS,
    PERSON_IDENTIFIERS,
    ERASED_IDENTIFIERS,
    ERASURE_RECEIPTS,
    CHECKPOINTS,
    ATTEMPTS,
    RULE_CHANGES,
    DEAD_LETTERS,
    ALERTS,
    FRICTION_HOURLY,
    JOURNEY_DAILY,
    CONTACTS,
    ALERT_INCIDENTS,
    ALERT_NOTICES,
    ALERT_ACTIONS,
    SCHEMA_MIGRATIONS,
)

#: What the core says about persons: kind of fact -> its table and the column of its id.
FACTS: dict[str, tuple[Table, str]] = {
    "session": (SESSIONS, "session_id"),
    "journey": (JOURNEYS, "journey_id"),
    "friction": (FRICTIONS, "friction_id"),
    "posting": (EFFORT_POSTINGS, "posting_id"),
    "person": (PERSONS, "person_key"),
}

#: What analysts read: always right, since repeated and withdrawn rows are gone from it.
VIEWS: tuple[str, ...] = (
    "v_touchpoints",
    "v_persons",
    "v_sessions",
    "v_journeys",
    "v_frictions",
    "v_effort_postings",
    "v_effort_accounts",
    "v_effort_budgets",
    "v_person_identifiers",
    "v_identity_links",
    "v_identity_review",
    "v_incidents",
    "v_erasures",
    "v_rule_changes",
    "v_producers",
    "v_dead_letters",
    "v_alerts",
    "v_contacts",
    "v_redirect_matrix",
    "v_friction_ranking",
    "v_repeat_contact_rate",
    "v_journey_funnel",
    "v_time_to_able_again",
    "v_reachability",
    "v_promises",
    "v_promise_kept_rate",
    "v_failure_demand",
    "v_next_contact",
    "v_claims_held",
    "v_delivery_quality",
    "v_friction_hourly",
    "v_journey_daily",
    "v_channel_matrix_daily",
    "v_team_effort_daily",
    "v_funnel_daily",
    "activity_stream",
    "v_alert_incidents",
    "v_alert_notices",
    "v_alert_actions",
)

#: Views that are asked with parameters, as `v_person_timeline(person_key = '...')`. ClickHouse lists none of their
#: columns, neither in system.columns nor to DESCRIBE without parameters.
PARAMETERISED_VIEWS: tuple[str, ...] = ("v_person_timeline", "v_step_funnel")
