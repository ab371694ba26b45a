"""Getting touchpoints in: the producer, files, generated companies, and the HTTP door."""
