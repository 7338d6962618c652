"""Bars: how a session's events are cut in time, and the book at each bar's close."""
