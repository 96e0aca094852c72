"""Who may know whom: imports and refs point downwards only; loading definitions needs no secret and no network."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import yaml

from dagster_project.reading.rooms import entered, heights, imports, modules
from dagster_project.sources import all_sources

PROJECT = Path(__file__).resolve().parents[1]
CODE = PROJECT / "dagster_project"
MODELS = PROJECT / "dbt_project" / "models"

# room -> the rooms of ours that it may enter; a room that is not here may enter all
ALLOWED = {
    "wire": (),
    "channel_names": (),
    "kpi_names": (),
    "memory": (),
    "rules": ("channel_names", "kpi_names", "wire"),
    "sources": ("channel_names", "rules", "sandbox", "wire"),  # sandbox: its endpoints, see below
    "settings": ("memory", "rules", "sources", "wire"),
    "raw": ("wire",),
    "ingest": ("raw", "rules", "settings", "sources", "wire"),
    "warehouse": ("memory", "wire"),
    "kpis": ("kpi_names", "warehouse"),
    "publish": ("warehouse",),
    "runs": ("ingest", "kpis", "publish", "raw", "settings", "warehouse", "wire"),
    "reading": ("ingest", "kpi_names", "kpis", "publish", "settings", "sources", "wire"),
    "sandbox": ("sources",),
}
_ENGINES = {"dagster", "dagster_dbt", "dbt", "duckdb"}
FORBIDDEN = {
    "wire": _ENGINES,
    "sources": _ENGINES,
    "raw": _ENGINES,
    "ingest": _ENGINES,
    "kpis": {"dagster", "dagster_dbt"},
    "publish": {"dagster", "dagster_dbt", "dbt"},
}
# sources/<name> -> the one other source that it may know: what its rows are read by
KNOWS = {"ga4_export": "files"}
LAYERS = ["staging", "intermediate", "marts"]
LONG = 400  # lines of a module, at the most
# the only place that may import what Dagster keeps for itself
PRIVATE = "runs/history.py"
# rooms that must do for any source; what names one is that source's own business
FOR_ALL_SOURCES = ("cli", "defs", "ingest", "publish", "raw", "reading", "runs", "settings", "warehouse", "wire")


def test_imports_point_downwards() -> None:
    wrong = []
    for room, path in modules():
        for name in imports(path):
            top, _, below = name.partition(".")
            entered = below.partition(".")[0]
            if top in FORBIDDEN.get(room, ()):
                wrong.append(f"{path.relative_to(PROJECT)} imports {top}")
            if top == "dagster_project" and room in ALLOWED and entered not in (room, *ALLOWED[room]):
                wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
    assert wrong == []


def _entered() -> dict[str, set[str]]:
    """Room -> the rooms that it imports from."""
    rooms = {room for room, _ in modules()}
    entered: dict[str, set[str]] = {room: set() for room in rooms}
    for room, path in modules():
        entered[room] |= {name.split(".")[1] for name in imports(path) if name.startswith("dagster_project.")} & rooms
        entered[room] -= {room}
    return entered


def test_rooms_make_no_circle() -> None:
    # the endpoints in sources/<name>/sandbox serve the invented company, and are found in their folders (see below)
    left = {room: to - ({"sandbox"} if room == "sources" else set()) for room, to in _entered().items()}
    while free := {room for room, to in left.items() if not to & left.keys()}:
        left = {room: to for room, to in left.items() if room not in free}
    assert left == {}


def test_the_drawing_stands_on_a_ground_and_a_circle_has_none() -> None:
    height = heights(entered())
    assert height["wire"] == 0
    assert height["cli"] == max(height.values())
    with pytest.raises(ValueError, match="in a circle: defs, runs"):
        heights({"wire": set(), "runs": {"defs", "wire"}, "defs": {"runs"}})


def test_no_room_is_entered_by_everybody_but_wire() -> None:
    entered = _entered()
    by = {room: {other for other, to in entered.items() if room in to} for room in entered}
    assert {room: sorted(who) for room, who in by.items() if room != "wire" and len(who) > len(entered) / 3} == {}


def test_modules_fit_in_a_head() -> None:
    lines = {str(path.relative_to(CODE)): len(path.read_text().splitlines()) for _, path in modules()}
    assert {file: count for file, count in lines.items() if count > LONG} == {}


def test_what_dagster_keeps_for_itself_is_imported_in_one_place_and_is_there() -> None:
    private = {
        (str(path.relative_to(CODE)), name)
        for _, path in modules()
        for name in imports(path)
        if re.match(r"dagster(_dbt)?\.(.*\.)?_", name)
    }
    assert {file for file, _ in private} == {PRIVATE}
    for _, name in private:
        module, _, member = name.rpartition(".")
        assert hasattr(importlib.import_module(module), member), f"{name} is gone from this version of Dagster"


def test_what_is_for_all_sources_names_none() -> None:
    vendors = "|".join(name for name, source in all_sources().items() if source.required and name not in NO_VENDOR)
    named = [
        f"{path.relative_to(PROJECT)}:{node.lineno} says {node.value!r}"
        for room, path in modules()
        if room in FOR_ALL_SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(vendors, node.value)
    ]
    assert named == []


def _source_and_part(path: Path) -> tuple[str, str]:
    """`sources/ga4/sandbox/answers.py` -> (ga4, sandbox); the connector's own modules have no part."""
    parts = path.relative_to(CODE / "sources").with_suffix("").parts
    return parts[0], "sandbox" if parts[1] == "sandbox" else ""


def test_sources_do_not_know_each_other_and_their_sandboxes_share_nothing_with_them() -> None:
    """The sandbox and the connector of a vendor are two witnesses: one can convict the other."""
    wrong = []
    for path in sorted((CODE / "sources").glob("*/**/*.py")):
        source, part = _source_and_part(path)
        for name in imports(path):
            if not name.startswith("dagster_project."):
                continue
            _, room, *rest = name.split(".")
            into_sandbox = room == "sandbox" or (room == "sources" and "sandbox" in rest)
            if part == "sandbox" and not into_sandbox:
                wrong.append(f"{path.relative_to(PROJECT)}, an endpoint, imports {name}")
            if part == "" and into_sandbox:
                wrong.append(f"{path.relative_to(PROJECT)}, a connector, imports {name}")
            if room == "sources" and rest[0] not in (source, KNOWS.get(source)):
                wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
    assert wrong == []


COMPANY = CODE / "sandbox" / "company"
# Words by which a vendor would show in the company that all vendors' sandboxes are made from.
VENDORS_WORDS = (
    "hs_", "lifecyclestage", "dealstage", "closedate", "createdate", "closedwon", "closedlost", "appointmentscheduled",
    "qualifiedlead", "crm_ui", "portal", "access_token", "refresh_token", "client_secret", "property_id", "customuser",
    "developer_token", "gaql", "searchstream", "_micros",
    "performance_max", "salesforce", "pipedrive", "amocrm", "bitrix", "(not set)", "(direct)", "(none)", "(organic)", "(referral)",
    "default_channel", "channel_group",
)  # fmt: skip
# Sources whose names are everyday words, a sign ("clicks x price"), or sites that visits of the company come from.
NO_VENDOR = {"config", "files", "fx", "stripe", "x", "youtube"}
# Tags and click ids are facts of a visit, whoever coined them: they stand in the address on which it landed.
FACTS_OF_A_VISIT = ("utm_source=hs_email",)


def _vendors_words_in(text: str) -> list[str]:
    text = text.lower()
    for fact in FACTS_OF_A_VISIT:
        text = text.replace(fact, "")
    sources = {path.parent.name for path in (CODE / "sources").glob("*/__init__.py")} - NO_VENDOR
    named = [source for source in sorted(sources) if re.search(rf"(?<![a-z0-9]){source}(?![a-z0-9])", text)]
    return [*(word for word in VENDORS_WORDS if word in text), *named]


def test_the_invented_company_knows_no_vendor() -> None:
    """So that one company can be read through any CRM, ad platform or counter."""
    wrong = []
    for path in sorted(COMPANY.glob("*.py")):
        wrong += [f"{path.relative_to(PROJECT)} says {word}" for word in _vendors_words_in(path.read_text())]
        for name in imports(path):
            if name.startswith("dagster_project.") and not name.startswith("dagster_project.sandbox.company"):
                wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('put("hs_analytics_source", 1)', ["hs_"]),
        ("what HubSpot holds", ["hubspot"]),
        ("GA4_PROPERTY_ID", ["property_id", "ga4"]),
        ("utm_source=hs_email&gclid=", []),
        ("telegrammed", []),
    ],
)
def test_a_vendors_word_is_seen(text: str, said: list[str]) -> None:
    assert _vendors_words_in(text) == said


def test_every_module_says_first_what_belongs_in_it() -> None:
    silent = [str(p.relative_to(PROJECT)) for _, p in modules() if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def test_models_refer_downwards_only() -> None:
    layer_of = {p.stem: p.relative_to(MODELS).parts[0] for p in MODELS.rglob("*.sql")}
    layer_of |= {p.stem: p.relative_to(MODELS).parts[0] for p in MODELS.rglob("*.py")}
    wrong = []
    for path in [*MODELS.rglob("*.sql"), *MODELS.rglob("*.py")]:
        layer, text = layer_of[path.stem], path.read_text()
        if layer == "semantic":
            continue
        for name in re.findall(r"ref\(\s*['\"]([^'\"]+)['\"]\s*\)", text):
            if name in layer_of and LAYERS.index(layer_of[name]) > LAYERS.index(layer):
                wrong.append(f"{path.stem} ({layer}) refers to {name} ({layer_of[name]})")
        if layer != "staging" and re.search(r"\bsource\(\s*['\"]raw_(?!meta|config)", text):
            wrong.append(f"{path.stem} ({layer}) reads a raw source past staging")
    assert wrong == []


@pytest.mark.parametrize("word", ["utils", "helpers", "lib", "common"])
def test_no_room_is_a_drawer(word: str) -> None:
    assert [p for p in CODE.rglob("*") if p.stem == word] == []


HOUSE = {"config", "meta"}  # folders of staging that are no source's: rules, and the index of the raw zone


def declared_sources() -> dict[str, list[str]]:
    """Source -> its shapes, from `vars: sources`."""
    return yaml.safe_load((PROJECT / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]["sources"]


def test_outside_its_folder_a_source_is_seen_by_its_shapes_only() -> None:
    """`stg_x__...` is private; `<shape>__x` is for the union of the shape, models/intermediate/shapes/<shape>.sql."""
    folder_of = {p.stem: p.parent.name for p in (MODELS / "staging").rglob("*.sql")}
    private = {name for name, folder in folder_of.items() if folder not in HOUSE}
    wrong = []
    for path in [*MODELS.rglob("*.sql"), *MODELS.rglob("*.py"), *MODELS.rglob("*.yml")]:
        for name in re.findall(r"ref\(\s*['\"]([^'\"]+)['\"]\s*\)", path.read_text(encoding="utf-8")):
            if name in private and folder_of[name] != path.parent.name:
                wrong.append(f"{path.relative_to(MODELS)} refers to {name} of {folder_of[name]}")
    assert wrong == []


def test_one_line_names_a_source_and_what_it_gives() -> None:
    given = {}
    for folder in (MODELS / "staging").iterdir():
        if folder.name not in HOUSE:
            public = (p.stem.partition("__")[0] for p in folder.glob(f"*__{folder.name}.sql"))
            given[folder.name] = sorted(shape for shape in public if shape != "stg")
    assert {source: sorted(shapes) for source, shapes in declared_sources().items()} == given
    shapes = {p.stem: p.read_text(encoding="utf-8").strip() for p in (MODELS / "intermediate" / "shapes").glob("*.sql")}
    assert set().union(*given.values()) <= set(shapes)
    assert shapes == {name: f"{{{{ every_source('{name}') }}}}" for name in shapes}


# what a vendor's name stands for where it is not the vendor: the list can only become shorter
NOT_THE_VENDOR = {
    "ga4_rules": "the channel rules that Google publishes, whoever counted the visit",
    "ga4_source_categories": "Google's list of sources, whoever counted the visit",
    "google_categories": "the same list",
    "'google'": "the utm_source of a Google click",
    "google.com/google-ads": "an address of evidence",
    "(Google, google)": "an example of a value",
}
VENDORS = r"ga4|google|hubspot|salesforce|pipedrive|amocrm|bitrix|zoho|metrica|matomo|meta_ads|facebook|linkedin|stripe|shopify|bing"


def test_models_of_the_house_know_no_vendor_by_name() -> None:
    found, used = [], set()
    for path in [
        p for layer in ("intermediate", "marts") for p in (MODELS / layer).rglob("*") if p.suffix in (".sql", ".py")
    ]:
        for line in path.read_text(encoding="utf-8").splitlines():
            rest = line
            for words in sorted(NOT_THE_VENDOR, key=len, reverse=True):
                if words in rest:
                    used.add(words)
                    rest = rest.replace(words, "")
            if re.search(VENDORS, rest, re.IGNORECASE):
                found.append(f"{path.name}: {line.strip()}")
    assert found == []
    assert used == set(NOT_THE_VENDOR)
