"""Apache Kafka on this machine: the Java that runs it, and its jars, fetched once into the user's cache folder."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from streams.stack.local_files import deploy_root

#: For the server of Kafka 4: https://kafka.apache.org/41/getting-started/compatibility
LEAST_JAVA: Final = 17
#: Lists what was fetched, name to bytes; written last.
_STAMP: Final = "fetched.json"
_DOWNLOADED: Final = re.compile(r"Downloaded from \S+: \S+/(\S+)")
_NOT_REACHED: Final = re.compile(r"Could not transfer \S+ \S+ from/to \S+ \((?P<url>\S+)\): (?P<why>.*?)(?: -> |$)")
_HOW_TO_REACH: Final = "Try again where it can be reached; a proxy or a mirror is named in ~/.m2/settings.xml"


class KafkaUnavailable(RuntimeError):
    """Apache Kafka cannot run here, or cannot be fetched; the message says why and what to do."""


class ApacheKafka(NamedTuple):
    """What starts a broker: a Java that is new enough, and the folder of the jars."""

    version: str
    java: str
    jars: Path


def find_kafka() -> ApacheKafka:
    """Apache Kafka, ready to run.

    Raises:
        KafkaUnavailable: its jars were not fetched, or there is no Java for it.
        LocalFilesMissing: the application is installed without its local stack.

    """
    version, _, jars = _pinned()
    if not _is_whole(jars):
        raise KafkaUnavailable(f"Apache Kafka {version} is not installed; fetch it with: journeys kafka install")
    return ApacheKafka(version, _find_java(), jars)


def install_kafka(on_file: Callable[[str], None]) -> tuple[ApacheKafka, bool]:
    """Fetch the jars unless they are there; what can be run now, and whether anything was fetched.

    `on_file` is told the name of each file that Maven downloads.

    Raises:
        KafkaUnavailable: there is no Java for it, no Maven, no way to Maven Central, or no place to keep it.
        LocalFilesMissing: the application is installed without its local stack.

    """
    version, pom, jars = _pinned()
    kafka = ApacheKafka(version, _find_java(), jars)
    if _is_whole(jars):
        return kafka, False
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable(
            "Apache Kafka is fetched with Maven (mvn), which is not on the PATH; install Maven and try again"
        )
    try:
        jars.parent.mkdir(parents=True, exist_ok=True)
        with (jars.parent / "fetching.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_whole(jars):
                return kafka, False
            _fetch(maven, pom, jars, on_file)
    except OSError as error:
        raise KafkaUnavailable(
            f"cannot keep Apache Kafka in {jars}: {error.strerror}; XDG_CACHE_HOME names another cache folder"
        ) from None
    return kafka, True


def _pinned() -> tuple[str, Path, Path]:
    """Version, pom, and the folder of the jars; another pom has another folder, so what it names is fetched anew."""
    pom = deploy_root() / "deploy" / "local" / "kafka" / "pom.xml"
    content = pom.read_bytes()
    version = re.search(rb"<kafka\.version>([\w.-]+)</kafka\.version>", content)
    if version is None:
        raise KafkaUnavailable(f"{pom} does not say which version of Apache Kafka is meant; install the wheel again")
    name = f"{version[1].decode()}-{hashlib.sha256(content).hexdigest()[:12]}"
    return version[1].decode(), pom, _cache_folder() / "customer-journeys" / "kafka" / name


def _cache_folder() -> Path:
    """Cache folder by the XDG base directory specification, which ignores a path that is not absolute."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else Path.home() / ".cache"


def _find_java() -> str:
    """Java by JAVA_HOME, else by the PATH, as Maven and Kafka's own scripts look for it."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    needed = f"Apache Kafka needs Java {LEAST_JAVA} or newer"
    advice = "put one on the PATH, or name its folder with JAVA_HOME"
    if java is None:
        where = f"in JAVA_HOME ({home})" if home else "on the PATH"
        raise KafkaUnavailable(f"{needed}, and there is no java {where}; {advice}")
    # macOS has a /usr/bin/java that only says where to get one.
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - see above
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    if said.returncode or found is None:
        raise KafkaUnavailable(f"{needed}, and {java} does not run; {advice}")
    if int(found[1]) < LEAST_JAVA:
        raise KafkaUnavailable(f"{needed}, and {java} is Java {found[1]}; {advice}")
    return java


def _is_whole(jars: Path) -> bool:
    """Whether everything that was fetched is still there: programs that clean caches take single files."""
    try:
        sizes = json.loads((jars / _STAMP).read_text(encoding="utf-8"))
        return all((jars / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _fetch(maven: str, pom: Path, jars: Path, on_file: Callable[[str], None]) -> None:
    """Fetch beside the folder and move it there when it is whole."""
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix=f"{jars.name}.partial-") as partial:
        fetched = Path(partial) / "jars"
        _run_maven(maven, pom, fetched, on_file)
        sizes = {jar.name: jar.stat().st_size for jar in sorted(fetched.glob("*.jar"))}
        (fetched / _STAMP).write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(jars, ignore_errors=True)
        fetched.rename(jars)


def _run_maven(maven: str, pom: Path, target: Path, on_file: Callable[[str], None]) -> None:
    command = [
        # Checksums must fit; what could not be reached the last time is tried again.
        maven, "--batch-mode", "--strict-checksums", "--update-snapshots", "-Dstyle.color=never", "--file", str(pom),
        "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies", f"-DoutputDirectory={target}",
    ]  # fmt: skip
    errors = []
    with subprocess.Popen(  # noqa: S603 - Maven from the PATH, our own pom
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            if downloaded := _DOWNLOADED.search(line):
                on_file(downloaded[1])
            elif "ERROR" in line:
                errors.append(line.strip().removeprefix("[ERROR] "))
    if process.returncode:
        _refuse(errors, process.returncode)


def _refuse(errors: list[str], code: int) -> NoReturn:
    for error in errors:
        if unreached := _NOT_REACHED.search(error):
            why = unreached["why"].rpartition(": ")[2]
            raise KafkaUnavailable(f"Maven cannot fetch from {unreached['url']}: {why}. {_HOW_TO_REACH}")
    told = errors[0] if errors else f"it ended with {code} and no message"
    raise KafkaUnavailable(f"Maven could not fetch Apache Kafka: {told}")
