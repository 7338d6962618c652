"""`ofiml run -m [key=value,value ...]`: run a study for each combination of values, on all cores.

Every member is composed and checked before the first one runs; a launcher of Hydra runs them. A member that fails is
named, and the others go on. With `sweep.resume=true` the same command does what an interrupted sweep left undone.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, open_dict
from rich.console import Console

from ofiml.cli.exits import UNLOGGED, describe_error
from ofiml.cli.expansion import expand_overrides, sample_overrides
from ofiml.cli.member import run_member
from ofiml.cli.sweep_settings import SweepSettings
from ofiml.config import Config, load
from ofiml.errors import ConfigError
from ofiml.overrides.arguments import check_inputs
from ofiml.overrides.composition import open_hydra
from ofiml.overrides.flags import Line
from ofiml.overrides.text_values import quote_text
from ofiml.sweeps.manifest import Member, digest_config, name_folder
from ofiml.sweeps.resume import clear_members, fail_running, list_running
from ofiml.sweeps.status import read_status
from ofiml.sweeps.watch import watch_members
from ofiml.ui.lines import open_console

_ATTEMPTS = 2  # for a member whose process died: another one may have taken its memory
_CODES = {"finished": 0, "failed": 1, "unlogged": UNLOGGED}
_DIED = "its process ended without a word: it was killed, or there was not enough memory."


@dataclass(frozen=True, slots=True)
class Plan:
    """A composed and checked sweep: its folder, its members with their configs, and what Hydra launches them with.

    `typed` are the overrides of the command line.
    """

    folder: Path
    typed: list[str]
    members: list[Member]
    configs: list[Config]
    master: DictConfig
    loader: ConfigLoader

    @property
    def launcher(self) -> str:
        """The name of Hydra's launcher."""
        return str(self.master.hydra.runtime.choices["hydra/launcher"])


def run_sweep(line: Line, settings: SweepSettings) -> int:
    """Run the sweep of a checked command line and print its leaderboard; return the exit code (see `exits`).

    Raises ConfigError before any member runs, if one of them cannot.
    """
    from ofiml.sweeps.run import open_sweep, print_result

    console = open_console(stderr=True)
    with open_hydra(line.config_dir) as (hydra, search_path):
        own = [o for o in line.overrides if o.startswith("hydra")]
        typed = [o for o in line.overrides if o not in own]  # members have them, one by one
        master = hydra.compose_config(
            line.config_name, [*search_path, *own], run_mode=RunMode.MULTIRUN, from_shell=False
        )
        plan = _make_plan(hydra.config_loader, master, typed, settings)
        _check_storages(plan)
        sweep_of = partial(open_sweep, plan.folder, plan.members, plan.configs, plan.typed)
        with sweep_of(resume=settings.resume, console=console) as sweep:
            if sweep.left:
                _prepare_samples(plan, sweep.left)
                _launch_all(plan, sweep.folder, sweep.left, console)
        return _CODES[print_result(sweep)]


# --- composing -------------------------------------------------------------------------------------------------------


def _make_plan(loader: ConfigLoader, master: DictConfig, typed: list[str], settings: SweepSettings) -> Plan:
    """Compose and check every member. Raises ConfigError for the first that cannot run, with its overrides."""
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(typed)
    lists = (
        expand_overrides(parsed)
        if settings.trials is None
        else sample_overrides(parsed, settings.trials, settings.seed)
    )
    members, configs = [], []
    for number, overrides in enumerate(lists):
        try:
            composed = loader.load_sweep_config(master, list(overrides))
            with open_dict(composed):
                del composed["hydra"]
            config = load(composed)
            check_inputs(overrides, config)
        except Exception as error:
            sentence = describe_error(error)
            if sentence is None or len(lists) == 1:
                raise
            raise ConfigError(f"{' '.join(overrides)}: {sentence} None of the {len(lists)} members was run.") from error
        members.append(Member(number, overrides, digest_config(config)))
        configs.append(config)
    return Plan(Path(str(master.hydra.sweep.dir)), typed, members, configs, master, loader)


def _check_storages(plan: Plan) -> None:
    """Check each database of trials once, before each member would fail by itself. Raises ConfigError.

    Jobs of a cluster may reach another network than this machine.
    """
    from ofiml.tuning import check_storage

    if plan.launcher == "joblib":
        for config in {c.tuning.storage: c for c in plan.configs if c.tuning.enabled and c.model.space}.values():
            check_storage(config.tuning, config.model)


# --- running ---------------------------------------------------------------------------------------------------------


def _prepare_samples(plan: Plan, left: Sequence[Member]) -> None:
    """Prepare the samples that members share, with all threads, before two processes prepare the same.

    Data that cannot be used fail the members that need them, which say so.
    """
    from ofiml.errors import DataError
    from ofiml.parallel import Workers
    from ofiml.samples.prepare import prepare_dataset
    from ofiml.samples.settings import SampleSettings
    from ofiml.study.run import announce_compilation
    from ofiml.ui.progress import Stages

    if plan.launcher != "joblib":
        return
    done: list[SampleSettings] = []
    with Stages() as stages:
        announce_compilation(stages)
        for member in left:
            config = plan.configs[member.number]
            settings = SampleSettings.of(config)
            if config.features.store is None or settings in done:
                continue
            done.append(settings)
            with suppress(DataError, OSError):
                prepare_dataset(settings, Workers(config.threads), stages)


def _launch_all(plan: Plan, folder: Path, left: list[Member], console: Console) -> None:
    """Launch the members that are left, and those again whose process died, one at a time."""
    from ofiml.parallel import shield_processes

    jobs, threads = _share_cores(plan, len(left))
    launcher = _make_launcher(plan, jobs)
    varied = _find_varied(plan.members)
    attempts = Counter[int]()
    batches = [left]
    with watch_members(folder, left, len(plan.members), lambda m: name_member(m, varied), console):
        while batches:
            batch = batches.pop(0)
            attempts.update(member.number for member in batch)
            try:
                with shield_processes() if plan.launcher == "joblib" else nullcontext():
                    launcher.launch([_complete(m, folder, threads) for m in batch], initial_job_idx=0)
            except Exception as error:
                # A launcher that cannot launch at all has started nothing.
                dead = list_running(folder, batch)
                if not dead and plan.launcher != "joblib":
                    words = " ".join(str(error).split())
                    raise ConfigError(f"hydra/launcher={plan.launcher} launches nothing here: {words}") from error
                if not dead:
                    raise
                waiting = [m for m in batch if read_status(name_folder(folder, m.number)) is None]
                again = [m for m in dead if attempts[m.number] < _ATTEMPTS]
                clear_members(folder, again)
                fail_running(folder, dead, _DIED)
                batches = [[member] for member in again] + ([waiting] if waiting else []) + batches


def _share_cores(plan: Plan, members: int) -> tuple[int, int | None]:
    """Return how many members run at a time, and the threads of each; None leaves each member its own number.

    Processes times threads never exceed the cores, whatever is typed: LightGBM is a hundred times slower beyond.
    """
    from ofiml.parallel import count_cores

    cores = count_cores()
    asked = plan.master.hydra.launcher.get("n_jobs", -1)
    jobs = max(1, min(cores, cores if asked in (None, -1) else int(asked), members))
    typed = [int(o.partition("=")[2]) for m in plan.members for o in m.overrides if o.startswith("threads=")]
    if plan.launcher != "joblib" or typed:
        return max(1, min(jobs, cores // max(typed, default=1))), None
    return jobs, cores // jobs


def _make_launcher(plan: Plan, jobs: int) -> Launcher:
    if plan.launcher == "joblib":
        with open_dict(plan.master):
            plan.master.hydra.launcher.n_jobs = jobs
            plan.master.hydra.launcher.batch_size = 1  # a member takes seconds or hours
    context = HydraContext(config_loader=plan.loader, callbacks=Callbacks())
    return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=run_member, config=plan.master)


def _complete(member: Member, folder: Path, threads: int | None) -> list[str]:
    """Complete a member's overrides by its folder and its threads, and leave out figures if none are asked for."""
    figures = (
        [] if any(o.startswith("report") for o in member.overrides) else ["report.html=false", "report.figures=[]"]
    )
    place = [f"hydra.sweep.dir={quote_text(str(folder))}", f"hydra.sweep.subdir={quote_text(str(member.number))}"]
    return [*member.overrides, *figures, *([] if threads is None else [f"threads={threads}"]), *place]


def _find_varied(members: Sequence[Member]) -> set[str]:
    """Find the overrides that not all members share."""
    counts = Counter(override for member in members for override in member.overrides)
    return {override for override, count in counts.items() if count < len(members)}


def name_member(member: Member, varied: set[str]) -> str:
    """Name a member by what distinguishes it from the others."""
    return " ".join(o for o in member.overrides if o in varied) or f"member {member.number}"
