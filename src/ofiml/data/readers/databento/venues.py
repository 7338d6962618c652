"""The venues of Databento's publishers: their names, and the calendars of their sessions."""

import polars as pl

# https://databento.com/docs/venues-and-datasets, the numbers of publisher_id.
_US_EQUITIES = {
    2: "XNAS.ITCH",
    3: "XBOS.ITCH",
    4: "XPSX.ITCH",
    5: "BATS.PITCH",
    6: "BATY.PITCH",
    7: "EDGA.PITCH",
    8: "EDGX.PITCH",
    9: "XNYS.PILLAR",
    10: "XCIS.PILLAR",
    11: "XASE.PILLAR",
    12: "XCHI.PILLAR",
    13: "XCIS.BBO",
    15: "MEMX.MEMOIR",
    16: "EPRL.DOM",
}
_VENUES = {1: ("GLBX.MDP3", "CMES")} | {number: (name, "XNYS") for number, name in _US_EQUITIES.items()}


def find_venue(events: pl.DataFrame) -> tuple[str | None, str | None]:
    """Return the venue of the rows and its calendar; None for what the file does not state or is not known."""
    if "publisher_id" not in events.columns or events.height == 0:
        return None, None
    number = int(events["publisher_id"][0])
    return _VENUES.get(number, (f"publisher {number}", None))
