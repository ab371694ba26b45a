"""The page as PDF, printed by the Chromium or Chrome of this machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_WITHIN_S: Final = 120


class NoPrinter(Exception):
    """The page cannot be printed here; the message says why."""


def find_browser() -> str | None:
    """Path of a browser that prints, or `None`."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def print_pdf(page: Path, pdf: Path) -> None:
    """Print an HTML file into a PDF file.

    Raises:
        NoPrinter: there is no browser, or it failed.

    """
    browser = find_browser()
    if browser is None:
        raise NoPrinter(f"PDF needs Chromium or Chrome, and none of {', '.join(_NAMES)} is on the PATH")
    with tempfile.TemporaryDirectory(prefix="journeys-report-") as profile:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            # A sandbox cannot be made by root. The page is our own, has no scripts and may load nothing.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"--user-data-dir={profile}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={pdf.resolve()}",
            page.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_WITHIN_S, check=False)  # noqa: S603 - ours
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoPrinter(f"{browser} did not print: {error}") from error
    if done.returncode != 0 or not pdf.exists() or not pdf.stat().st_size:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise NoPrinter(f"{browser} did not print: {' '.join(last) or f'exit code {done.returncode}'}")
