// The headline board, and the KPI that was picked from it: its line over time, and which channels moved it.
const SPARKS = 13, TREND = 25;

const headline = () => CONTENT.kpis.filter((kpi) => kpi.headline !== null);

// a card's fact follows the channel that was chosen; without rows by channel there is none
function chosenFact(state, kpi, period = state.period) {
  if (state.channel === ALL) return factOf(state.grain, kpi.id, period, TOTAL, ALL, state.model);
  return factOf(state.grain, kpi.id, period, "channel", state.channel, state.model);
}

function chosenSeries(state, kpi, most) {
  const [cut, member] = state.channel === ALL ? [TOTAL, ALL] : ["channel", state.channel];
  return seriesOf(state.grain, kpi.id, state.period, most, cut, member, state.model);
}

function drawBoard(state, pick) {
  const used = new Set();
  const cards = headline().map((kpi) => card(state, kpi, used, pick));
  document.querySelector("#board .cards").replaceChildren(...cards);
  document.querySelector("#board .legend").textContent = legendOf(used);
}

function card(state, kpi, used, pick) {
  const fact = chosenFact(state, kpi), marks = fact ? marksOf(fact, used) : { text: "", says: "" };
  const has = fact && fact.value !== null;
  const value = element("span", { class: has ? "value" : "value none", "data-kpi": kpi.id, "data-value": has ? fact.value : "" },
    has ? valueText(kpi, fact.value) : noValue(kpi, fact));
  if (marks.text) value.append(element("abbr", { class: "marks", title: marks.says }, marks.text));
  return element("button", { class: "card", type: "button", "aria-pressed": String(state.kpi === kpi.id), title: kpi.formula, onclick: () => pick(kpi.id) },
    element("span", { class: "name" }, kpiName(kpi)), value, changeLine(state, kpi, fact), targetLine(kpi, fact), sparkline(chosenSeries(state, kpi, SPARKS)));
}

// why there is no number: a reason, no row of the channel, or a KPI that nobody can split by channel
const noValue = (kpi, fact) => (fact ? reasonText(fact.reason) : kpi.cuts.includes("channel") ? t("no_row") : t("not_cut"));

function changeLine(state, kpi, fact) {
  const change = fact?.[`${state.against}_change`], before = fact?.[`${state.against}_value`];
  if (change === null || change === undefined) return element("span", { class: "change cut" }, t("no_comparison"));
  const interval = fact.ci_low !== null ? ` · ${t("interval")} ${numberText(fact.ci_low, kpi.unit)}–${numberText(fact.ci_high, kpi.unit)}` : "";
  return element("span", { class: `change ${mood(kpi, change)}` }, `${changeText(kpi, change)} (${valueText(kpi, before)})`,
    element("span", { class: "cut" }, interval));
}

function targetLine(kpi, fact) {
  if (fact?.target_value === null || fact?.target_value === undefined) return null;
  const status = fact.target_status, tone = ["met", "on_track"].includes(status) ? "good" : "bad";
  const pace = fact.is_running && fact.target_to_date !== null ? ` · ${t("to_date")} ${valueText(kpi, fact.target_to_date)}` : "";
  return element("span", { class: `target ${status ? tone : ""}` }, `${t("target")} ${valueText(kpi, fact.target_value)}${pace}${status ? ` · ${t(status)}` : ""}`);
}

function drawTrend(state) {
  const kpi = KPIS.get(state.kpi), section = document.getElementById("trend");
  section.querySelector("h2").textContent = kpiName(kpi) + (state.channel === ALL ? "" : ` · ${state.channel}`);
  section.querySelector(".says").textContent = `${kpi.formula}. ${t("owner")}: ${kpi.owner}.`;
  const facts = chosenSeries(state, kpi, TREND).filter(Boolean), scale = ["rate", "percent"].includes(kpi.unit) ? 100 : 1;
  const points = facts.flatMap((fact) => [
    { at: fact.start, value: fact.value === null ? null : fact.value * scale, low: fact.ci_low === null ? null : fact.ci_low * scale, high: fact.ci_high === null ? null : fact.ci_high * scale, what: t("this_period"), is_final: fact.is_final, said: fact.value === null ? reasonText(fact.reason) : valueText(kpi, fact.value) },
    { at: fact.start, value: fact.year_ago_value === null ? null : fact.year_ago_value * scale, low: null, high: null, what: t("year_ago"), is_final: true, said: valueText(kpi, fact.year_ago_value) },
  ]);
  const x = { field: "at", type: "temporal", title: null, timeUnit: "utcyearmonthdate", axis: { format: state.grain === "week" ? "%d.%m.%y" : "%m.%Y", labelOverlap: true } };
  const y = { field: "value", type: "quantitative", title: unitSign(kpi) || null };
  const colour = { field: "what", type: "nominal", title: null, sort: [t("this_period"), t("year_ago")], scale: { range: [css("--accent"), css("--dim")] } };
  const tooltip = [{ field: "at", type: "temporal", format: "%Y-%m-%d", title: t("period") }, { field: "what", title: " " }, { field: "said", title: kpiName(kpi) }];
  const layers = [
    { transform: [{ filter: "datum.low != null" }], mark: { type: "area", opacity: 0.14, color: css("--accent") }, encoding: { x, y: { field: "low", type: "quantitative" }, y2: { field: "high" } } },
    { mark: { type: "line" }, encoding: { x, y, color: colour, strokeDash: { field: "what", type: "nominal", legend: null, sort: [t("this_period"), t("year_ago")], scale: { range: [[1, 0], [4, 3]] } } } },
    { mark: { type: "point", filled: true, size: 40 }, encoding: { x, y, color: colour, stroke: { ...colour, legend: null }, fillOpacity: { condition: { test: "datum.is_final", value: 1 }, value: 0 }, tooltip } },
  ];
  draw(section.querySelector(".line"), { height: 260, data: { values: points }, layer: layers }, `${kpiName(kpi)}: ${t("over_time")}`, [
    { head: t("period"), cell: (fact) => periodText(state.grain, [fact.start, fact.end]) },
    { head: t("value"), number: true, cell: (fact) => (fact.value === null ? reasonText(fact.reason) : valueText(kpi, fact.value)), data: (fact) => ({ "data-kpi": kpi.id, "data-start": fact.start, "data-value": fact.value ?? "" }) },
    { head: t("year_ago"), number: true, cell: (fact) => valueText(kpi, fact.year_ago_value) },
    { head: t("marks_head"), cell: (fact) => marksOf(fact, new Set()).says },
  ], [...facts].reverse());
  drawMoved(state, kpi, section.querySelector(".moved"));
}

// what adds up over channels is split exactly: the differences of the channels are the difference of the total
function drawMoved(state, kpi, figure) {
  figure.replaceChildren();
  if (state.channel !== ALL) return;
  const now = chosenFact(state, kpi), before = factOf(state.grain, kpi.id, state.period + 1, TOTAL, ALL, state.model);
  if (!kpi.adds_up || !kpi.cuts.includes("channel") || !now || now.value === null || now.is_running || !before || before.value === null) return;
  const [here, there] = [0, 1].map((back) => membersOf(state.grain, state.period + back, "channel", [kpi.id], state.model));
  const names = [...new Set([...here.keys(), ...there.keys()])];
  const rows = names.map((channel) => ({ channel, by: (here.get(channel)?.[kpi.id]?.value ?? 0) - (there.get(channel)?.[kpi.id]?.value ?? 0) }))
    .filter((row) => row.by !== 0).sort((a, b) => b.by - a.by);
  if (!rows.length) return;
  const whole = now.value - before.value, rest = whole - rows.reduce((sum, row) => sum + row.by, 0);
  if (Math.abs(rest) > Math.abs(whole) * 1e-6 + 0.005) rows.push({ channel: t("not_by_channel"), by: rest });
  const shown = rows.map((row) => ({ ...row, said: valueText(kpi, row.by), tone: row.by > 0 === (kpi.direction !== "lower") ? "good" : "bad" }));
  draw(figure, {
    height: { step: 22 }, data: { values: shown }, mark: { type: "bar", cornerRadius: 2 },
    encoding: {
      y: { field: "channel", type: "nominal", sort: null, title: null, axis: { labelLimit: 140 } }, x: { field: "by", type: "quantitative", title: unitSign(kpi) || null },
      color: { field: "tone", type: "nominal", legend: null, scale: { domain: ["good", "bad"], range: kpi.direction === "context" ? [css("--accent"), css("--accent")] : [css("--good"), css("--bad")] } },
      tooltip: [{ field: "channel", title: t("channel") }, { field: "said", title: t("difference") }],
    },
  }, `${t("moved")}: ${whole > 0 ? "+" : ""}${valueText(kpi, whole)}`, [
    { head: t("channel"), cell: (row) => row.channel }, { head: t("difference"), number: true, cell: (row) => row.said },
  ], shown);
  figure.prepend(element("strong", {}, `${t("moved")} (${whole > 0 ? "+" : ""}${valueText(kpi, whole)})`));
}
