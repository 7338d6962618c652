"""Adapt orderflow-metrics (PyPI) to `ofiml conformance --with`; docs/conformance.md has the commands and results.

The package measures the flow between two snapshots. Its caller decides what one message is, where a session or a halt
begins, and where a bar ends. Cases on these are not supported, because this file would answer them, not the package.
"""

import argparse
from typing import Any


def best_level(given: dict[str, Any]) -> dict[str, Any] | None:
    """Answer by `ofi_series` on best quotes. An L1Quote always has both sides, so one-sided books are not supported."""
    from orderflow_metrics import L1Quote, ofi_series

    states = given["states"]
    sides = [quote for state in states for quote in (*state["bids"], *state["asks"])]
    if given["levels"] > 1 or None in sides or not _plain(states):
        return None
    quotes = [L1Quote(*state["bids"][0], *state["asks"][0]) for state in states]
    return {"flow": [[None], *([flow] for flow in ofi_series(quotes))]}


def all_levels(given: dict[str, Any]) -> dict[str, Any] | None:
    """Answer by `multi_level_ofi_series` on snapshots of all levels."""
    from orderflow_metrics.mlofi import BookSnapshot, multi_level_ofi_series

    states, levels = given["states"], given["levels"]
    if not _plain(states):
        return None
    snapshots = [BookSnapshot(_levels(state["bids"]), _levels(state["asks"])) for state in states]
    return {"flow": [[None] * levels, *multi_level_ofi_series(snapshots, levels)]}


def _plain(states: list[dict[str, Any]]) -> bool:
    return all(state["ends_message"] and state["boundary"] is None for state in states)


def _levels(quotes: list[list[int] | None]) -> list[Any]:
    from orderflow_metrics.orderbook import Level

    return [Level(*quote) for quote in quotes if quote is not None]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    raise SystemExit(
        "This module is for ofiml conformance --with orderflow_metrics_answers:best_level (or :all_levels)."
    )
