"""The experiments: what is done to an application while it works. Each is repeatable from its seed."""

from tests.faults.experiment import EXPERIMENTS, Scale, perform
from tests.faults.experiments import everything, people, records, servers, workers

__all__ = ["EXPERIMENTS", "Scale", "everything", "people", "perform", "records", "servers", "workers"]
