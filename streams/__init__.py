"""The shell: the only package that knows Kafka and Faust."""
