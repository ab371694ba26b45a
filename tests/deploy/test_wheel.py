"""The wheel: four packages, the contract inside, the local stack beside; and it runs away from the sources."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy/locks"
PACKAGES = {"streams", "schemas", "processors", "sinks"}

pytestmark = pytest.mark.wheel


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, run without anything of this environment but the PATH."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "NO_COLOR": "1", "COLUMNS": "120"}
    # Where packages come from and what is cached belongs to the machine, not to the environment under test.
    # CI: there Hypothesis takes the same examples every time.
    passed_on = ("UV_", "SSL_", "XDG_", "CI")
    environment |= {name: value for name, value in os.environ.items() if name.startswith(passed_on)}
    environment.setdefault("UV_CACHE_DIR", str(Path.home() / ".cache/uv"))
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def uv() -> str:
    """The installer, beside the Python that runs the tests or on the PATH."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found is not None, "uv is not installed: run make setup"
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        uv(), "build", "--wheel", "--quiet", "--python", sys.executable,
        "--build-constraints", LOCKS / "build.lock", "--require-hashes", "--out-dir", folder, ROOT,
        cwd=folder,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the locked dependencies and the wheel, far from the sources."""
    folder = tmp_path_factory.mktemp("environment")
    venv = folder / "venv"
    python = venv / "bin/python"
    install: list[str | Path] = [uv(), "pip", "install", "--quiet", "--python", python]
    run(uv(), "venv", "--quiet", "--python", sys.executable, venv, cwd=folder)
    run(*install, "--require-hashes", "-r", LOCKS / "runtime.lock", cwd=folder)
    run(*install, "--no-deps", wheel, cwd=folder)
    return venv


def names(wheel: Path) -> list[str]:
    """Paths of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_its_top_level_is_the_four_packages_and_nothing_else(wheel: Path) -> None:
    top = {name.split("/")[0] for name in names(wheel)}
    assert {name for name in top if not name.endswith((".dist-info", ".data"))} == PACKAGES
    assert sum(name.endswith(".dist-info") for name in top) == 1
    assert sum(name.endswith(".data") for name in top) == 1


def test_the_local_stack_lies_beside_the_packages_as_data(wheel: Path) -> None:
    data = {name.split(".data/", 1)[1] for name in names(wheel) if ".data/" in name}
    for module in ("clickhouse", "broker", "kafka"):
        assert f"data/share/customer-journeys/deploy/local/{module}.py" in data or any(
            name.startswith(f"data/share/customer-journeys/deploy/local/{module}/") for name in data
        )
    assert "data/share/customer-journeys/deploy/local/kafka/pom.xml" in data
    assert all(name.startswith("data/share/customer-journeys/deploy/local/") for name in data)


def test_everything_that_is_tracked_in_a_package_is_in_the_wheel(wheel: Path) -> None:
    tracked = run("git", "ls-files", *sorted(PACKAGES), cwd=ROOT).split()
    assert set(tracked) <= set(names(wheel))


def test_it_carries_no_tests_caches_or_private_files(wheel: Path) -> None:
    for name in names(wheel):
        assert "__pycache__" not in name
        assert not name.startswith(("tests/", "bench/", "docs/", "."))


def test_the_command_runs_away_from_the_sources(environment: Path, tmp_path: Path) -> None:
    text = run(environment / "bin/journeys", "--help", cwd=tmp_path)
    for command in ("up", "worker", "produce", "query", "timeline"):
        assert command in text


def test_the_command_finds_what_apache_kafka_is_fetched_with(environment: Path, tmp_path: Path) -> None:
    lines = [
        "import os",
        "from streams.stack.apache_kafka import KafkaUnavailable, find_kafka",
        "os.environ['XDG_CACHE_HOME'] = os.getcwd()",
        "try: find_kafka()",
        "except KafkaUnavailable as error: print(error)",
    ]
    said = run(environment / "bin/python", "-c", "\n".join(lines), cwd=tmp_path)
    assert said == "Apache Kafka 4.3.1 is not installed; fetch it with: journeys kafka install\n"


def test_the_packages_are_imported_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(sorted(PACKAGES))}; print(*(p.__file__ for p in ({', '.join(sorted(PACKAGES))})))"
    for file in run(environment / "bin/python", "-c", code, cwd=tmp_path).split():
        assert Path(file).is_relative_to(environment)


def test_the_contract_is_readable_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    code = "from schemas.codec import schema_index; print(schema_index().current_id)"
    assert run(environment / "bin/python", "-c", code, cwd=tmp_path).strip() == "1"


def test_the_core_passes_its_examples_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    for part in ("processors", "schemas", "support"):
        shutil.copytree(ROOT / "tests" / part, tmp_path / "tests" / part, ignore=shutil.ignore_patterns("__pycache__"))
    # Documentation is held against the sources; it is not in the wheel.
    (tmp_path / "tests/schemas/test_docs.py").unlink()
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib\npythonpath = .\n"
        "markers =\n    stack: a\n    logs: a\n    wheel: a\n"
    )
    run(
        uv(), "pip", "install", "--quiet", "--python", environment / "bin/python", "--constraints",
        LOCKS / "dev.lock", "pytest", "hypothesis", "pytest-timeout",
        cwd=tmp_path,
    )  # fmt: skip
    # What holds for everything is shown beside the sources; here it matters that nothing is missing.
    examples = ("-m", "not hypothesis", "tests")
    text = run(environment / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *examples, cwd=tmp_path)
    assert " passed" in text
