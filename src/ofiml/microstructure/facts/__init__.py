"""Stylised facts of a session: its book, events, prices and flow in numbers, measured alike on any market."""
