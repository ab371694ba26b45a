"""The ClickHouse schema, its migrator, writer and reader."""

import os

# The driver reads it when it is imported. Without it, every process makes a table of all days from 1900 to 2299, which
# takes 0.15 s and 23 MB; with it, one of the days that are asked for, and of these.
os.environ.setdefault("CLICKHOUSE_DRIVER_LASY_DATE_LUT", "2020-01-01:2029-12-31")
