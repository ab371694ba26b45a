"""One friction pattern a module."""
