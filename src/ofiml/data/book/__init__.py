"""The book builder: from messages about orders or price levels to events with the top levels of the book."""

from ofiml.data.book.build import MESSAGE_COLUMNS, build_events

__all__ = ["MESSAGE_COLUMNS", "build_events"]
