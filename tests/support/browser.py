"""A Chromium of this machine, driven over its debugging pipe; it is told to talk to nobody by itself."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def found_chromium() -> str | None:
    """Path of a Chromium or Chrome on this machine."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def chromium() -> str:
    """The same; skips the test where there is none, but fails where CI wants it."""
    found = found_chromium()
    if found is not None:
        return found
    reason = f"no browser is on the PATH, looked for {', '.join(_NAMES)}"
    if os.environ.get("JOURNEYS_TEST_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser without windows."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
