"""The ClickHouse schema, its migrator, writer and reader."""
