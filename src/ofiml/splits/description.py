"""What a report says of the folds."""

from typing import Any

import numpy as np

from ofiml.splits.splitter import Divided
from ofiml.units import SECOND


def stamp(at: int) -> str:
    """`2024-01-02 09:30:00+00:00`, with all nine decimals where it is no whole second."""
    second, rest = divmod(int(at), SECOND)
    return f"{np.datetime64(second, 's')}".replace("T", " ") + (f".{rest:09d}" if rest else "") + "+00:00"


def described_folds(divided: Divided) -> list[dict[str, Any]]:
    """Per fold what a report says of it: numbers of rows, first and last times (UTC), and the `spans` that were tested:
    bars that close in [from, until), in which of the paths, and how many labelled rows.
    """
    known_at = divided.rows.known_at
    return [
        {
            "fold": fold.index,
            "train_rows": len(fold.train),
            "purged": fold.purged,
            "embargoed": fold.embargoed,
            "test_rows": len(fold.test),
            "train_from": stamp(known_at[fold.train[0]]),
            "train_to": stamp(known_at[fold.train[-1]]),
            "test_from": stamp(known_at[fold.test[0]]),
            "test_to": stamp(known_at[fold.test[-1]]),
            "spans": [
                {
                    "from": stamp(span.start),
                    "until": stamp(span.until),
                    "path": span.path,
                    "rows": int(np.diff(np.searchsorted(known_at, [span.start, span.until]))[0]),
                }
                for span in fold.spans
            ],
        }
        for fold in divided.folds
    ]
