"""The flags of `ofiml run`, which stand among the overrides. Most are Hydra's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from ofiml.config import Config
from ofiml.errors import ConfigError

SWEEP = ("-m", "--multirun")
CONFIG_DIR = ("--config-dir", "-cd")
CONFIG_FILE = ("--config",)
CONFIG_NAME = ("--config-name", "-cn")  # what --config becomes
_SHOW, _PACKAGE, _RESOLVE = ("--cfg", "-c"), ("--package", "-p"), "--resolve"
_PARTS = ("job", "hydra", "all")  # of a config that --cfg shows
_TAKING_VALUES = (*CONFIG_DIR, *CONFIG_FILE, *CONFIG_NAME, *_SHOW, *_PACKAGE)


@dataclass(frozen=True, slots=True)
class Line:
    """A command line: its overrides, the name of its config, the folder of own choices, and whether it is a sweep.

    `shown` is the part of the config that `--cfg` prints, None for a run; `package` is the only group of it to print;
    `resolve` is whether references are resolved there.
    """

    overrides: list[str]
    config_name: str
    config_dir: str | None
    sweeps: bool
    shown: str | None
    package: str | None
    resolve: bool


def check_flags(arguments: Sequence[str]) -> None:
    """Raise ConfigError for a flag that `ofiml run` does not take, a wrong value of one, and one without effect.

    Hydra has more, and takes the beginning of a flag for the flag. One of them runs the code in a file.
    """
    flags, _ = _split_flags(arguments)
    for flag, value in flags.items():
        if flag in _TAKING_VALUES and flag not in CONFIG_NAME:
            _check_value(flag, value)
        elif flag not in (*SWEEP, _RESOLVE, "--help", "-h"):
            raise ConfigError(
                f"{flag.partition('=')[0]} is no option here. The options are -m, --config FILE, --config-dir FOLDER, "
                "--cfg job with --package GROUP, and --help; all else is group=choice or key=value."
            )
    _check_effect(flags)


def _check_effect(flags: Mapping[str, str]) -> None:
    """Raise ConfigError if a flag has no effect beside the others."""
    shows = any(flag in flags for flag in _SHOW)
    for flag in flags:
        if flag in (*_PACKAGE, _RESOLVE) and not shows:
            raise ConfigError(f"{flag} has no effect without --cfg job, which prints the settings of a run.")
        if flag in SWEEP and shows:
            raise ConfigError(f"--cfg prints the settings of one run: leave {flag} out, and write one value a key.")


def _check_value(flag: str, value: str) -> None:
    if flag in _SHOW and value not in _PARTS:
        raise ConfigError(f"{flag} {value}: write --cfg job, which prints the settings of a run.")
    group = value.partition(".")[0]
    if flag in _PACKAGE and group not in ("hydra", *(f.name for f in fields(Config))):
        raise ConfigError(f"{flag} {value}: the config has no group {group or 'without a name'}.")


def read_line(arguments: Sequence[str]) -> Line:
    """Read a command line whose flags were checked, and whose `--config` has become the name of a config."""
    flags, overrides = _split_flags(arguments)

    def find(names: Sequence[str]) -> str | None:
        return next((flags[name] for name in names if name in flags), None)

    return Line(
        overrides=overrides,
        config_name=find(CONFIG_NAME) or "config",
        config_dir=find(CONFIG_DIR),
        sweeps=find(SWEEP) is not None,
        shown=find(_SHOW),
        package=find(_PACKAGE),
        resolve=_RESOLVE in flags,
    )


def _split_flags(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Split arguments into flags with their values (empty without one) and overrides. The last of equal ones counts."""
    flags: dict[str, str] = {}
    overrides: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, equals, value = argument.partition("=")
        if flag in _TAKING_VALUES:
            flags[flag] = value if equals or not rest else rest.pop(0)
        elif argument.startswith("-"):
            flags[argument] = ""
        else:
            overrides.append(argument)
    return flags, overrides
