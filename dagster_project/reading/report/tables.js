// The other sections: funnel, channels, campaigns, platforms, salespeople, tags, searches, sources, all KPIs.
const FUNNEL = ["leads", "mqls", "sals", "sqls", "opportunities", "new_customers"];
const STEPS = ["lead", "mql", "sal", "sql", "opportunity"];
const BY_CHANNEL = ["marketing_spend", "sessions", "leads", "cpl", "mqls", "sqls", "new_customers", "cac_media", "revenue", "romi"];
const BY_CAMPAIGN = ["marketing_spend", "sessions", "leads", "cpl", "sqls", "new_customers", "cac_media", "revenue", "romi"];
const BY_PLATFORM = ["marketing_spend", "impressions", "clicks", "ctr", "cpc", "platform_cpa", "platform_roas"];
const BY_PERSON = ["opportunities", "win_rate", "revenue", "aov", "sales_cycle_days", "leads"];

const show = (id, is_there) => document.getElementById(id).classList.toggle("empty", !is_there);
const inSection = (id, selector) => document.querySelector(`#${id} ${selector}`);

function drawFunnel(state) {
  const stages = FUNNEL.map((id) => KPIS.get(id)).filter(Boolean).map((kpi) => ({ kpi, fact: chosenFact(state, kpi) })).filter((row) => row.fact);
  show("funnel", stages.length);
  if (!stages.length) return;
  const bars = stages.map(({ kpi, fact }) => ({ name: kpiName(kpi), value: fact.value, said: fact.value === null ? reasonText(fact.reason) : valueText(kpi, fact.value) }));
  draw(inSection("funnel", ".chart"), {
    height: { step: 34 }, data: { values: bars }, encoding: { y: { field: "name", type: "nominal", sort: null, title: null, axis: { labelLimit: 190 } }, x: { field: "value", type: "quantitative", title: null } },
    layer: [{ mark: { type: "bar", cornerRadius: 3, color: css("--accent"), opacity: 0.85 }, encoding: { tooltip: [{ field: "name", title: " " }, { field: "said", title: t("value") }] } },
      { mark: { type: "text", align: "left", dx: 5, color: css("--ink") }, encoding: { text: { field: "said" } } }],
  }, t("funnel"), [{ head: t("stage"), cell: (row) => row.name }, { head: t("value"), number: true, cell: (row) => row.said }], bars);
  const rates = [...membersOf(state.grain, state.period, "stage", ["stage_conversion_rate"], state.model)].map(([stage, of]) => ({ stage, fact: of.stage_conversion_rate }))
    .sort((a, b) => STEPS.indexOf(a.stage.split(">")[0]) - STEPS.indexOf(b.stage.split(">")[0]));
  const kpi = KPIS.get("stage_conversion_rate");
  inSection("funnel", ".of-section").replaceChildren(rates.length ? table([
    { head: t("stage"), cell: (row) => stageName(row.stage) },
    { head: t("entered"), number: true, cell: (row) => numberText(row.fact.denominator, "count") },
    { head: t("reached_next"), number: true, cell: (row) => numberText(row.fact.numerator, "count") },
    { head: "%", number: true, cell: (row) => cellText(kpi, row.fact), data: (row) => ({ "data-kpi": kpi.id, "data-cut": "stage", "data-member": row.stage, "data-value": row.fact.value ?? "" }) },
    { head: t("interval"), number: true, cell: (row) => (row.fact.ci_low === null ? "" : `${numberText(row.fact.ci_low, "rate")}–${numberText(row.fact.ci_high, "rate")}`) },
  ], rates, t("cohort_says")) : "");
}

function cellText(kpi, fact) {
  if (!fact) return "";
  const shown = fact.value === null ? reasonText(fact.reason) : valueText(kpi, fact.value);
  const marks = marksOf(fact, new Set());
  return marks.text ? element("span", { title: marks.says }, shown, element("span", { class: "marks" }, marks.text)) : shown;
}

// a table of a cut: members down, KPIs across, the largest of the first KPI first
function cutTable(state, id, cut, ids, head, name = (member) => member) {
  const known = ids.filter((each) => KPIS.get(each)?.cuts.includes(cut));
  const members = [...membersOf(state.grain, state.period, cut, known, state.model)];
  show(id, members.length);
  const size = ([, of]) => known.map((each) => of[each]?.value ?? -1);
  members.sort((a, b) => { const [x, y] = [size(a), size(b)], place = x.findIndex((value, at) => value !== y[at]); return place < 0 ? 0 : y[place] - x[place]; });
  inSection(id, ".of-section").replaceChildren(table([
    { head, cell: ([member]) => name(member) },
    ...known.map((each) => ({ head: kpiName(KPIS.get(each)), number: true, cell: ([, of]) => cellText(KPIS.get(each), of[each]), data: ([member, of]) => ({ "data-kpi": each, "data-cut": cut, "data-member": member, "data-value": of[each]?.value ?? "" }) })),
  ], members));
  return members;
}

function drawChannels(state) {
  const model = state.model && state.model !== NONE ? `${t("model")}: ${state.model}. ` : "";
  inSection("channels", ".says").textContent = model + t("channels_says");
  const members = cutTable(state, "channels", "channel", BY_CHANNEL, t("channel"));
  const spend = KPIS.get("marketing_spend"), revenue = KPIS.get("revenue");
  const bars = members.flatMap(([channel, of]) => [spend, revenue].filter((kpi) => kpi && of[kpi.id]?.value).map((kpi) => ({ channel, what: kpiName(kpi), value: of[kpi.id].value, said: valueText(kpi, of[kpi.id].value) })));
  if (!bars.length) { inSection("channels", ".chart").replaceChildren(); return; }
  draw(inSection("channels", ".chart"), {
    height: { step: 14 }, data: { values: bars }, mark: { type: "bar", cornerRadius: 2 },
    encoding: {
      y: { field: "channel", type: "nominal", title: null, sort: members.map(([channel]) => channel), axis: { labelLimit: 160 } }, yOffset: { field: "what", sort: [kpiName(spend), kpiName(revenue)] },
      x: { field: "value", type: "quantitative", title: spend.currency }, color: { field: "what", type: "nominal", title: null, sort: [kpiName(spend), kpiName(revenue)], scale: { range: [css("--dim"), css("--accent")] } },
      tooltip: [{ field: "channel", title: t("channel") }, { field: "what", title: " " }, { field: "said", title: t("value") }],
    },
  }, `${kpiName(spend)}, ${kpiName(revenue)}`, [{ head: t("channel"), cell: (row) => row.channel }, { head: " ", cell: (row) => row.what }, { head: t("value"), number: true, cell: (row) => row.said }], bars);
}

function drawLists(state) {
  inSection("campaigns", ".says").textContent = t("campaigns_says");
  cutTable(state, "campaigns", "campaign", BY_CAMPAIGN, t("campaign"));
  cutTable(state, "platforms", "platform", BY_PLATFORM, t("platform"));
  cutTable(state, "people", "sales_rep", BY_PERSON, t("person"));
  drawTags();
  drawSearches();
  drawSources();
  drawCatalogue(state);
}

function drawTags() {
  const money = KPIS.get("marketing_spend") ?? { unit: "money", currency: "" };
  show("tags", CONTENT.tags.length);
  inSection("tags", ".of-section").replaceChildren(table([
    { head: t("finding"), cell: (row) => row.meaning },
    { head: t("fix"), cell: (row) => row.fix },
    { head: t("example"), cell: (row) => (row.better ? `${row.tag} → ${row.better}` : row.tag) },
    { head: t("sessions"), number: true, cell: (row) => numberText(row.sessions, "count") },
    { head: t("at_risk"), number: true, cell: (row) => valueText(money, row.spend_at_risk) },
  ], CONTENT.tags));
}

function drawSearches() {
  show("searches", CONTENT.searches.length);
  inSection("searches", ".of-section").replaceChildren(table([
    { head: t("query"), cell: (row) => row.query },
    { head: t("brand"), cell: (row) => (row.is_brand === null ? "" : row.is_brand ? "✓" : "") },
    { head: t("clicks"), number: true, cell: (row) => numberText(row.clicks, "count") },
    { head: t("impressions"), number: true, cell: (row) => numberText(row.impressions, "count") },
    { head: t("position"), number: true, cell: (row) => numberText(row.position, "days") },
  ], CONTENT.searches));
}

function drawSources() {
  show("sources", CONTENT.sources.length);
  inSection("sources", ".of-section").replaceChildren(table([
    { head: t("source"), cell: (row) => `${row.source}/${row.stream}` },
    { head: t("first_day"), cell: (row) => dayText(row.first_day) },
    { head: t("last_day"), cell: (row) => dayText(row.last_day) },
    { head: t("missing_days"), number: true, cell: (row) => (row.days_missing === null ? "" : numberText(row.days_missing, "count")) },
    { head: t("restated"), number: true, cell: (row) => (row.restate_days === null ? "" : numberText(row.restate_days, "count")) },
    { head: t("rows"), number: true, cell: (row) => numberText(row.rows, "count") },
    { head: t("read_at"), cell: (row) => momentText(row.extracted_at) },
  ], CONTENT.sources));
}

function drawCatalogue(state) {
  inSection("catalogue", ".of-section").replaceChildren(table([
    { head: t("kpi"), cell: (kpi) => element("span", { title: kpi.says }, kpiName(kpi)) },
    { head: t("value"), number: true, cell: (kpi) => (chosenFact(state, kpi) ? cellText(kpi, chosenFact(state, kpi)) : noValue(kpi)), data: (kpi) => ({ "data-kpi": kpi.id, "data-value": chosenFact(state, kpi)?.value ?? "" }) },
    { head: t(state.against), number: true, cell: (kpi) => valueText(kpi, chosenFact(state, kpi)?.[`${state.against}_value`]) },
    { head: t("change"), number: true, cell: (kpi) => { const change = chosenFact(state, kpi)?.[`${state.against}_change`]; return element("span", { class: mood(kpi, change) }, changeText(kpi, change)); } },
    { head: t("formula"), cell: (kpi) => kpi.formula },
    { head: t("owner"), cell: (kpi) => kpi.owner },
  ], CONTENT.kpis));
}
