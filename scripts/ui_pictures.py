"""Take the pictures of docs/tracking.md: the prepared views of a few small studies on MLflow's page.

    python scripts/ui_pictures.py [--folder FOLDER]

It runs the studies in a temporary folder, or takes those in the store of FOLDER, serves them, and needs an installed
Chromium.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from browser import Browser
from ports import find_port, wait_for_port

PICTURES = Path(__file__).parents[1] / "docs" / "figures"
#: The overrides of the studies. The empty suffix keeps them out of the experiment of smoke runs.
STUDIES = (
    ["model=ridge"],
    ["model=lgbm", "ofi=best_level"],
    ["model=ridge", "ofi=pca"],
    ["model=ridge", "split=cpcv"],
    ["model=ridge", "features=core"],
    ["model=ols", "target=impact", "ofi=best_level"],
)
_SMALL = ("debug=tiny", "tracking.suffix=''", "evaluation.leak_check=false")


def run_studies(folder: Path, studies: Sequence[list[str]] = STUDIES) -> None:
    """Run small studies one after the other, logged to the store of `folder`."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    for overrides in studies:
        command = [sys.executable, "-m", "ofiml.run", *_SMALL, *overrides]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def serve(folder: Path) -> Iterator[dict[str, str]]:
    """Serve the store of `folder` and yield the addresses of its views, by `EXPERIMENT, VIEW`."""
    port = find_port()
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    command = [sys.executable, "-m", "ofiml.ui", "--uri", uri, "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            lines = iter(server.stdout.readline, "")  # they end with how to stop the server
            pages = dict(line.strip().split(": ", 1) for line in takewhile(lambda line: ": " in line, lines))
            wait_for_port(port, server)
            yield pages
        finally:
            server.terminate()


def close_assistant(browser: Browser, address: str) -> None:
    """Tell MLflow's page not to open its assistant, which covers a third of it."""
    browser.open(address.partition("#")[0])
    browser.wait_for_text("Model training")
    browser.run("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
    browser.run("localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')")


def main() -> None:
    """Run the studies, and save a picture of each view."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="a folder with mlflow.db, whose studies are not run again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.folder is None else options.folder.absolute()
        if options.folder is None:
            run_studies(folder)
        PICTURES.mkdir(exist_ok=True)
        with serve(folder) as pages, Browser((1600, 800)) as browser:
            close_assistant(browser, pages["ofiml, table"])
            for view, text in (("table", "break_even_bps"), ("charts", "Parallel Coordinates")):
                browser.open(pages[f"ofiml, {view}"])
                browser.wait_for_text(text)
                time.sleep(5)  # the charts move into place
                browser.save_screenshot(PICTURES / f"ui_{view}.png")


if __name__ == "__main__":
    main()
