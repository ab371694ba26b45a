"""The version of this code, as it stands in dead letters and checkpoints."""

from importlib.metadata import PackageNotFoundError, version

try:
    CODE_VERSION = version("customer-journeys")
except PackageNotFoundError:
    CODE_VERSION = "unknown"
