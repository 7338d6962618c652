"""The collection of garbage: rare inside a command, as before after it, and none over what a process leaves behind."""

import gc
import subprocess
import sys

import pytest

from ofiml.cli.exits import run_command
from ofiml.cli.garbage import collect_rarely, load_without_collecting
from ofiml.errors import ConfigError


def test_a_command_collects_rarely_and_leaves_the_thresholds_as_they_were():
    before, inside = gc.get_threshold(), []

    def work():
        inside.append(gc.get_threshold())
        raise ConfigError("It is wrong.")

    assert run_command(work) == 2
    assert inside[0][0] > 10 * before[0]
    assert gc.get_threshold() == before
    with pytest.raises(KeyError), collect_rarely():
        raise KeyError
    assert gc.get_threshold() == before


def test_cycles_are_still_collected():
    class Node:
        count = 0

        def __init__(self):
            self.me = self
            Node.count += 1

        def __del__(self):
            Node.count -= 1

    with collect_rarely():
        for _ in range(100_000):
            Node()
        assert Node.count < 60_000
    gc.collect()
    assert Node.count == 0


def test_what_is_loaded_is_left_out_of_collections_until_the_command_ends():
    frozen, before = gc.get_freeze_count(), gc.get_threshold()
    with collect_rarely():
        count = sum(generation["collections"] for generation in gc.get_stats())
        with load_without_collecting():
            loaded = [[k] for k in range(3 * gc.get_threshold()[0])]
        assert sum(generation["collections"] for generation in gc.get_stats()) == count
        assert gc.isenabled()
        assert gc.get_freeze_count() > len(loaded)
    assert gc.get_freeze_count() <= frozen
    assert gc.get_threshold() == before


def test_the_end_of_a_process_walks_over_nothing():
    code = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count())); import ofiml.cli.garbage"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 1000
