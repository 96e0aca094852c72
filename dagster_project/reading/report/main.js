// The state of the page: chosen by the controls, kept in the address, so that a look can be sent to somebody.
const GRAINS = ["week", "month", "quarter", "year"].filter((grain) => CONTENT.grains[grain].periods.length);
const state = { grain: GRAINS.includes("month") ? "month" : GRAINS[0], period: 0, against: "previous", channel: ALL, model: null, kpi: headline()[0]?.id ?? CONTENT.kpis[0]?.id };
const controls = document.getElementById("controls");

// the latest period that is over, as the scoreboard: a running one says little
function latestWhole(grain) {
  const place = CONTENT.grains[grain].periods.findIndex(([, end]) => end < TODAY);
  return place < 0 ? 0 : place;
}

function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  lang = LANGUAGES[asked.get("lang")] ? asked.get("lang") : lang;
  if (GRAINS.includes(asked.get("grain"))) state.grain = asked.get("grain");
  const place = CONTENT.grains[state.grain].periods.findIndex(([start]) => start === asked.get("period"));
  state.period = place >= 0 ? place : latestWhole(state.grain);
  state.against = asked.get("against") === "year_ago" ? "year_ago" : "previous";
  state.channel = channels().includes(asked.get("channel")) ? asked.get("channel") : ALL;
  state.model = models().includes(asked.get("model")) ? asked.get("model") : shownModel();
  if (KPIS.has(asked.get("kpi"))) state.kpi = asked.get("kpi");
}

function writeAddress() {
  const said = new URLSearchParams({ lang, grain: state.grain, period: CONTENT.grains[state.grain].periods[state.period][0], against: state.against, channel: state.channel, model: state.model ?? "", kpi: state.kpi });
  history.replaceState(null, "", `#${said}`);
}

function channels() {
  const held = CONTENT.grains[state.grain], place = held.cuts.indexOf("channel"), found = new Set();
  held.columns.cut.forEach((cut, at) => { if (cut === place) found.add(held.members[held.columns.member[at]]); });
  return [...found].sort();
}
const models = () => CONTENT.grains[state.grain].models.filter((model) => model !== NONE).sort();
const shownModel = () => CONTENT.kpis.map((kpi) => kpi.model).find((model) => model !== NONE) ?? null;

function choices(id, options, chosen) {
  document.getElementById(id).replaceChildren(...options.map(([value, text]) => {
    const option = element("option", { value }, text);
    option.selected = String(value) === String(chosen);
    return option;
  }));
}

function drawControls() {
  choices("grain", GRAINS.map((grain) => [grain, t(grain)]), state.grain);
  choices("period", CONTENT.grains[state.grain].periods.map((period, place) => [place, periodText(state.grain, period) + (period[1] >= TODAY ? " +" : "")]), state.period);
  choices("against", ["previous", "year_ago"].map((name) => [name, t(name)]), state.against);
  choices("channel", [[ALL, t("all_channels")], ...channels().map((name) => [name, name])], state.channel);
  choices("model", models().map((name) => [name, name]), state.model);
  choices("lang", Object.entries(LANGUAGES), lang);
}

function drawPage() {
  document.documentElement.lang = lang;
  document.documentElement.dir = lang === "fa" ? "rtl" : "ltr";
  document.querySelectorAll("[data-word]").forEach((place) => { place.textContent = t(place.dataset.word); });
  document.title = `${t("title")} · ${periodText(state.grain, CONTENT.grains[state.grain].periods[state.period])}`;
  const made = CONTENT.about.made_at;
  document.getElementById("made").textContent = `${made ? `${t("made")} ${momentText(made)}` : ""} · ${periodText(state.grain, CONTENT.grains[state.grain].periods[state.period])}`;
  forgetCharts();
  drawControls();
  drawBoard(state, (kpi) => { state.kpi = kpi; changed(); });
  drawTrend(state);
  drawFunnel(state);
  drawChannels(state);
  drawLists(state);
}

function changed() {
  const focused = document.activeElement?.id, pressed = document.activeElement?.classList.contains("card");
  writeAddress();
  drawPage();
  if (focused) document.getElementById(focused)?.focus();
  else if (pressed) document.querySelector('.card[aria-pressed="true"]')?.focus();
}

controls.addEventListener("change", (event) => {
  const { id, value } = event.target;
  if (id === "grain") { state.grain = value; state.period = latestWhole(value); state.channel = channels().includes(state.channel) ? state.channel : ALL; }
  else if (id === "period") state.period = Number(value);
  else if (id === "lang") lang = value;
  else state[id] = value;
  changed();
});
controls.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => { readAddress(); drawPage(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPage);
if (GRAINS.length) {
  readAddress();
  drawPage();
} else {  // a home that has no KPI rows yet
  document.querySelector("main").replaceChildren(element("p", {}, t("nothing")));
}
