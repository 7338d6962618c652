"""Views of MLflow's page of an experiment, which otherwise opens without a single metric: a table, and charts.

MLflow keeps such a view as a tag of the experiment, in the form in which its page shares one.
"""

import json
from typing import Any
from urllib.parse import quote

TABLE, CHARTS = "table", "charts"

_TAG = "mlflow.sharedViewState."
_METRICS = ("ic", "ic_low", "ic_high", "r2", "above_last_return", "net", "net_sharpe", "break_even_bps")
_TAGS = ("finding", "survives", "dataset", "symbol", "overrides")
_CHOICES = ("model.name", "ofi.name", "features.name", "target.name", "split.name")
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
    return {
        "orderByKey": "metrics.`ic`",
        "orderByAsc": False,
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            "attributes.`Duration`",
            *(f"metrics.`{name}`" for name in _METRICS),
            *(f"tags.`{name}`" for name in _TAGS),
        ],
        "runListHidden": False,
        "viewMaximized": False,
    }


def _describe_charts() -> dict[str, Any]:
    charts = [
        _make_chart("BAR", "IC", metricKey="ic"),
        _make_chart("BAR", "lower end of the IC's interval", metricKey="ic_low"),
        _make_chart("BAR", "upper end of the IC's interval", metricKey="ic_high"),
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
