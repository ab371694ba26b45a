"""`journeys identity`: what it shows of stored links, and which statements it sends."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner, Result

from processors.admission import hash_identity
from processors.identity_limits import IdentityLimits
from schemas.identity import IdentityLink, LinkKind, PersonIdentifier, identifier_of
from schemas.touchpoint import Touchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import identifier_block, link_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from streams.cli.main import app
from streams.settings import KafkaSettings, Settings, load_settings
from tests.support.command_line import one_line
from tests.support.kafka_records import broker_with_topics, touchpoints_in
from tests.support.local_clickhouse import running_clickhouse
from tests.support.touchpoints import HOUR, MONDAY, happened

PEPPER = "only-for-this-test-and-long-enough"
ANNA, ANNAS_MAIL = "customer_no:4711", "email:anna@example.org"


def stored(identity: str) -> str:
    """`namespace:hash` of `namespace:value`."""
    namespace, _, value = identity.partition(":")
    return f"{namespace}:{hash_identity(PEPPER.encode(), 'default', namespace, value, 4)}"


def short(identity: str) -> str:
    namespace, _, hashed = stored(identity).partition(":")
    return f"{namespace}:{hashed[:8]}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a key, and an environment that names no other."""
    monkeypatch.delenv("JOURNEYS_PEPPER_FILE", raising=False)
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path / "no secrets")
    (tmp_path / "pepper").write_text(PEPPER)
    (tmp_path / "pepper").chmod(0o600)
    return tmp_path


def identity(folder: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["identity", *arguments, "--data-dir", str(folder)], input=stdin)


# --- show and review


def link(one: str, other: str, at: int, id_: str, kind: LinkKind = LinkKind.SEEN) -> list[IdentityLink]:
    return [
        IdentityLink(
            tenant="default",
            identity=stored(end),
            other=stored(far),
            kind=kind,
            event_time=MONDAY + at,
            source="crm",
            id=id_,
            ingestion_time=MONDAY,
        )
        for end, far in ((one, other), (other, one))
    ]


def row(name: str, person: str, *refused: tuple[str, str], companions: int = 1, **fields: Any) -> PersonIdentifier:
    return PersonIdentifier(
        identifier=identifier_of(stored(name)),
        tenant="default",
        identity=stored(name),
        person_key=identifier_of(stored(person)),
        companions=companions,
        refused=tuple(f"{reason} {stored(other)}" for reason, other in refused),
        **fields,
    )


COOKIE, HOUSEHOLD, NOBODYS, BERTS, LONER = "cookie:c", "household:h", "phone:1234567", "email:bert@b.org", "device:d"
STORED_LINKS = [
    *link(COOKIE, ANNAS_MAIL, 1 * HOUR, "login"),
    *link(COOKIE, ANNAS_MAIL, 2 * HOUR, "login again"),
    *link(ANNAS_MAIL, ANNA, 3 * HOUR, "order"),
    *link(ANNAS_MAIL, ANNA, 4 * HOUR, "parted", LinkKind.UNLINKED),
    *link(ANNAS_MAIL, ANNA, 5 * HOUR, "joined", LinkKind.LINKED),
    *link(ANNA, HOUSEHOLD, 6 * HOUR, "letter"),
    *link(ANNA, NOBODYS, 7 * HOUR, "call"),
    *link(ANNA, BERTS, 8 * HOUR, "mistake"),
    *link(ANNA, BERTS, 9 * HOUR, "mended", LinkKind.UNLINKED),
    *link(COOKIE, BERTS, 10 * HOUR, "borrowed"),
    *link(NOBODYS, BERTS, 5 * HOUR, "call of Bert's"),
]
DECIDED = [
    row(ANNA, ANNA, ("shared", HOUSEHOLD), ("placeholder", NOBODYS), ("unlinked", BERTS), companions=4),
    row(ANNAS_MAIL, ANNA, companions=2),
    row(COOKIE, ANNA, ("unlinked", BERTS), companions=2),
    row(HOUSEHOLD, HOUSEHOLD, ("shared", ANNA)),
    row(NOBODYS, NOBODYS, ("placeholder", ANNA), ("placeholder", BERTS), is_placeholder=True, companions=201),
    row(BERTS, BERTS, ("unlinked", ANNA), ("unlinked", COOKIE), ("placeholder", NOBODYS), companions=3),
]


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Tables with Anna, who is three identities, and others whom she was not joined with."""
    with running_clickhouse(Path(tmp_path_factory.mktemp("clickhouse"))) as ports:
        address = ClickHouseAddress(port=ports.native)
        migrate(address)
        writer = Writer(address)
        writer.insert(link_block(STORED_LINKS, token_prefix="t"))
        writer.insert(identifier_block(DECIDED, token_prefix="t"))
        alone = happened("page.viewed", MONDAY, identities=(stored(LONER),))
        writer.insert(touchpoint_block([alone], token_prefix="t"))
        writer.close()
        yield f"127.0.0.1:{ports.native}"


@pytest.mark.stack
def test_show_names_identities_what_joined_them_and_what_was_refused(folder: Path, clickhouse: str) -> None:
    key = identifier_of(stored(ANNA))
    done = identity(folder, "show", COOKIE, "--clickhouse", clickhouse)
    assert done.exit_code == 0, done.stderr
    shown = [line.split() for line in done.stdout.splitlines() if line]
    apart = "it would bring two together that somebody said are not the same human".split()
    assert shown == [
        ["Person", f"{key}:", "3", "identities,", "3", "links,", "4", "refused"],
        ["identity", "seen", "with"],
        [short(ANNA), "4"],
        [short(ANNAS_MAIL), "2"],
        [short(COOKIE), "2"],
        ["Links"],
        ["when", "kind", "identity", "other", "touchpoint"],
        ["2024-01-01T01:00:00.000Z", "seen", *sorted_by_hash(COOKIE, ANNAS_MAIL), "crm/login"],
        ["2024-01-01T03:00:00.000Z", "seen", *sorted_by_hash(ANNAS_MAIL, ANNA), "crm/order"],
        ["2024-01-01T05:00:00.000Z", "linked", *sorted_by_hash(ANNAS_MAIL, ANNA), "crm/joined"],
        ["Refused"],
        ["reason", "identity", "other", "said", "by", "why"],
        [
            *["shared", short(ANNA), short(HOUSEHOLD), "2024-01-01T06:00:00.000Z", "seen", "crm/letter"],
            *"one of the two stands for several people, such as a household".split(),
        ],
        [
            *["placeholder", short(ANNA), short(NOBODYS), "2024-01-01T07:00:00.000Z", "seen", "crm/call"],
            *"one of the two was seen with too many others to be anybody's".split(),
        ],
        [
            *["unlinked", short(ANNA), short(BERTS), "2024-01-01T08:00:00.000Z", "seen", "crm/mistake,"],
            *["2024-01-01T09:00:00.000Z", "unlinked", "crm/mended", *apart],
        ],
        ["unlinked", short(COOKIE), short(BERTS), "2024-01-01T10:00:00.000Z", "seen", "crm/borrowed", *apart],
    ]


def sorted_by_hash(*identities: str) -> list[str]:
    return [short(name) for name in sorted(identities, key=lambda name: identifier_of(stored(name)))]


@pytest.mark.stack
def test_show_says_the_same_of_every_identity_of_a_person_and_of_their_hashes(folder: Path, clickhouse: str) -> None:
    names = [ANNA, ANNAS_MAIL, COOKIE]
    shown = [
        identity(folder, "show", name, "--clickhouse", clickhouse, "--json").stdout
        for name in (*names, *(identifier_of(stored(name)) for name in names))
    ]
    assert len(set(shown)) == 1
    found = json.loads(shown[0])
    assert list(found) == ["person_key", "tenant", "identities", "links", "refused"]
    assert found["identities"][0] == {"identity": stored(ANNA), "is_placeholder": False, "companions": 4}
    assert [refusal["reason"] for refusal in found["refused"]] == ["shared", "placeholder", "unlinked", "unlinked"]
    assert found["refused"][1]["statements"][0] | {"at": ""} == {
        "kind": "seen",
        "at": "",
        "source": "crm",
        "id": "call",
        "identity": stored(ANNA),
        "other": stored(NOBODYS),
    }


@pytest.mark.stack
def test_show_marks_a_placeholder(folder: Path, clickhouse: str) -> None:
    lines = identity(folder, "show", NOBODYS, "--clickhouse", clickhouse).stdout.splitlines()
    assert lines[0].endswith("1 identity, 0 links, 2 refused")
    assert lines[3].split(maxsplit=2) == [short(NOBODYS), "201", "placeholder: nobody's"]


@pytest.mark.stack
def test_show_knows_who_was_never_seen_with_another(folder: Path, clickhouse: str) -> None:
    lines = identity(folder, "show", LONER, "--clickhouse", clickhouse).stdout.splitlines()
    assert lines[0] == f"Person {identifier_of(stored(LONER))}: 1 identity, 0 links, 0 refused"
    assert lines[3].split() == [short(LONER), "0"]


@pytest.mark.stack
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("customer_no:unheard-of",), "nobody with this identity has touchpoints yet; is everything queryable?"),
        ((ANNA, "--tenant", "other"), "nobody with this identity has touchpoints yet"),
        (("f" * 32,), "nobody with this identity has touchpoints yet"),
        (("4711",), "'4711' identifies nobody; expected namespace:value such as customer_no:4711"),
    ],
)
def test_show_of_nobody_says_so(folder: Path, clickhouse: str, words: tuple[str, ...], message: str) -> None:
    done = identity(folder, "show", *words, "--clickhouse", clickhouse)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {message}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.stack
def test_review_lists_what_waits_for_a_person_the_newest_first_below_what_is_wrong_at_large(
    folder: Path, clickhouse: str
) -> None:
    done = identity(folder, "review", "--clickhouse", clickhouse)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"placeholder: The phone {identifier_of(stored(NOBODYS))} was seen with at least 201 ")
    # Anna and Bert were unlinked: that is decided, while the cookie that both used is not.
    assert [line.split(maxsplit=5) for line in lines[2:]] == [
        ["when", "reason", "identity", "other", "tenant", "touchpoint"],
        ["2024-01-01T10:00:00.000Z", "unlinked", *sorted_by_hash(COOKIE, BERTS), "default", "crm/borrowed"],
        ["2024-01-01T07:00:00.000Z", "placeholder", *sorted_by_hash(ANNA, NOBODYS), "default", "crm/call"],
        ["2024-01-01T05:00:00.000Z", "placeholder", *sorted_by_hash(NOBODYS, BERTS), "default", "crm/call of Bert's"],
    ]
    assert "journeys identity unlink A B" in done.stderr
    assert "placeholder: one of the two was seen with too many others" in done.stderr


@pytest.mark.stack
def test_review_can_be_narrowed(folder: Path, clickhouse: str) -> None:
    def ids(*options: str) -> list[str]:
        done = identity(folder, "review", *options, "--clickhouse", clickhouse, "--json")
        return [found["id"] for found in json.loads(done.stdout)["links"]]

    assert ids() == ["borrowed", "call", "call of Bert's"]
    assert ids("--limit", "1") == ["borrowed"]
    assert ids("--reason", "placeholder") == ["call", "call of Bert's"]
    assert ids("--reason", "cap") == []
    done = identity(folder, "review", "--reason", "cap", "--clickhouse", clickhouse)
    assert done.stdout.splitlines()[-1] == "no links wait for review"


def test_review_names_a_reason_that_there_is_not(folder: Path) -> None:
    done = identity(folder, "review", "--reason", "shared")
    assert done.exit_code == 2
    assert "there is no reason shared; there are: placeholder, unlinked, cap, limit" in one_line(done.stderr)


# --- link and unlink


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with broker_with_topics() as settings:
        yield settings


def sent(kafka: KafkaSettings, touchpoint_key: str) -> tuple[bytes, Touchpoint]:
    (found,) = [
        (key, touchpoint) for key, touchpoint in touchpoints_in(kafka) if "/".join(touchpoint.key) == touchpoint_key
    ]
    return found


@pytest.mark.stack
@pytest.mark.parametrize(
    ("command", "kind"), [(("link",), "identity.linked"), (("unlink", "--yes"), "identity.unlinked")]
)
def test_a_statement_is_sent_as_an_event_of_now_the_strongest_identity_first(
    folder: Path, kafka: KafkaSettings, command: tuple[str, ...], kind: str
) -> None:
    since = time.time_ns() // 1_000_000
    address = ("--kafka", kafka.bootstrap)
    done = identity(folder, *command, " Email:Anna@Example.org", ANNA, "--tenant", "acme", *address, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kind"] == kind
    key, statement = sent(kafka, told["touchpoint_key"])
    assert key == ANNA.encode()
    assert (statement.kind, statement.identities) == (kind, (ANNA, ANNAS_MAIL))
    assert (statement.tenant, statement.source, statement.actor) == ("acme", "journeys-cli", "agent")
    assert statement.sent_at == statement.occurred_at
    assert since <= statement.occurred_at <= time.time_ns() // 1_000_000

    again = json.loads(identity(folder, *command, ANNA, ANNAS_MAIL, "--tenant", "acme", *address, "--json").stdout)
    assert again["touchpoint_key"] != told["touchpoint_key"]


@pytest.mark.stack
def test_it_is_said_what_will_happen_and_how_to_watch_it(folder: Path, kafka: KafkaSettings) -> None:
    done = identity(folder, "link", ANNA, ANNAS_MAIL, "--kafka", kafka.bootstrap)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{ANNA} and {ANNAS_MAIL} will be one person, unless ")
    assert [line.strip() for line in lines[2:]] == ["journeys wait", f"journeys identity show {ANNA}"]
    done = identity(folder, "unlink", ANNA, ANNAS_MAIL, "--kafka", kafka.bootstrap, stdin="y\n")
    assert "will be two people" in done.stdout
    assert done.exit_code == 0


@pytest.mark.stack
def test_refold_sends_a_request_of_now_and_says_how_to_watch_it(folder: Path, kafka: KafkaSettings) -> None:
    since = time.time_ns() // 1_000_000
    words = ("refold", " Email:Anna@Example.org", "--tenant", "acme", "--kafka", kafka.bootstrap)
    told = json.loads(identity(folder, *words, "--json").stdout)
    key, statement = sent(kafka, told["touchpoint_key"])
    assert key == ANNAS_MAIL.encode()
    assert told["kind"] == statement.kind == "history.refold_requested"
    assert (statement.identities, statement.tenant, statement.source) == ((ANNAS_MAIL,), "acme", "journeys-cli")
    assert since <= statement.occurred_at <= time.time_ns() // 1_000_000
    lines = [line.strip() for line in identity(folder, *words).stdout.splitlines()]
    assert lines[0] == f"What came too late for {ANNAS_MAIL} so far will be part of the story."
    assert lines[2:] == ["journeys wait", f"journeys timeline {ANNAS_MAIL}"]


@pytest.mark.stack
def test_nothing_is_parted_without_a_yes(folder: Path, kafka: KafkaSettings) -> None:
    before = len(touchpoints_in(kafka))
    for answer in ("n\n", "\n", ""):
        done = identity(folder, "unlink", ANNA, ANNAS_MAIL, "--kafka", kafka.bootstrap, stdin=answer)
        assert done.exit_code == 1
        assert "will be two people" not in done.stdout
    assert len(touchpoints_in(kafka)) == before


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("4711", ANNA, "Invalid value for A: '4711' identifies nobody; expected namespace:value"),
        (ANNA, "email:null", "Invalid value for B: 'email:null' identifies nobody"),
        (ANNA, "email:NoReply@example.org", "'email:NoReply@example.org' identifies nobody"),
        (ANNA, "phone:0800-1", "'phone:0800-1' identifies nobody"),
        (ANNAS_MAIL, "EMAIL: Anna@Example.ORG ", "Invalid value for B: the two are one and the same identity"),
    ],
)
def test_what_cannot_be_linked_is_refused_before_anything_is_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch, one: str, other: str, message: str
) -> None:
    monkeypatch.setenv("JOURNEYS_BLOCKED_IDENTITIES", '["NoReply@example.org"]')
    monkeypatch.setenv("JOURNEYS_TENANTS", '{"default": {"blocked_identities": ["08001"]}}')
    for command in ("link", "unlink"):
        done = identity(folder, command, one, other, "--kafka", "127.0.0.1:1")
        assert done.exit_code == 2
        assert message in one_line(done.stderr)


def test_nobodys_story_is_not_refolded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_BLOCKED_IDENTITIES", '["4711"]')
    for nobody in ("4711", ANNA):
        done = identity(folder, "refold", nobody, "--kafka", "127.0.0.1:1")
        assert done.exit_code == 2
        assert f"Invalid value for IDENTITY: '{nobody}' identifies nobody" in one_line(done.stderr)


class Recorder:
    """Stands where the producer does, and keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Touchpoint] = []

    def __call__(self, _kafka: KafkaSettings) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing to close."""

    def send(self, touchpoint: Touchpoint) -> None:
        self.sent.append(touchpoint)


def test_the_id_of_a_statement_does_not_tell_who_it_is_about(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Somebody who guesses the identities and knows the time has to know the key as well.
    recorder = Recorder()
    monkeypatch.setattr("streams.producing.producer.TouchpointProducer", recorder)
    monkeypatch.setattr(time, "time_ns", lambda: MONDAY * 1_000_000)
    for pepper in (PEPPER, PEPPER[::-1]):
        (folder / "pepper").write_text(pepper)
        identity(folder, "link", ANNA, ANNAS_MAIL)
        identity(folder, "link", ANNAS_MAIL, ANNA)
    first, same, other, _ = (statement.id for statement in recorder.sent)
    assert first == same != other


def test_limits_of_a_tenant_take_the_place_of_all_that_are_set_for_everybody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNEYS_IDENTITY__UNIQUE", "3")
    monkeypatch.setenv("JOURNEYS_TENANTS", '{"acme": {"identity": {"login": 20}}}')
    settings = load_settings(folder)
    assert settings.identity.limits() == IdentityLimits(unique=3)
    assert settings.limits_by_tenant() == {"acme": IdentityLimits(login=20)}


@pytest.mark.parametrize("words", [("link", ANNA, ANNAS_MAIL), ("unlink", ANNA, ANNAS_MAIL, "--yes"), ("refold", ANNA)])
def test_without_a_key_no_statement_is_made(folder: Path, words: tuple[str, ...]) -> None:
    (folder / "pepper").unlink()
    done = identity(folder, *words)
    assert done.exit_code == 1
    assert str(folder / "pepper") in done.stderr
