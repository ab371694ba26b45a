"""What docker-compose.yml promises: loopback only, pinned, healthy before used, secrets as files."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import settings
from sinks.alerts.routing import load_routing
from streams.cli.worker import AGENTS
from tests.support.command_line import problem_with

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {name for name, service in SERVICES.items() if service.get("restart") == "no"}
PUBLISHED = [(name, port) for name, service in SERVICES.items() for port in service.get("ports", [])]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}


def with_defaults(text: str) -> str:
    """The text with every `${VARIABLE:-default}` replaced by its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def journeys_commands() -> list[tuple[str, list[str]]]:
    """Every command line of `journeys` in the file, as (service, words after `journeys`)."""
    found = []
    for name, service in OWN.items():
        if "entrypoint" in service:
            script = " ".join(service["command"])
            found += [(name, part.split()[1:]) for part in script.split("&&")]
        else:
            found.append((name, list(service["command"])))
    return found


def test_workers_run_every_agent_there_is_and_no_other() -> None:
    workers = [words for _, words in journeys_commands() if words[0] == "worker"]
    wanted = [name for words in workers for name in words[words.index("--agents") + 1].split(",")]
    assert sorted(wanted) == sorted(AGENTS)


@pytest.mark.parametrize(("service", "port"), PUBLISHED)
def test_published_ports_are_on_loopback(service: str, port: str) -> None:
    assert port.startswith("127.0.0.1:"), f"{service} publishes {port} on every address of the machine"


def test_ports_that_a_user_needs_are_published() -> None:
    ports = {with_defaults(port) for _, port in PUBLISHED}
    assert ports == {
        "127.0.0.1:9092:9092",
        "127.0.0.1:8123:8123",
        "127.0.0.1:9000:9000",
        "127.0.0.1:8080:8080",
        "127.0.0.1:8088:8088",
        "127.0.0.1:3000:3000",
    }


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOT - OWN.keys()))
def test_a_service_of_others_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(OWN.keys() - ONE_SHOT))
def test_an_own_service_has_a_health_check_from_the_image_or_here(name: str) -> None:
    image = (ROOT / "deploy/docker/Dockerfile").read_text()
    assert "HEALTHCHECK --" in image
    assert not OWN[name].get("healthcheck", {}).get("disable", False)


def test_the_one_shot_service_comes_before_the_workers() -> None:
    assert {"setup"} == ONE_SHOT
    for name in OWN.keys() - ONE_SHOT:
        assert OWN[name]["depends_on"]["setup"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned(name: str) -> None:
    _, _, tag = with_defaults(SERVICES[name]["image"]).rpartition(":")
    assert re.fullmatch(r"\d+\.\d+(\.\d+)*", tag), f"{name} runs an image with the tag {tag!r}"


def test_kafka_is_the_one_that_the_local_stack_runs() -> None:
    pom = (ROOT / "deploy/local/kafka/pom.xml").read_text()
    _, _, tag = with_defaults(SERVICES["kafka"]["image"]).rpartition(":")
    assert f"<kafka.version>{tag}</kafka.version>" in pom


@pytest.mark.parametrize(("service", "words"), journeys_commands())
def test_every_command_exists_and_takes_its_options(service: str, words: list[str]) -> None:
    assert problem_with(words) is None, service


def test_secrets_are_files_and_every_one_is_used() -> None:
    declared = COMPOSE["secrets"]
    assert all(set(secret) == {"file"} for secret in declared.values())
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == set(declared)


def test_no_password_stands_in_the_environment() -> None:
    for name, service in SERVICES.items():
        for variable in service.get("environment", {}):
            is_secret = re.search(r"PASSWORD|PEPPER|TOKEN", variable)
            assert not is_secret or variable.endswith("_FILE"), f"{name} has {variable} in its environment"


@pytest.mark.parametrize("name", sorted(OWN))
def test_an_own_container_can_write_nothing_and_gain_nothing(name: str) -> None:
    service = OWN[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_stopping_worker_is_given_longer_than_it_needs() -> None:
    for name in OWN.keys() - ONE_SHOT:
        assert OWN[name]["stop_grace_period"] == "35s"


def test_the_mounted_alert_routing_can_be_loaded() -> None:
    routing = load_routing(ROOT / with_defaults(COMPOSE["configs"]["alert_routing"]["file"]))
    assert list(routing.channels) == ["console"]


def test_every_setting_in_the_environment_exists() -> None:
    known = {row.split("`")[1] for row in settings().splitlines() if "`" in row}
    for name, service in OWN.items():
        for variable in service["environment"]:
            assert variable in known, f"{name} sets {variable}, which is no setting"


def test_secrets_that_set_settings_are_named_like_them() -> None:
    known = {row.split("`")[1] for row in settings().splitlines() if "`" in row}
    named = {secret for secret in COMPOSE["secrets"] if secret.startswith("journeys_")}
    assert named
    assert {secret.upper() for secret in named} <= known
