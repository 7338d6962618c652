"""Studies on a cluster of Dask with two processes, and on one of Ray with two nodes, to the bits of one in threads."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.parallel.runs import QUOTES, TINY, complete, start, write_days
from tests.services.conftest import HOST, find_port, service, wait_for_port


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """The address of a scheduler with two workers."""
    pytest.importorskip("distributed", reason="Dask is not installed (make test-services): its tests were not run")
    folder, port = tmp_path_factory.mktemp("dask"), find_port()
    with ExitStack() as stack:
        scheduler = ("-m", "distributed.cli.dask_scheduler", "--host", HOST, "--port", str(port), "--no-dashboard")
        wait_for_port(port, *stack.enter_context(service(folder, "scheduler", *scheduler)))
        for k in range(2):
            worker = ("-m", "distributed.cli.dask_worker", f"tcp://{HOST}:{port}", "--nthreads", "1", "--no-dashboard")
            stack.enter_context(service(folder, f"worker{k}", *worker, "--host", HOST))
        from distributed import Client

        with Client(f"tcp://{HOST}:{port}", timeout=300) as client:
            client.wait_for_workers(2, timeout=300)
            yield f"tcp://{HOST}:{port}"


@pytest.fixture(scope="module")
def ray(tmp_path_factory):
    """The address of a cluster of two nodes with a core each."""
    pytest.importorskip("ray", reason="Ray is not installed (make test-services): its tests were not run")
    # A machine that does other work takes longer than Ray's 30 s to start a node.
    os.environ.update(RAY_raylet_start_wait_time_s="180", RAY_USAGE_STATS_ENABLED="0")
    from ray.cluster_utils import Cluster

    # Ray takes 127.0.0.1 for the address of the machine in its network.
    node = {
        "num_cpus": 1,
        "object_store_memory": 100 * 2**20,
        "node_ip_address": "127.0.0.2",
        "include_dashboard": False,
    }
    cluster = Cluster()
    try:
        try:
            for _ in range(2):  # the first one is the head
                cluster.add_node(**node)
        except Exception as error:  # noqa: BLE001 - Ray says it in no class of its own
            pytest.skip(f"Ray does not start on this machine ({error}): its tests were not run")
        yield cluster.address
    finally:
        cluster.shutdown()


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_study_on_a_cluster_has_the_bits_of_one_in_threads(name, request, study, expected, tmp_path):
    address = request.getfixturevalue(name)
    report = study(f"parallel={name}", f"parallel.address={address}", f"features.store={tmp_path / 'cache'}")
    assert report["predictions"]["sha256"].startswith(TINY)
    assert report["controls"]
    assert report == expected
    assert not list((tmp_path / "cache").glob("*handoff-*"))


@pytest.mark.long
@pytest.mark.parametrize("name", ["dask", "ray"])
def test_the_first_bad_file_ends_a_run_on_a_cluster(name, request, tmp_path):
    """Dask's is one that the run starts for itself."""
    pytest.importorskip({"dask": "distributed"}.get(name, name))
    address = request.getfixturevalue("ray") if name == "ray" else "null"
    write_days(tmp_path / "days", bad=(1, 3))
    run = start(
        tmp_path,
        *QUOTES,
        f"dataset.path={tmp_path / 'days'}",
        "tracking=off",
        f"parallel={name}",
        f"parallel.address={address}",
    )
    code, _, err = complete(run)
    assert code == 1
    assert re.search(r"^ofiml: day1\.csv, line 9", err, re.MULTILINE), err


def test_both_nodes_and_both_processes_work(request, tmp_path):
    """Without this, one worker could have done everything."""
    script = (
        "import os, sys, time\n"
        "from ofiml.config import Parallel\n"
        "from ofiml.parallel import open_workers, run_pieces\n"
        "from functools import partial\n"
        "from tests.services.places import name_place\n"
        "with open_workers(Parallel(sys.argv[1], sys.argv[2]), 2, sys.argv[3]) as workers:\n"
        "    print(len(set(run_pieces(partial(name_place, folder=sys.argv[4]), range(6), workers))))\n"
    )
    from tests.conftest import ROOT

    for name in ("dask", "ray"):
        address = request.getfixturevalue(name)
        places = tmp_path / name
        places.mkdir()
        line = [sys.executable, "-c", script, name, address, str(tmp_path), str(places)]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.strip() == "2", done.stderr


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_scheduler_that_does_not_answer_is_one_sentence_before_any_work(name, tmp_path):
    pytest.importorskip({"dask": "distributed"}.get(name, name))
    port = find_port()
    address = f"tcp://{HOST}:{port}" if name == "dask" else f"{HOST}:{port}"
    code, _, err = complete(start(tmp_path, f"parallel={name}", f"parallel.address={address}", "tracking=off"))
    assert code == 2, err
    assert f"parallel.address={address}: the scheduler of {name} does not answer" in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("outputs/**/report.json"))
