"""Types that cross a boundary, Avro contracts and their codec; imports nothing of ours."""
