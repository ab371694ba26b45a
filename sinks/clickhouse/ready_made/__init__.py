"""Ready-made answers: each question once, in words and in SQL."""
