"""Friction patterns and what they share."""
