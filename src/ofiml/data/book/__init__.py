"""The book builder: messages about orders or price levels in, events with the top levels of the book out."""

from ofiml.data.book.build import MESSAGE_COLUMNS, build

__all__ = ["MESSAGE_COLUMNS", "build"]
