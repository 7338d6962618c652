"""Stylised facts of a session: its book, events, prices and flow, measured in the same way on any market."""
