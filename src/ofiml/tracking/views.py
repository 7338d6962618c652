"""Views of MLflow's page of an experiment, which otherwise opens without a single metric: a table, and charts.

MLflow keeps such a view as a tag of the experiment, in the form in which its page shares one.
"""

import json
from typing import Any
from urllib.parse import quote

TABLE, CHARTS = "table", "charts"

_TAG = "mlflow.sharedViewState."
#: The columns in their order, with their widths in pixels.
_METRICS = {
    **{"ic": 75, "ic_low": 75, "ic_high": 75, "r2": 75, "above_last_return": 125},
    **{"net": 90, "net_sharpe": 90, "break_even_bps": 120},
}
_TAGS = {"finding": 130, "survives": 80, "symbol": 70, "overrides": 300, "dataset": 80}
_CHOICES = ("model.name", "ofi.name", "features.name", "target.kind", "split.name")
_SECTION = "ofiml"


def prepare_views(client: Any, experiment: Any) -> None:
    """Give an experiment its views, or those of this version if it has earlier ones."""
    for name, state in (("table", _describe_table()), ("charts", _describe_charts())):
        text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
        if experiment.tags.get(_TAG + name) != text:
            client.set_experiment_tag(experiment.experiment_id, _TAG + name, text)


def link_view(base: str, experiment_id: str, name: str) -> str:
    """Return the address of a view on the server at `base`."""
    mode = "CHART" if name == CHARTS else "TABLE"
    path = f"/#/experiments/{quote(experiment_id)}/runs"
    return f"{base}{path}?viewStateShareKey={name}&workflowType=machine_learning&compareRunsMode={mode}"


def _describe_table() -> dict[str, Any]:
    widths = {
        **{f"metrics.`{name}`": width for name, width in _METRICS.items()},
        **{f"tags.`{name}`": width for name, width in _TAGS.items()},
    }
    fixed = {"attributes.`Run Name`": 220, "runDateAndNestInfo": 120}  # shown always
    return {
        "orderByKey": "metrics.`ic`",
        "orderByAsc": False,
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(widths),
        "columnOrder": [*fixed, *widths],
        "columnWidths": fixed | widths,
        "runListHidden": False,
        "viewMaximized": False,
    }


def _describe_charts() -> dict[str, Any]:
    charts = [
        # No kind of chart of MLflow has error bars: the ends of the interval stand beside the IC.
        _make_chart("BAR", "IC", metricKey="ic", selectedMetricKeys=["ic_low", "ic", "ic_high"]),
        _make_chart("SCATTER", "IC and net profit", xaxis=_make_axis("ic"), yaxis=_make_axis("net")),
        _make_chart(
            "PARALLEL", "choices", selectedParams=list(_CHOICES), selectedMetrics=["net", "ic"], showAllRuns=True
        ),
        _make_chart("LINE", "IC by fold", metricKey="fold/ic", selectedMetricKeys=["fold/ic"]),
    ]
    return _describe_table() | {
        "compareRunCharts": charts,
        "compareRunSections": [
            {"uuid": _SECTION, "name": "IC, net profit and choices", "display": True, "isReordered": True}
        ],
        "isAccordionReordered": True,
    }


def _make_chart(kind: str, name: str, **settings: Any) -> dict[str, Any]:
    """Make a chart of the page. One that is not `isGenerated` stays as it is when runs come and go."""
    return {
        "type": kind,
        "uuid": f"ofiml-{name.replace(' ', '-')}",
        "runsCountToCompare": 100,
        "metricSectionId": _SECTION,
        "deleted": False,
        "isGenerated": False,
        "displayName": name,
        **settings,
    }


def _make_axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC"}
