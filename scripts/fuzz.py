"""Damage small valid inputs of every reader for some time, and save the inputs on which a reader fails.

    python scripts/fuzz.py --seconds 60 --reader lobster --seed 1

Each input must end in one clear sentence or in valid sessions within 20 seconds. The files of a failure, its policy and
its error are written to --out, and the exit code is 1. Inputs and checks are those of tests/fuzzing.
"""

import argparse
import json
import multiprocessing as mp
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ofiml.data.schema import Session

ROOT = Path(__file__).parents[1]
# As in the tests: kernels check their bounds, with a cache of their own.
os.environ["NUMBA_BOUNDSCHECK"] = "1"
os.environ["NUMBA_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "numba")
sys.path.insert(0, str(ROOT))

MAX_SECONDS = 20.0  # per input
MAX_MEMORY = 8 << 30  # bytes of address space: a wrong count in a header must not reserve more


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for each sample (default: %(default)s)")
    parser.add_argument("--reader", default="", help="start of the names of the samples (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"), help="folder of the failures (%(default)s)")
    args = parser.parse_args()
    from tests.fuzzing.samples import samples

    names = [name for name in samples() if name.startswith(args.reader)]
    if not names:
        parser.error(f"no sample starts with {args.reader}; there are {', '.join(samples())}")
    n_failed = 0
    for name in names:
        counts, slowest = run_campaign(name, args.seed, args.seconds, args.out)
        n_failed += counts["failed"]
        print(
            f"{name}: {counts['tried']} tried, {counts['refused']} refused, {counts['clean']} clean, "
            f"{counts['failed']} failed, slowest {slowest:.2f} s",
            flush=True,
        )
    return int(n_failed > 0)


def run_campaign(name: str, seed: int, seconds: float, out: Path) -> tuple[Counter[str], float]:
    """Run a campaign on one sample; return the counts of outcomes and the seconds of the slowest input.

    A worker that hangs or dies is replaced.
    """
    counts: Counter[str] = Counter()
    causes: set[str] = set()
    slowest, number, end = 0.0, 0, time.monotonic() + seconds
    context = mp.get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch:
        while time.monotonic() < end:
            ours, theirs = context.Pipe()
            folder = Path(scratch) / "now"
            worker = context.Process(target=try_inputs, args=(name, seed, number, folder, theirs), daemon=True)
            worker.start()
            theirs.close()
            failure = None
            if not ours.poll(120):  # imports and compiling
                raise TimeoutError(f"{name}: the worker does not start")
            while failure is None and time.monotonic() < end:
                try:
                    if not ours.poll(MAX_SECONDS):
                        failure = f"hang: more than {MAX_SECONDS:g} s"
                        continue
                    number, how, took, text = ours.recv()
                except EOFError:
                    worker.join()
                    failure = f"death: the process ended with {worker.exitcode}"
                    continue
                if how == "ready":
                    continue
                number += 1
                slowest = max(slowest, took)
                counts["tried"] += 1
                counts[how] += 1
                if how == "failed":
                    save_failure(
                        out / f"{name}-{seed}-{number - 1}", folder.with_name(f"failed-{number - 1}"), text, causes
                    )
            if failure is not None:
                counts["tried"] += 1
                counts["failed"] += 1
                save_failure(out / f"{name}-{seed}-{number}", folder, failure, causes)
                number += 1
            worker.kill()
            worker.join()
    return counts, slowest


def try_inputs(name: str, seed: int, number: int, folder: Path, pipe: Connection) -> None:
    """Try inputs from `number` on and send the outcome of each; the number alone determines an input."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    from tests.fuzzing.damage import Damaged, damage_sample
    from tests.fuzzing.samples import samples
    from tests.fuzzing.verdict import POLICIES, assert_same, read_damaged

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders that panic print long messages
    sample = samples()[name]
    whole: dict[str, list[Session] | None] = {}
    for choice in POLICIES:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        whole[choice] = read_damaged(sample, Damaged(sample.files(), sample.given, "whole"), folder, choice)
    pipe.send((number, "ready", 0.0, ""))
    while True:
        rng = random.Random(f"{name} {seed} {number}")
        damage, choice = damage_sample(sample, rng), rng.choice(sorted(POLICIES))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        how, text, start = "clean", "", time.monotonic()
        try:
            sessions = read_damaged(sample, damage, folder, choice)
            undamaged = whole[choice]
            if damage.harmless and undamaged is not None:
                assert sessions is not None, "refused, though no value was changed"
                assert_same(sessions, undamaged)
            how = "refused" if sessions is None else "clean"
        except BaseException as error:  # noqa: BLE001  a panic in a decoder does not derive from Exception
            how = "failed"
            text = json.dumps({"how": damage.how, "given": damage.given, "policy": choice, "error": repr(error)[:2000]})
            text += "\n" + "".join(traceback.format_exception(error))[-4000:]
            folder.rename(folder.with_name(f"failed-{number}"))
        pipe.send((number, how, time.monotonic() - start, text))
        number += 1


def save_failure(place: Path, folder: Path, text: str, causes: set[str]) -> None:
    """Save a failure unless one from the same line of code was saved before."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    cause = next((line for line in reversed(lines) if line.startswith('File "')), lines[0])
    kind = f"{cause} {lines[-1][:60]}"
    if kind in causes:
        return
    causes.add(kind)
    print(f"  {place.name}: {lines[0][:400]}\n    {cause}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    if folder.exists():
        shutil.copytree(folder, place)
    place.mkdir(parents=True, exist_ok=True)
    (place / "failure.txt").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
