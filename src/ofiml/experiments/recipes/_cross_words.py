"""What is measured of a basket, its numbers and its verdict, as `cross_impact` shows them."""

from dataclasses import asdict, dataclass

import numpy as np

from ofiml._typing import Bool, Float
from ofiml.evaluation.bootstrap import BlockBootstrap
from ofiml.experiments.basket import Basket, read_basket
from ofiml.experiments.bench import Bench, Market
from ofiml.experiments.page import list_ends
from ofiml.experiments.recipes._cross_fits import (
    KINDS,
    MODELS,
    CrossFit,
    CrossFits,
    GroupFit,
    Orientation,
    TradeMatrix,
    correlate_links,
    fit_crosses,
    fit_groups,
    fit_trades,
    measure_orientation,
)
from ofiml.reporting.impact import LOTS
from ofiml.study.json_border import Json
from ofiml.ui.format import format_number

STUDY = "experiment=cross_impact"


@dataclass(frozen=True, slots=True)
class Crosses:
    """What is measured of a basket: fits of the same bar and of the next one, groups of bars, and slopes on trades."""

    basket: Basket
    same: CrossFits
    ahead: CrossFits
    groups: dict[str, list[GroupFit]]
    trades: TradeMatrix
    orientation: Orientation


def measure_crosses(bench: Bench, market: Market) -> Crosses:
    """Measure a market of two or more symbols. Raises DataError for one symbol, and for too few bars."""
    config, basket = bench.configure(market, STUDY), read_basket(bench, market, STUDY)
    bootstrap = BlockBootstrap.of(config.evaluation, config.seed)
    same = fit_crosses(basket, config.split, bootstrap, ahead=False)
    return Crosses(
        basket=basket,
        same=same,
        ahead=fit_crosses(basket, config.split, bootstrap, ahead=True),
        groups={kind: fit_groups(basket, same, kind) for kind in KINDS},
        trades=fit_trades(basket),
        orientation=measure_orientation(basket),
    )


@dataclass(frozen=True, slots=True)
class SectorPairs:
    """The pairs of different symbols of a kind: their number, the mean absolute slope by kind of `flow` (LASSO of the
    same bar, in standard deviations), on trades and as `known` (ticks per 1,000 lots, NaN where it is not), and the
    number of `links` of trades.
    """

    pairs: int
    flow: dict[str, float]
    trades: float
    links: int
    known: float


def measure_sectors(one: Crosses) -> dict[str, SectorPairs]:
    """Measure the slopes of the pairs of the same sector, of two sectors, and of unknown ones, where there are any."""
    return {
        text: SectorPairs(
            pairs=int(pairs.sum()),
            flow={kind: float(np.mean(np.abs(one.same.fits[kind]["LASSO"].weights[pairs]))) for kind in KINDS},
            trades=float(np.mean(np.abs(one.trades.slopes[pairs]))) * LOTS,
            links=int(one.trades.links[pairs].sum()),
            known=float("nan") if one.basket.known is None else float(np.mean(np.abs(one.basket.known[pairs]))) * LOTS,
        )
        for text, pairs in list_pairs(one.basket.sectors).items()
        if pairs.any()
    }


def list_pairs(sectors: list[str]) -> dict[str, Bool]:
    """List which pairs of different symbols (K, K) are of the same sector, of two sectors, or have one unknown."""
    names, away = np.array(sectors), ~np.eye(len(sectors), dtype=bool)
    known = (names != "")[:, None] & (names != "")
    same = names[:, None] == names
    return {"same sector": known & same & away, "two sectors": known & ~same, "sector unknown": ~known & away}


def list_numbers(one: Crosses) -> dict[str, Json]:
    def describe(fits: CrossFits) -> dict[str, Json]:
        return {
            f"{kind}, {model}": {
                "inside": fit.inside.tolist(),
                "outside": fit.outside.tolist(),
                "inside_mean": float(fit.inside.mean()),
                "outside_mean": float(fit.outside.mean()),
                "added": list_ends(fit.added),
                "weights": fit.weights.tolist(),
            }
            for kind, models in fits.fits.items()
            for model, fit in models.items()
        }

    known, trades = one.basket.known, one.trades
    numbers: dict[str, Json] = {
        "symbols": list(one.basket.symbols),
        "sectors": list(one.basket.sectors),
        "bars": one.basket.table.height,
        "bars_left_out": one.basket.bars_left_out,
        "dates_left_out": list(one.basket.dates_left_out),
        "bars_tested": {"same_bar": len(one.same.rows), "next_bar": len(one.ahead.rows)},
        "same_bar": describe(one.same),
        "next_bar": describe(one.ahead),
        "groups": {
            kind: {g.name: [g.bars, g.own_r2, g.cross_r2, g.own, g.cross, g.noise] for g in groups}
            for kind, groups in one.groups.items()
        },
        "pairs": {text: asdict(of) for text, of in measure_sectors(one).items()},
        "trade_slopes": (trades.slopes * LOTS).tolist(),
        "trade_errors": (trades.errors * LOTS).tolist(),
        "links": trades.links.astype(int).tolist(),
        "flow_on_own_trades": one.orientation.trades,
        "flow_slopes": one.orientation.flow.tolist(),
        "flow_slopes_beside_own_trades": one.orientation.beside_trades.tolist(),
    }
    if known is not None:
        scale = trades.find_scale(known)
        numbers["known"] = {
            "impact": (known * LOTS).tolist(),
            "covered": trades.count_covered(known),
            "scale": scale,
            "covered_scaled": trades.count_covered(known, scale),
        }
    return numbers


def judge(name: str, one: Crosses) -> str:
    """Say in sentences what the numbers of a market mean."""
    own, same = ([one.same.fits[kind][model] for kind in KINDS] for model in MODELS[:2])
    ahead = [one.ahead.fits[kind][MODELS[1]] for kind in KINDS]
    best, integrated = (f"{format_number(float(np.mean(fit.outside)), '.2f')}" for fit in own)
    later = " and ".join(format_number(float(np.mean(fit.outside)), ".4f") for fit in ahead)
    return " ".join(
        [
            f"On {name}, own flow explains {best} of the variance of moves out of sample with the best level and "
            f"{integrated} with the integrated flow.",
            f"To the best level, the flow of other symbols {_name_added(same[0])}; to the integrated flow, it "
            f"{_name_added(same[1])}.",
            f"One bar ahead, all best-level flows and all integrated flows have an R² out of sample of {later}; the "
            f"flow of other symbols {_name_both(*map(_name_added, ahead))}.",
            *_judge_known(one),
            *_name_left_out(one.basket),
        ]
    )


def _name_added(fit: CrossFit) -> str:
    """Name what others add if its interval separates it from 0, else say that it does not."""
    if fit.added.low > 0:
        return f"adds {fit.added.value:.4f}"
    return f"takes {-fit.added.value:.4f}" if fit.added.high < 0 else "adds nothing clear"


def _name_both(best: str, integrated: str) -> str:
    return f"{best} in both" if best == integrated else f"{best} and {integrated}"


def _judge_known(one: Crosses) -> list[str]:
    """Say how the known matrix is recovered, if there is one."""
    known, trades = one.basket.known, one.trades
    if known is None:
        return []
    scale, size = trades.find_scale(known), known.size
    links, true = trades.links, (known != 0) & ~np.eye(len(known), dtype=bool)
    words = [
        f"Slopes on trades find {int((links & true).sum())} of the {int(true.sum())} true links between symbols and "
        f"{int((links & ~true).sum())} false ones; {trades.count_covered(known)} of {size} intervals of 95% contain Λ, "
        f"and {trades.count_covered(known, scale)} contain {scale:.2f} Λ, the multiple that fits best."
    ]
    plain, beside = (_compare_with_known(x, known) for x in (one.orientation.flow, one.orientation.beside_trades))
    if not np.isnan([*plain, *beside]).any():
        turned = "point from the follower to the leader" if plain[1] > plain[0] else "point as Λ does"
        words += [
            f"The slopes on best-level flow {turned}: between symbols they correlate {plain[0]:.2f} with Λ and "
            f"{plain[1]:.2f} with its transpose.",
            f"Given the own move, own trades have a slope of {one.orientation.trades:.2f} on the flow, in standard "
            f"deviations; with own trades beside the flow, the correlations are {beside[0]:.2f} and {beside[1]:.2f}.",
        ]
    return words


def _compare_with_known(slopes: Float, known: Float) -> tuple[float, float]:
    """Correlate slopes between symbols with Λ and with its transpose."""
    return correlate_links(slopes, known), correlate_links(slopes, known.T)


def _name_left_out(basket: Basket) -> list[str]:
    """Name the bars and dates that are left out, if there are any."""
    words = []
    if basket.bars_left_out:
        words.append(f"{basket.bars_left_out} bars that some symbol lacks or has without a mid are left out.")
    if basket.dates_left_out:
        words.append(f"Dates that some symbol lacks are left out: {', '.join(basket.dates_left_out)}.")
    return words
