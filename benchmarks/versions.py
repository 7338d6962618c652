"""Speed of readers of CSV and DBN in two versions of the sources, in turn, by CPU time.

    git worktree add ../old COMMIT
    python benchmarks/versions.py ../old/src src

prints how the second version's time compares with the first's, and whether both give the same rows. Each version has a
process of its own; the files are made for the occasion by the version that runs this program.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

ROWS, LEVELS = 300_000, 10
WORKS = {
    "quotes, times of New York": "local.csv",
    "quotes, times in ms": "ms.csv",
    "quotes, times in UTC": "utc.csv",
    "Databento, MBP-10 as CSV": "mbp.csv",
    "Databento, MBP-10 as DBN": "mbp.dbn",
    "checks of books, 10 levels": "book.parquet",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="the folder of the sources that are the measure")
    parser.add_argument("new", type=Path, help="the folder of the sources that are compared with them")
    parser.add_argument("--repeats", type=int, default=11, help="of each work, of which the fastest counts")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        both = [start_server(sources.resolve(), folder) for sources in (asked.old, asked.new)]
        out = Table(title=f"{ROWS:,} rows, CPU time", box=None)
        for column in ("", "old, ms", "new, ms", "new takes", "rows"):
            out.add_column(column, justify="right" if column else "left")
        for name, file in WORKS.items():
            first = [ask(server, file) for server in both]  # compiles, and loads the file
            seconds = [[float(ask(server, file)[0]) for server in both] for _ in range(asked.repeats)]
            old, new = (min(its) for its in zip(*seconds, strict=True))
            same = "the same" if first[0][1] == first[1][1] else "different"
            out.add_row(name, f"{old * 1e3:.0f}", f"{new * 1e3:.0f}", f"{new / old:.2f}x the time", same)
        for server in both:
            server.communicate()
        Console().print(out)


def write_files(folder: Path) -> None:
    """Write the file of each work."""
    import made

    from ofiml.data.book import build_events
    from ofiml.data.cutting import cut_sessions
    from ofiml.data.feed import Blob
    from ofiml.data.readers.databento import mbp
    from ofiml.data.writers.vendors import to_dbn

    for form in ("local", "ms", "utc"):
        (folder / f"{form}.csv").write_bytes(made.make_quotes_csv(ROWS, form))
    events, _ = build_events(made.make_orders(ROWS), LEVELS)
    csv = made.make_databento_csv(events)
    (folder / "mbp.csv").write_bytes(csv)
    dataset = make_dataset()
    (feed,) = mbp.read_feeds([Blob("mbp.csv", csv)], dataset)
    (session,) = cut_sessions(feed, dataset, "0" * 64)
    (folder / "mbp.dbn").write_bytes(to_dbn(session))
    feed.events.write_parquet(folder / "book.parquet")


def start_server(sources: Path, folder: str) -> subprocess.Popen[str]:
    """Start a process that does works with the package in the folder `sources`."""
    here = Path(__file__).resolve()
    line = [sys.executable, "-c", f"import versions; versions.serve({folder!r})"]
    path = os.pathsep.join([str(sources), str(here.parent)])
    env = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(line, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(server: subprocess.Popen[str], file: str) -> list[str]:
    """Let a server do the work of a file; return its CPU seconds and the digest of the rows."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{file}\n")
    server.stdin.flush()
    answer = server.stdout.readline().split()
    if len(answer) != 2:
        raise SystemExit(f"{file}: the process ended; its message stands above")
    return answer


def serve(folder: str) -> None:
    """Do the work of each file that the input names; print its CPU seconds and the digest of its rows."""
    works: dict[str, Callable[[], pl.DataFrame]] = {}
    digests: dict[str, str] = {}
    for line in sys.stdin:
        file = line.strip()
        if file not in works:
            works[file] = make_work(Path(folder) / file)
        start = time.process_time()
        rows = works[file]()
        seconds = time.process_time() - start
        if file not in digests:
            digests[file] = hashlib.sha256(rows.select(sorted(rows.columns)).write_csv().encode()).hexdigest()
        print(seconds, digests[file], flush=True)


def make_work(path: Path) -> Callable[[], pl.DataFrame]:
    """Make the function that reads a file, or that checks the books of one."""
    from ofiml.config import Policy
    from ofiml.data.checks import Checker
    from ofiml.data.feed import Blob
    from ofiml.data.readers.databento import mbp
    from ofiml.data.readers.quotes import rows as quotes

    if path.suffix == ".parquet":
        events = pl.read_parquet(path).rechunk()
        return lambda: Checker("book", Policy()).check_book(events, LEVELS)
    content = path.read_bytes()
    read: Callable[..., Any] = mbp.read_feeds if path.name.startswith("mbp") else quotes.read_feeds
    dataset = make_dataset() if path.name.startswith("mbp") else make_quotes_dataset()
    return lambda: pl.concat([feed.events for feed in read([Blob(path.name, content)], dataset)])


def make_dataset() -> Any:
    """Make the settings of Databento's files."""
    from ofiml.config import FileDataset

    return FileDataset(name="databento", **_make_settings())


def make_quotes_dataset() -> Any:
    """Make the settings of quotes whose times are those of New York, unless they state another zone."""
    from ofiml.data.readers.quotes import QuotesDataset

    columns: dict[str, Any] = {role: role for role in ("time", "bid", "ask", "bid_size", "ask_size")}
    settings = _make_settings() | {"symbols": ["AAA"]}
    return QuotesDataset(name="quotes", columns=columns, time_zone="America/New_York", sizes="lots", **settings)


def _make_settings() -> dict[str, Any]:
    from ofiml.config import Policy

    absent = ("symbols", "first_date", "last_date", "levels", "store", "max_sessions", "max_events")
    market = {"calendar": "24/7", "hours": "all", "tick": 0.01, "size_unit": 1.0}
    return dict.fromkeys(absent) | market | {"path": __file__, "policy": Policy()}


if __name__ == "__main__":
    main()
