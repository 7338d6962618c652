"""Repeat a logged run from its config, and compare the results bit by bit."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from ofiml.config import Config, FileDataset, Parallel, SyntheticDataset, files, load
from ofiml.config.plain import parse_plain_yaml
from ofiml.data.readers import READERS
from ofiml.data.sessions import list_sources
from ofiml.errors import ConfigError, DataError
from ofiml.parallel import count_cores
from ofiml.provenance import describe_provenance, hash_files
from ofiml.tracking.differences import TOLERANCE, PredictionDifference, compare_predictions, list_changes, measure_gap
from ofiml.tracking.logged_report import LoggedReport, read_logged_report
from ofiml.ui.lines import open_console

SUFFIX = "-reproductions"  # of the experiment: a reproduction is no trial

_FOLDER_OF_TRIALS = ".ofiml/tuning"  # what reads a logged config and tunes sets another one
_MAX_LINES = 20  # of numbers that differ
_EARLIER_BACKTEST = (
    "The run is from before orders met the recorded book: it traded at the quotes of bars. Its profit is not compared; "
    "all else is."
)


def reproduce(run: str | Path, uri: str, path: str | None = None) -> int:
    """Repeat a run, of the store by its id or of a zip file, and print what differs, before and after.

    Return 0 if all predictions and numbers of the report agree, else 1. The logged config is not trusted. It passes the
    same checks as one from the command line; tuning starts from nothing in the folder of the new run; the repetition is
    logged to the store `uri`, and `path` replaces the path of the data.
    """
    from ofiml.tracking.read import open_run_files
    from ofiml.tracking.record import record_study

    console = open_console()
    with open_run_files(run, uri, "predictions") as files:
        run_id = files.run_id
        raw, before = read_logged(run_id, files.config, files.report)
        if path is not None:
            require_files(raw["dataset"], "--path")
            raw["dataset"]["path"] = path
        config = load_logged(raw, "--path FILE")
        if path is None:
            check_path(config.dataset, before, "--path FILE")
        out = Path("outputs") / "reproduce" / f"{run_id}-{dt.datetime.now():%Y%m%d-%H%M%S-%f}"
        config = replace(
            config,
            threads=min(config.threads, count_cores()),
            parallel=Parallel("threads"),  # a stranger may have chosen the scheduler, which sends code
            tracking=replace(config.tracking, enabled=True, uri=uri, suffix=SUFFIX),
            tuning=replace(config.tuning, storage=str(out / "tuning")),
        )
        _print_changes(before, config, console)
        repetition = record_study(config, out, tags={"reproduces": run_id})
        after = read_logged_report(repetition.study.report.to_json())
        predictions = compare_predictions(files.predictions, out / "predictions.parquet", run_id)
    if repetition.unlogged:
        open_console(stderr=True).print(f"ofiml: {repetition.unlogged}", soft_wrap=True)
    return _print_comparison(run_id, repetition.run_id or "(not logged)", before, after, predictions, console)


def _print_changes(before: LoggedReport, config: Config, console: Console) -> None:
    """Print what differs between the place of the run and this one, before anything is computed."""
    changes = [
        *list_data_changes(config.dataset, before),
        *list_changes(before.place, describe_provenance(config.threads)),
    ]
    for line in changes or ["No differences: same data, code, versions, processor and threads."]:
        console.print(line, soft_wrap=True)


def list_data_changes(dataset: SyntheticDataset | FileDataset, report: LoggedReport) -> list[str]:
    """List what is known of the data without parsing them: how many inputs do not have the bytes of the run's."""
    if not isinstance(dataset, FileDataset):
        return []
    groups = READERS[dataset.name].group_files(files(dataset.path))
    other = sum(hash_files(group) not in report.session_digests for group in groups)
    if not other:
        return []
    return [
        f"data: {other} of {len(groups)} inputs cannot be recognised as the run's by their bytes; the digests follow"
    ]


def _print_comparison(
    run_id: str,
    repetition: str,
    before: LoggedReport,
    after: LoggedReport,
    predictions: PredictionDifference,
    console: Console,
) -> int:
    """Print the differences of the results and a verdict. Return 0 if there are none, else 1."""
    if before.earlier_backtest:
        console.print(_EARLIER_BACKTEST, soft_wrap=True)
        before, after = before.without_backtest(), after.without_backtest()
    differences = compare_reports(before, after)
    shown = differences[:_MAX_LINES]
    if len(differences) > len(shown):
        shown.append(f"and {len(differences) - len(shown):,} more")
    if predictions.rows:
        shown.append(f"first prediction that differs: {predictions.first}")
    verdict = "not identical" if differences or predictions.rows else "identical"
    words = "" if verdict == "identical" else f" {_describe_distance(predictions)}{_describe_gap(before, after)}"
    shown.append(
        f"Run {run_id} and its repetition {repetition} are {verdict}: "
        f"predictions sha256 {(after.predictions_sha256 or '')[:16]}…, {len(before.numbers):,} numbers compared.{words}"
    )
    for line in shown:
        console.print(line, soft_wrap=True)
    return 0 if verdict == "identical" else 1


def _describe_gap(before: LoggedReport, after: LoggedReport) -> str:
    """Describe how far the numbers of two reports are apart; nothing if none differs."""
    pairs = [(was, after.numbers[path]) for path, was in before.numbers.items() if path in after.numbers]
    gaps = [measure_gap(was, now) for was, now in pairs if was != now]
    if not gaps:
        return ""
    largest = max(gaps)
    place = "within" if largest <= TOLERANCE else "beyond"
    share = f"by at most {largest:.1g} of their size, {place} the tolerance of {TOLERANCE:g}"
    return f" {len(gaps):,} of {len(pairs):,} numbers differ, {share}."


def _describe_distance(predictions: PredictionDifference) -> str:
    """Describe how far the predictions are apart."""
    if not predictions.rows:
        return "All predictions are bit-identical."
    if predictions.largest != predictions.largest:
        return "The predicted rows are not the same."
    share = f"by at most {predictions.largest:.1g} of their standard deviation"
    within = (
        f"within the tolerance of {TOLERANCE:g}: sums in another order, as other processors and versions have them"
        if predictions.within
        else f"beyond the tolerance of {TOLERANCE:g}: the results are different"
    )
    return f"{predictions.rows:,} of {predictions.compared:,} predictions differ, {share}, {within}."


def read_logged(run_id: str, config_path: Path, report_path: Path) -> tuple[dict[str, Any], LoggedReport]:
    """Read the logged config, as a mapping, and the report.

    Caches are switched off, and tuning keeps its trials in a folder: a stranger may have chosen the places.

    Raises ConfigError for files that a study does not log.
    """
    try:
        raw = parse_plain_yaml(config_path.read_text())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"The config of run {run_id} cannot be read: {reason}.") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("dataset"), dict):
        raise ConfigError(f"The config of run {run_id} was not written by a study.")
    report = read_logged_report(report_path.read_bytes(), f"report of run {run_id}")
    for group in ("dataset", "features"):
        if isinstance(raw.get(group), dict) and "store" in raw[group]:
            raw[group]["store"] = None
    if isinstance(raw.get("tuning"), dict) and isinstance(raw["tuning"].get("storage"), str):
        raw["tuning"]["storage"] = _FOLDER_OF_TRIALS
    return raw, report


def load_logged(raw: dict[str, Any], remedy: str) -> Config:
    """Return the typed config of a logged one.

    Raises ConfigError for an invalid config. If its dataset.path matches no file here, the message ends with `remedy`.
    """
    try:
        return load(raw)
    except ConfigError as error:
        if "matches no file" in str(error):
            raise ConfigError(f"{error} Give the location of the data: {remedy}.") from error
        raise


def require_files(logged: Mapping[str, Any], option: str) -> None:
    """Raise ConfigError if a logged dataset reads no files, so that `option` names none that it could read."""
    if "path" not in logged:
        raise ConfigError(f"The data of this run are simulated, and read from no file: leave {option} out.")


def check_path(dataset: SyntheticDataset | FileDataset, report: LoggedReport, remedy: str) -> None:
    """Check that the files at a logged dataset.path are those that the run used. Raises ConfigError if not.

    A stranger may have chosen that path, so no content of the files goes into a message. Most files are recognised by
    their digest without being parsed. If the digest of a session covers only part of its files (LOBSTER), or a file has
    no session of the run, the files are parsed, and each session must be one of the run.
    """
    if not isinstance(dataset, FileDataset):
        return
    sentence = (
        f"Not all files at the logged dataset.path={dataset.path} are files that the run used: "
        f"give the location of the data, {remedy}."
    )
    known, left_out = report.session_digests, report.bad_digests
    try:
        groups = READERS[dataset.name].group_files(files(dataset.path))
        if all(hash_files(group) in known | left_out for group in groups):
            return
        sources = [source for source in list_sources(dataset) if hash_files(source.files) not in left_out]
        digests = {s.digest for source in sources for s in source()}
    except DataError:
        raise ConfigError(sentence) from None
    if not digests or digests - known:
        raise ConfigError(sentence)


def compare_reports(before: LoggedReport, after: LoggedReport) -> list[str]:
    """List the differences between two reports, one line each: digests first, then every number by its path.

    Parts that only a later version reports are no difference.
    """
    lines = []
    for name, was, now in (
        ("dataset.digest", before.digest, after.digest),
        ("predictions.sha256", before.predictions_sha256, after.predictions_sha256),
    ):
        if was != now:
            lines.append(f"{name}: was {was}, now {now}")
    added = (p for p in after.numbers if p not in before.numbers and not p.startswith(before.later_parts))
    for path in [*before.numbers, *added]:
        was_number, now_number = before.numbers.get(path), after.numbers.get(path)
        if was_number != now_number:
            lines.append(f"{path}: was {was_number}, now {now_number}")
    return lines
