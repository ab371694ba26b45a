import subprocess
import sys

from tests.support.processes import REPOSITORY


def test_the_driver_makes_no_table_of_four_hundred_years_of_days() -> None:
    # In a process of its own: the driver decides when it is imported for the first time.
    code = (
        "import sinks.clickhouse.connection;"
        "from clickhouse_driver.columns.datecolumn import Date32Column;"
        "print(len(Date32Column.date_lut))"
    )
    days = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert int(days.stdout) < 10_000
