"""orderflow-metrics (PyPI) for `ofiml conformance --with`; docs/conformance.md has the commands and results.

The package measures between two snapshots that it is handed. What one message is, where a session or a halt begins and
where a bar ends is left to its caller, so cases that are about these are not supported: what passed there would be
this file's work.
"""

import argparse
from typing import Any


def best_level(given: dict[str, Any]) -> dict[str, Any] | None:
    """`ofi_series` on best quotes, which always have both sides: nothing else can be said by an L1Quote."""
    from orderflow_metrics import L1Quote, ofi_series

    states = given["states"]
    sides = [quote for state in states for quote in (*state["bids"], *state["asks"])]
    if given["levels"] > 1 or None in sides or not _plain(states):
        return None
    quotes = [L1Quote(*state["bids"][0], *state["asks"][0]) for state in states]
    return {"flow": [[None], *([flow] for flow in ofi_series(quotes))]}


def all_levels(given: dict[str, Any]) -> dict[str, Any] | None:
    """`multi_level_ofi_series` on snapshots of as many levels as there are."""
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
        "This module is for ofiml conformance --with orderflow_metrics_answers:best_level (or all_levels)."
    )
