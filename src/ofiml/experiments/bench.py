"""Where an experiment runs its studies: on each of its markets, in memory, with what does not matter switched off."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ofiml.config import Config
from ofiml.data.bad_files import read_source
from ofiml.data.schema import Session
from ofiml.data.sessions import list_sources
from ofiml.study.run import Study, run
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
        dataset = study.report.dataset
        self.sessions[market.name] = [f"{one.symbol} {one.session} {one.digest[:16]}" for one in dataset.sessions]
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
