// What the page knows: the facts of each grain, found by KPI, period, cut, member and model. Nothing is computed anew.
const unpacked = (id) => {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
};
const CONTENT = await unpacked("content").json();
const library = document.createElement("script");
library.textContent = await unpacked("library").text();
document.head.append(library);
const KPIS = new Map(CONTENT.kpis.map((kpi, place) => [kpi.id, { ...kpi, place }]));
const TODAY = CONTENT.about.today;
const ALL = "all", TOTAL = "total", NONE = "none";
const indexes = new Map();

// one Map a grain: "kpi|period|cut|member|model" (places in their lists) -> the fact's place in the columns
function indexOf(grain) {
  if (!indexes.has(grain)) {
    const { columns } = CONTENT.grains[grain], index = new Map();
    columns.kpi.forEach((kpi, at) => index.set(
      `${kpi}|${columns.period[at]}|${columns.cut[at]}|${columns.member[at]}|${columns.model[at]}`, at));
    indexes.set(grain, index);
  }
  return indexes.get(grain);
}

// the model whose rows answer for a KPI in a cut: the chosen one where it has rows of it, else the one people are shown
function modelFor(kpi, cut, chosen) {
  return kpi.model_cuts.includes(cut) ? chosen || kpi.model : NONE;
}

function factAt(grain, at) {
  const { columns, members, periods } = CONTENT.grains[grain], marks = columns.marks[at], bits = CONTENT.about.marks;
  const fact = { member: members[columns.member[at]], start: periods[columns.period[at]][0], end: periods[columns.period[at]][1] };
  for (const name of ["value", "numerator", "denominator", "reason", "ci_low", "ci_high", "quality", "previous_value",
    "previous_change", "year_ago_value", "year_ago_change", "target_value", "target_to_date", "target_status"]) fact[name] = columns[name][at];
  for (const [name, bit] of Object.entries(bits)) fact[name] = (marks & bit) !== 0;
  fact.is_running = fact.end >= TODAY;
  return fact;
}

// one fact, or undefined. `period` is a place in the grain's periods, newest first
function factOf(grain, kpiId, period, cut = TOTAL, member = ALL, model = null) {
  const kpi = KPIS.get(kpiId), held = CONTENT.grains[grain];
  if (!kpi || period < 0 || period >= held.periods.length) return undefined;
  const at = indexOf(grain).get([kpi.place, period, held.cuts.indexOf(cut), held.members.indexOf(member),
    held.models.indexOf(modelFor(kpi, cut, model))].join("|"));
  return at === undefined ? undefined : factAt(grain, at);
}

// all members of a cut in a period: member -> {kpi id -> fact}
function membersOf(grain, period, cut, kpiIds, model) {
  const held = CONTENT.grains[grain], { columns } = held, found = new Map(), place = held.cuts.indexOf(cut);
  if (place < 0) return found;
  const wanted = new Map(kpiIds.filter((id) => KPIS.has(id)).map((id) => {
    const kpi = KPIS.get(id);
    return [kpi.place, { id, model: held.models.indexOf(modelFor(kpi, cut, model)) }];
  }));
  for (let at = 0; at < columns.kpi.length; at += 1) {
    if (columns.period[at] !== period || columns.cut[at] !== place) continue;
    const asked = wanted.get(columns.kpi[at]);
    if (!asked || asked.model !== columns.model[at]) continue;
    const fact = factAt(grain, at);
    if (!found.has(fact.member)) found.set(fact.member, {});
    found.get(fact.member)[asked.id] = fact;
  }
  return found;
}

// a KPI's facts of the newest `most` periods, oldest first; undefined where a period has none
function seriesOf(grain, kpiId, last, most, cut = TOTAL, member = ALL, model = null) {
  const found = [];
  for (let period = Math.min(last + most, CONTENT.grains[grain].periods.length) - 1; period >= last; period -= 1) {
    found.push(factOf(grain, kpiId, period, cut, member, model));
  }
  return found;
}
