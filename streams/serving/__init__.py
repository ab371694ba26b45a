"""The page: what was found, for people, read-only and on loopback."""
