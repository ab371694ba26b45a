"""What the image promises: pinned, from locked packages, not root, with a health check."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy/docker/Dockerfile").read_text()
INSTRUCTIONS = [
    (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1])
    for line in re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", TEXT)).splitlines()
    if line.strip()
]


def arguments(name: str) -> list[str]:
    """What follows each instruction of this name."""
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def test_base_images_are_pinned_to_a_patch_version() -> None:
    assert len(arguments("FROM")) == 2
    for base in arguments("FROM"):
        assert re.match(r"python:3\.\d+\.\d+-", base), base


def test_both_stages_have_the_same_python() -> None:
    versions = {re.match(r"python:([\d.]+)-", base) for base in arguments("FROM")}
    assert len({found and found[1] for found in versions}) == 1


def test_everything_is_installed_from_locked_files_with_hashes() -> None:
    for run in arguments("RUN"):
        for step in re.split(r"&&", run):
            if " install " in step:
                assert "--require-hashes" in step or "--no-deps" in step, step


def test_the_user_is_a_number_and_not_root() -> None:
    assert arguments("USER") == ["10001:10001"]


def test_the_user_is_set_in_the_final_stage() -> None:
    names = [name for name, _ in INSTRUCTIONS]
    last_from = len(names) - 1 - names[::-1].index("FROM")
    assert "USER" in names[last_from:]


def test_stop_signal_health_check_and_labels_are_set() -> None:
    assert arguments("STOPSIGNAL") == ["SIGTERM"]
    assert 'CMD ["journeys"' in arguments("HEALTHCHECK")[0]
    assert "org.opencontainers.image.licenses" in arguments("LABEL")[0]


def test_every_copied_path_passes_the_docker_ignore_file() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for path in allowed:
        assert (ROOT / path).exists(), f".dockerignore lets {path} in, which does not exist"
    assert {"pyproject.toml", "README.md", "LICENSE", "streams", "schemas", "processors", "sinks"} <= allowed
