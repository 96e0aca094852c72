"""MetricFlow in this process: metrics and group-bys in, SQL for DuckDB out. It never opens a connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dagster_project.kpis.manifest import semantic_manifest_path

_MADE_BY = ("metricflow", "dbt-semantic-interfaces")


class Compiler:
    """Compiles queries against one semantic manifest. Start-up takes about 0.6 s, nearly all of it imports.

    `digest` stands for all that the SQL depends on: the manifest, MetricFlow, and how it is asked. `compiled`: query -> SQL,
    of what was compiled so far; another compiler of the same digest may be given it.
    """

    def __init__(self, manifest: Path | str) -> None:
        self._content = json.loads(semantic_manifest_path(manifest).read_text(encoding="utf-8"))
        for model in self._content["semantic_models"]:
            # without the database name the SQL runs on any file that holds the schemas, whatever it is called
            relation = model["node_relation"]
            relation["database"], relation["relation_name"] = None, f"{relation['schema_name']}.{relation['alias']}"
        told = [
            json.dumps(self._content, sort_keys=True),
            *map(version, _MADE_BY),
            Path(__file__).read_text(encoding="utf-8"),
        ]
        self.digest = blake2b("\n".join(told).encode(), digest_size=16).hexdigest()
        self.compiled: dict[str, str] = {}
        self._engines: dict[str, Any] = {}

    def sql(self, semantic_model: str, metrics: Sequence[str], by: Sequence[str], where: str | None = None) -> str:
        """The SELECT that answers simple metrics of one semantic model, grouped by `by`.

        Its columns are named as the arguments. `where` is SQL with MetricFlow's own templates, such as
        `{{ TimeDimension('metric_time', 'day') }} >= '2026-01-01'`.
        """
        query = json.dumps([semantic_model, list(metrics), list(by), where])
        if query not in self.compiled:
            self.compiled[query] = self._compile(semantic_model, tuple(metrics), tuple(by), where)
        return self.compiled[query]

    def _compile(self, semantic_model: str, metrics: tuple[str, ...], by: tuple[str, ...], where: str | None) -> str:
        # imported here, because the command line should not pay for MetricFlow when it only reads tables
        from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

        if semantic_model not in self._engines:
            self._engines[semantic_model] = _engine(self._content, semantic_model)
        request = MetricFlowQueryRequest.create(
            metric_names=metrics, group_by_names=by, where_constraints=[where] if where else None
        )
        return self._engines[semantic_model].explain(request).sql_statement.sql


def _engine(content: Mapping[str, Any], semantic_model: str) -> Any:
    """MetricFlow for one fact and the dimension tables: compiling takes half as long as with all facts in sight."""
    from metricflow.engine.metricflow_engine import MetricFlowEngine
    from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    models = [m for m in content["semantic_models"] if m["name"] == semantic_model or not m["measures"]]
    measures = {measure["name"] for model in models for measure in model["measures"]}
    metrics = [
        m for m in content["metrics"] if m["type"] == "simple" and m["type_params"]["measure"]["name"] in measures
    ]
    part = {**content, "semantic_models": models, "metrics": metrics, "saved_queries": []}
    parsed = parse_manifest_from_dbt_generated_manifest(json.dumps(part))
    return MetricFlowEngine(SemanticManifestLookup(parsed), _DuckDbDialect())  # type: ignore[arg-type]  # of a client, compiling needs no more


class _DuckDbDialect:
    """What MetricFlow asks of an SQL client in order to compile. It runs nothing, so there is no connection."""

    def __init__(self) -> None:
        from metricflow.protocols.sql_client import SqlEngine
        from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer

        self.sql_engine_type = SqlEngine.DUCKDB
        self.sql_plan_renderer = DuckDbSqlPlanRenderer()
