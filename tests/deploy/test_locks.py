"""The lock files hold what pyproject.toml asks for, with hashes, and name no place to fetch it from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy/locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
LOCAL: list[str] = PROJECT["project"]["optional-dependencies"]["local"]
DEV: list[str] = PROJECT["dependency-groups"]["dev"]
ALL = sorted(path.stem for path in LOCKS.glob("*.lock"))


def locked(name: str) -> dict[str, set[Version]]:
    """Versions by package; there is more than one where Python versions need different ones."""
    found: dict[str, set[Version]] = {}
    for package, version in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", (LOCKS / f"{name}.lock").read_text()):
        found.setdefault(canonicalize_name(package), set()).add(Version(version))
    return found


@pytest.mark.parametrize(
    ("name", "requirements"),
    [("runtime", RUNTIME), ("local", RUNTIME + LOCAL), ("dev", RUNTIME + LOCAL + DEV)],
)
def test_every_dependency_is_locked_to_a_version_that_the_project_allows(name: str, requirements: list[str]) -> None:
    versions = locked(name)
    for text in requirements:
        requirement = Requirement(text)
        package = canonicalize_name(requirement.name)
        assert package in versions, f"{package} is not in {name}.lock: run make lock"
        for version in versions[package]:
            assert requirement.specifier.contains(version), f"{package} {version} is not {requirement.specifier}"


def test_what_is_installed_for_running_is_what_was_tested() -> None:
    runtime, local, dev = locked("runtime"), locked("local"), locked("dev")
    assert runtime.items() <= local.items() <= dev.items()


@pytest.mark.parametrize("name", ALL)
def test_every_locked_package_has_a_hash(name: str) -> None:
    text = (LOCKS / f"{name}.lock").read_text()
    for entry in re.split(r"(?m)^(?=[\w.-]+==)", text)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


@pytest.mark.parametrize("name", ALL)
def test_no_lock_file_names_an_index(name: str) -> None:
    text = (LOCKS / f"{name}.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
