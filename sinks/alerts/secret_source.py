"""Where channels get their secrets: an environment variable, or a file that only its owner can read.

A routing file names the place and never holds the secret itself. Errors name field and place, never the value.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr


def _refuse_secret(path: Path) -> Path:
    if ":/" in str(path) or str(path).startswith("whsec_"):
        raise ValueError("names the file that holds the secret, not the secret itself")
    return path


#: Name of an environment variable. The form also keeps out a secret that was put here by mistake.
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]

#: Path of a secret file. A secret that was put here by mistake is refused without being shown.
SecretPath = Annotated[Path, AfterValidator(_refuse_secret)]

#: Where container engines mount secrets, readable by everybody in the container, which is one program.
MOUNTED_SECRETS = Path("/run/secrets")

#: A secret file is read no further than this.
SECRET_BYTES: Final = 4096


class SecretError(Exception):
    """A secret is missing, unreadable, readable by others, or malformed."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def check_one_source(name: str, env: str | None, file: Path | None) -> None:
    """Hold settings to exactly one place for a secret.

    Raises:
        ValueError: none or both are given.

    """
    if (env is None) == (file is None):
        raise ValueError(f"give either {name}_env or {name}_file")


def read_secret(
    name: str, env: str | None, file: Path | None, environment: Mapping[str, str], folder: Path
) -> SecretStr:
    """Secret from its one place, without the white space around it. A relative file lies in `folder`.

    Raises:
        SecretError: it is missing, empty or unreadable, or others may read the file.

    """
    if env is not None:
        field, place, text = f"{name}_env", f"the environment variable {env}", environment.get(env)
        if text is None:
            raise SecretError(field, f"{place} is not set")
    elif file is not None:
        field, place = f"{name}_file", f"the file {folder / file}"
        text = _read_private_file(field, folder / file)
    else:
        raise SecretError(name, f"give either {name}_env or {name}_file")
    if not text.strip():
        raise SecretError(field, f"{place} is empty")
    return SecretStr(text.strip())


def _read_private_file(field: str, path: Path) -> str:
    try:
        # Without O_NONBLOCK a pipe in place of the file would hang the worker at its start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SecretError(field, f"the file {path} cannot be read: {error.strerror}") from None
    try:
        # The open file is looked at, not its name, which could point elsewhere by now.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecretError(field, f"{path} is not a file")
        others = stat.S_IMODE(status.st_mode) & 0o077
        if others and not path.is_relative_to(MOUNTED_SECRETS):
            raise SecretError(field, f"others may use the file {path} (mode bits {others:03o}); run: chmod 600 {path}")
        content = os.read(descriptor, SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > SECRET_BYTES:
        raise SecretError(field, f"the file {path} is over {SECRET_BYTES} bytes, no secret is")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SecretError(field, f"the file {path} is not UTF-8 text") from None
