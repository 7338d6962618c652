"""Where an experiment runs its studies: on each of its markets, in memory, with what does not matter switched off."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ofiml.comparison.leaderboard import Leaderboard, make_leaderboard
from ofiml.config import Config, ReportFiles, Tracking
from ofiml.data.bad_files import read_source
from ofiml.data.schema import Session
from ofiml.data.sessions import list_sources
from ofiml.live.predictor import Timings
from ofiml.live.replay import replay
from ofiml.study.report import Report
from ofiml.study.run import Study, run
from ofiml.tracking.record import record_study
from ofiml.tracking.store import make_own_store
from ofiml.ui.progress import Stages

Compose = Callable[[Sequence[str]], Config]

#: What makes an experiment small enough to try that it works. Its numbers are no result.
TINY = ("debug=tiny",)


@dataclass(frozen=True, slots=True)
class Market:
    """A dataset under the name that the page gives it, as overrides of a run."""

    name: str
    overrides: tuple[str, ...]


@dataclass(slots=True)
class Bench:
    """The markets of an experiment and what it needs to run studies on them.

    `compose` makes a config of overrides. `tiny` runs everything on little data.
    """

    markets: list[Market]
    compose: Compose
    stages: Stages
    tiny: bool = False
    sessions: dict[str, list[str]] = field(default_factory=dict)

    def configure(self, market: Market, *overrides: str) -> Config:
        """Compose the config of a study on a market; raise ConfigError for overrides that do not fit."""
        return self.compose([*market.overrides, *overrides, *(TINY if self.tiny else ()), "tracking=off"])

    def run_study(self, market: Market, *overrides: str) -> Study:
        """Run a study on a market. Raises what `study.run` does."""
        study = run(self.configure(market, *overrides), self.stages)
        self._note_sessions(market, study)
        return study

    def read_sessions(self, market: Market, *overrides: str) -> Iterator[Session]:
        """Yield the checked sessions of a market, one in memory at a time. Raises DataError."""
        config = self.configure(market, *overrides)
        digests: list[str] = []
        for source in list_sources(config.dataset):
            for session in read_source(source):
                if config.dataset.max_sessions is not None and len(digests) >= config.dataset.max_sessions:
                    return
                digests.append(f"{session.symbol} {session.date} {session.digest[:16]}")
                self.sessions[market.name] = digests
                yield session

    def compare_studies(
        self, market: Market, members: Sequence[Sequence[str]]
    ) -> tuple[Leaderboard, dict[str, Report]]:
        """Run a study for each list of overrides, log them in a store of their own, and compare them.

        Return the leaderboard, and the report of each run by its id. The store is deleted in the end. Raises what
        `record_study` and `make_leaderboard` do.
        """
        reports: dict[str, Report] = {}
        with tempfile.TemporaryDirectory() as folder, self.stages.start_stage(market.name, len(members)) as bar:
            tracking = make_own_store(Path(folder), "members")
            for k, overrides in enumerate(members):
                run_id, study = self._log_study(market, overrides, tracking, Path(folder) / str(k))
                reports[run_id] = study.report
                self._note_sessions(market, study)
                bar.step()
            return make_leaderboard("members", tracking.uri), reports

    def time_replay(self, market: Market, *overrides: str) -> Timings:
        """Run a study, log it in a store of its own, and replay it as a live process would. Return what each step took.

        The store is deleted in the end. Raises what `record_study` and `replay` do.
        """
        with tempfile.TemporaryDirectory() as folder:
            tracking = make_own_store(Path(folder), "replay")
            run_id, _ = self._log_study(market, overrides, tracking, Path(folder) / "run")
            return replay(run_id, tracking.uri).timings

    def _log_study(
        self, market: Market, overrides: Sequence[str], tracking: Tracking, folder: Path
    ) -> tuple[str, Study]:
        """Run a study, log it without what a reader looks at, and return the id of its run with it."""
        config = self.configure(market, *overrides)
        files = ReportFiles(html=False, figures=[], dpi=config.report.dpi)
        record = record_study(replace(config, tracking=tracking, report=files), folder, on_stage=_show_nothing)
        assert record.run_id is not None, record.unlogged
        return record.run_id, record.study

    def _note_sessions(self, market: Market, study: Study) -> None:
        sessions = study.report.dataset.sessions
        self.sessions[market.name] = [f"{one.symbol} {one.session} {one.digest[:16]}" for one in sessions]


def _show_nothing(stage: str, done: int, total: int) -> None:
    """Take the progress of a member, whose number is shown instead."""
