"""How touchpoints get into Kafka."""
