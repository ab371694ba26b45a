"""Fetching Apache Kafka: once, whole or not at all, and with words for what is missing.

Programs named `java` and `mvn` stand in for the real ones where something must go wrong.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streams.stack.apache_kafka import KafkaUnavailable, find_kafka, install_kafka
from tests.support.apache_kafka import apache_kafka
from tests.support.local_broker import free_port
from tests.support.processes import REPOSITORY

JAVA_17 = 'openjdk version "17.0.15" 2025-04-15'
#: Puts two jars where Maven was told to, and a line into a file for each time it was called.
WORKING = """
for word; do case "$word" in -DoutputDirectory=*) target="${word#*=}";; esac; done
/bin/mkdir -p "$target"
echo one > "$target/one.jar"
echo '[INFO] Downloaded from central: https://repo.maven.apache.org/maven2/org/one.jar (4 B at 4 B/s)'
echo two > "$target/two.jar"
echo called >> "${0%/*}/calls"
"""
HALF = WORKING.replace('echo two > "$target/two.jar"', "echo '[ERROR] the power went'; exit 1")
#: As Maven 3.8 prints it.
UNREACHED = """
echo '[ERROR] Plugin x:y:3.8.1 or one of its dependencies could not be resolved: Failed to read artifact descriptor \
for x:jar:3.8.1: Could not transfer artifact x:pom:3.8.1 from/to central (https://repo.maven.apache.org/maven2): \
transfer failed for https://repo.maven.apache.org/maven2/x.pom: Connect to repo.maven.apache.org:443 failed: \
Connection refused -> [Help 1]'
echo '[ERROR] '
exit 1
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH; the cache folder is new as well."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def java(path: Path, said: str) -> None:
    program(path, f"echo '{said}' >&2")


def why_not() -> str:
    with pytest.raises(KafkaUnavailable) as problem:
        install_kafka(lambda _name: None)
    return str(problem.value)


def calls(programs: Path) -> int:
    return (programs / "calls").read_text().count("called")


def test_it_is_fetched_once_into_the_cache_folder(programs: Path, tmp_path: Path) -> None:
    java(programs / "java", JAVA_17)
    program(programs / "mvn", WORKING)
    told: list[str] = []
    kafka, is_new = install_kafka(told.append)
    assert is_new
    assert told == ["one.jar"]
    assert kafka.jars.parent == tmp_path / "cache" / "customer-journeys" / "kafka"
    assert kafka.jars.name.startswith(f"{kafka.version}-")
    assert sorted(path.name for path in kafka.jars.glob("*.jar")) == ["one.jar", "two.jar"]
    assert sorted(path.name for path in kafka.jars.parent.iterdir()) == [kafka.jars.name, "fetching.lock"]
    (programs / "mvn").rename(programs / "no-mvn")
    assert install_kafka(told.append) == (kafka, False)
    assert find_kafka() == kafka
    assert told == ["one.jar"]


def test_half_a_fetch_is_none(programs: Path) -> None:
    java(programs / "java", JAVA_17)
    program(programs / "mvn", HALF)
    assert why_not() == "Maven could not fetch Apache Kafka: the power went"
    with pytest.raises(KafkaUnavailable, match="is not installed; fetch it with: journeys kafka install"):
        find_kafka()
    program(programs / "mvn", WORKING)
    kafka, is_new = install_kafka(lambda _name: None)
    assert is_new
    assert find_kafka() == kafka
    assert sorted(path.name for path in kafka.jars.parent.iterdir()) == [kafka.jars.name, "fetching.lock"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda jar: jar.write_text("tw")], ids=["gone", "cut"])
def test_jars_that_lost_one_are_fetched_again(programs: Path, damage: object) -> None:
    java(programs / "java", JAVA_17)
    program(programs / "mvn", WORKING)
    kafka, _ = install_kafka(lambda _name: None)
    assert callable(damage)
    damage(kafka.jars / "two.jar")
    with pytest.raises(KafkaUnavailable, match="is not installed"):
        find_kafka()
    assert install_kafka(lambda _name: None) == (kafka, True)
    assert (kafka.jars / "two.jar").read_text() == "two\n"
    assert calls(programs) == 2


def test_another_pom_is_fetched_anew_and_does_not_touch_the_other_jars(programs: Path, tmp_path: Path) -> None:
    java(programs / "java", JAVA_17)
    program(programs / "mvn", WORKING)
    for package in ("streams", "schemas", "processors", "sinks", "deploy/local"):
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "streams.cli.main", "kafka", "install"]

    def install() -> str:
        return subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": "."}, check=True, capture_output=True, text=True
        ).stdout

    first = install()
    assert "Apache Kafka 4.3.1 is in" in first
    assert "2 jars" in first
    assert "Apache Kafka 4.3.1 is already in" in install()
    pom = tmp_path / "deploy" / "local" / "kafka" / "pom.xml"
    pom.write_text(pom.read_text().replace("4.3.1", "4.3.2"))
    assert "Apache Kafka 4.3.2 is in" in install()
    assert calls(programs) == 2
    pom.write_text(pom.read_text().replace("4.3.2", "4.3.1"))
    assert "Apache Kafka 4.3.1 is already in" in install()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('java version "1.8.0_381"', 8),
        ('openjdk version "11.0.20" 2023-07-18', 11),
        ('openjdk version "16.0.2" 2021-07-20', 16),
    ],
)
def test_a_java_that_is_too_old_is_named(programs: Path, said: str, version: int) -> None:
    java(programs / "java", said)
    program(programs / "mvn", WORKING)
    assert why_not() == (
        f"Apache Kafka needs Java 17 or newer, and {programs / 'java'} is Java {version}; put one on the PATH, or name"
        " its folder with JAVA_HOME"
    )


@pytest.mark.parametrize(
    "said", [JAVA_17, 'openjdk version "22-ea" 2024', 'java version "25" 2025', f"Picked up JAVA_OPTIONS\n{JAVA_17}"]
)
def test_a_java_that_is_new_enough_is_taken(programs: Path, said: str) -> None:
    java(programs / "java", said)
    program(programs / "mvn", WORKING)
    assert install_kafka(lambda _name: None)[0].java == str(programs / "java")


def test_a_missing_java_is_said(programs: Path) -> None:
    assert why_not().startswith("Apache Kafka needs Java 17 or newer, and there is no java on the PATH; put one on")


def test_a_java_that_only_says_where_to_get_one_is_none(programs: Path) -> None:
    program(programs / "java", "echo 'Unable to locate a Java Runtime.' >&2; exit 1")
    assert f"and {programs / 'java'} does not run; put one on the PATH" in why_not()


def test_java_home_is_asked_before_the_path(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java(programs / "java", 'openjdk version "11.0.20" 2023-07-18')
    program(programs / "mvn", WORKING)
    java(tmp_path / "jdk" / "bin" / "java", JAVA_17)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert install_kafka(lambda _name: None)[0].java == str(tmp_path / "jdk" / "bin" / "java")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    assert f"there is no java in JAVA_HOME ({tmp_path / 'nothing'})" in why_not()


def test_a_missing_maven_is_said(programs: Path) -> None:
    java(programs / "java", JAVA_17)
    assert why_not() == (
        "Apache Kafka is fetched with Maven (mvn), which is not on the PATH; install Maven and try again"
    )


def test_a_maven_central_that_cannot_be_reached_is_said(programs: Path) -> None:
    java(programs / "java", JAVA_17)
    program(programs / "mvn", UNREACHED)
    assert why_not() == (
        "Maven cannot fetch from https://repo.maven.apache.org/maven2: Connection refused. Try again where it can be"
        " reached; a proxy or a mirror is named in ~/.m2/settings.xml"
    )


@pytest.mark.kafka
def test_maven_itself_is_understood_when_it_reaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apache_kafka()
    settings = tmp_path / ".m2" / "settings.xml"
    settings.parent.mkdir()
    nobody = f"http://127.0.0.1:{free_port()}/"
    settings.write_text(
        "<settings><mirrors><mirror><id>nobody</id><mirrorOf>*</mirrorOf>"
        f"<url>{nobody}</url></mirror></mirrors></settings>"
    )
    monkeypatch.setenv("MAVEN_OPTS", f"-Duser.home={tmp_path}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert why_not() == (
        f"Maven cannot fetch from {nobody}: Connection refused. Try again where it can be reached; a proxy or a mirror"
        " is named in ~/.m2/settings.xml"
    )


def test_a_cache_folder_that_cannot_be_made_is_named(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java(programs / "java", JAVA_17)
    program(programs / "mvn", WORKING)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert why_not().startswith(f"cannot keep Apache Kafka in {tmp_path / 'file'}/")
    assert why_not().endswith(": Not a directory; XDG_CACHE_HOME names another cache folder")


def test_without_a_cache_folder_in_the_environment_it_is_the_home_folders(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java(programs / "java", JAVA_17)
    program(programs / "mvn", WORKING)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # The specification tells to ignore what is no absolute path.
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    kafka, _ = install_kafka(lambda _name: None)
    assert kafka.jars.is_relative_to(tmp_path / "home" / ".cache" / "customer-journeys" / "kafka")
