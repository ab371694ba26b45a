"""An alerts worker that dies hard at a step: run as a process, in a data folder where a local stack runs.

`python -m tests.support.fragile_alerts DATA_DIR STEP` ends by SIGKILL when it first reaches the step of
`streams.alerts_agent.STEPS` or `streams.alert_sending.STEPS`; a step that there is not is never reached.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from streams.alert_sending import ChannelSender
from streams.alerts_agent import AlertsAgent
from streams.logs import configure_logs
from streams.settings import load_settings
from streams.worker import run_worker


def main() -> None:
    configure_logs()
    data_dir, victim = sys.argv[1:]

    def die(_: object, step: str) -> None:
        if step == victim:
            os.kill(os.getpid(), signal.SIGKILL)

    for mortal in (AlertsAgent, ChannelSender):
        setattr(mortal, "reached", die)  # noqa: B010 - mypy forbids it as an assignment
    settings = load_settings(Path(data_dir))
    sys.exit(asyncio.run(run_worker(settings, [AlertsAgent(settings)], lambda: print("ready", flush=True))))


if __name__ == "__main__":
    main()
