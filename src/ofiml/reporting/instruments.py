"""Describe the instruments of a backtest in the verdict."""

from collections.abc import Sequence

from ofiml.backtest.instruments import AssignedInstrument, describe_instrument

_MAX_SYMBOLS = 6  # more do not fit on a line


def describe_instruments(instruments: Sequence[AssignedInstrument]) -> list[str]:
    """Describe each instrument once, with its symbols, and what was assumed; nothing for the embedded market's own."""
    symbols: dict[tuple[str | None, str], list[str]] = {}
    for one in instruments:
        if one.assumed is None or one.assumed == "us_equities":
            symbols.setdefault((one.assumed, describe_instrument(one.instrument)), []).append(one.symbol)
    lines = []
    for (assumed, text), names in symbols.items():
        listed = ", ".join(names[:_MAX_SYMBOLS]) + (", …" if len(names) > _MAX_SYMBOLS else "")
        if assumed is None:
            lines.append(f"Instrument of {listed}: {text}.")
        else:
            lines.append(
                f"Note: no fees are stated for {listed}, so those of instrument={assumed} are assumed: {text}."
            )
    return lines
