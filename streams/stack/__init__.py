"""The local stack: broker, ClickHouse, worker and door as processes on this machine."""
