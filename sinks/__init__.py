"""Where results go: ClickHouse and the teams' channels."""
