"""Adapt orderflow-metrics (PyPI) to `ofiml conformance --with`; docs/conformance.md has the commands and results.

The package measures the flow between two snapshots. Its caller must determine messages, starts of sessions and halts,
and ends of bars. So cases about these are not supported: they would test this file instead of the package.
"""

import argparse
from typing import Any


def best_level(given: dict[str, Any]) -> dict[str, Any] | None:
    """Compute `ofi_series` on best quotes; an L1Quote can only express quotes with both sides."""
    from orderflow_metrics import L1Quote, ofi_series

    states = given["states"]
    sides = [quote for state in states for quote in (*state["bids"], *state["asks"])]
    if given["levels"] > 1 or None in sides or not _is_supported(states):
        return None
    quotes = [L1Quote(*state["bids"][0], *state["asks"][0]) for state in states]
    return {"flow": [[None], *([flow] for flow in ofi_series(quotes))]}


def all_levels(given: dict[str, Any]) -> dict[str, Any] | None:
    """Compute `multi_level_ofi_series` on snapshots of all levels."""
    from orderflow_metrics.mlofi import BookSnapshot, multi_level_ofi_series

    states, levels = given["states"], given["levels"]
    if not _is_supported(states):
        return None
    snapshots = [BookSnapshot(_make_levels(state["bids"]), _make_levels(state["asks"])) for state in states]
    return {"flow": [[None] * levels, *multi_level_ofi_series(snapshots, levels)]}


def _is_supported(states: list[dict[str, Any]]) -> bool:
    return all(state["ends_message"] and state["boundary"] is None for state in states)


def _make_levels(quotes: list[list[int] | None]) -> list[Any]:
    from orderflow_metrics.orderbook import Level

    return [Level(*quote) for quote in quotes if quote is not None]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    raise SystemExit(
        "This module is for ofiml conformance --with orderflow_metrics_answers:best_level (or :all_levels)."
    )
