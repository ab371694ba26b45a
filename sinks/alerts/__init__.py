"""Team channels: routing, message builders and senders."""
