"""Where ClickHouse is."""

import dataclasses
import re

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclasses.dataclass(frozen=True, slots=True)
class ClickHouseAddress:
    """Native protocol address, database and user. The password never shows in a representation or a message.

    A server that says nothing for `answer_timeout_s` seconds is given up.

    Raises:
        ValueError: the database is not a plain name (it becomes part of statements).

    """

    host: str = "127.0.0.1"
    port: int = 9000
    database: str = "journeys"
    user: str = "default"
    password: str = dataclasses.field(default="", repr=False)
    secure: bool = False
    answer_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if not _IDENTIFIER.fullmatch(self.database):
            raise ValueError(f"database {self.database!r} is not a plain name of letters, digits and underscores")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"
