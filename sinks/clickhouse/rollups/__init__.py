"""Rollups: tables that sum up others by hour or day, and what keeps them right."""
