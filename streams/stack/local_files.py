"""Where the programs of the local stack are: beside the packages in a checkout, under share/ in an installation."""

import sysconfig
from pathlib import Path


class LocalFilesMissing(RuntimeError):
    """The programs of the local stack are not installed."""


def deploy_root() -> Path:
    """Folder that contains `deploy/local`, to be put on the import path of the processes that run from it.

    Raises:
        LocalFilesMissing: it is in neither place.

    """
    checkout = Path(__file__).resolve().parents[2]
    installed = Path(sysconfig.get_path("data")) / "share" / "customer-journeys"
    for root in (checkout, installed):
        if (root / "deploy" / "local").is_dir():
            return root
    raise LocalFilesMissing(
        f"deploy/local is neither in {checkout} nor in {installed}; install the wheel, or run from a checkout"
    )
