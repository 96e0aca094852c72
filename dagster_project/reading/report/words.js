// Words, numbers, days and marks as people read them in their language.
const WORDS = JSON.parse(document.getElementById("words").textContent);
const LANGUAGES = { en: "English", ru: "Русский", fa: "فارسی" };
let lang = "en";

const t = (key) => WORDS[lang][key] ?? WORDS.en[key] ?? key;
const kpiName = (kpi) => WORDS[lang].kpis?.[kpi.id] ?? kpi.name;
// a stage, or the step from one to the next: lead>mql
const stageName = (step) => step.split(">").map((stage) => WORDS[lang].stages?.[stage] ?? WORDS.en.stages[stage] ?? stage).join(" → ");
// Gregorian in every language: periods are the calendar's own
const locale = () => ({ en: "en-GB", ru: "ru-RU", fa: "fa-IR-u-ca-gregory" })[lang];

function plainNumber(value, digits) {
  return new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

// as the command line writes it: money with cents below 1,000, rates in percent with one digit
function numberText(value, unit) {
  if (value === null || value === undefined) return "";
  if (unit === "rate" || unit === "percent") return plainNumber(value * 100, 1);
  if (unit === "money" || unit === "money/day") return plainNumber(value, Math.abs(value) < 1000 ? 2 : 0);
  if (unit === "multiple") return plainNumber(value, 2);
  if (["days", "months", "points", "position"].includes(unit)) return plainNumber(value, 1);
  return plainNumber(value, Number.isInteger(value) ? 0 : 2);
}

function unitSign(kpi) {
  return { rate: "%", percent: "%", money: kpi.currency ?? "", "money/day": `${kpi.currency ?? ""}/${t("day_unit")}`, multiple: "×", days: t("days_unit") }[kpi.unit] ?? "";
}

function valueText(kpi, value) {
  const sign = unitSign(kpi), number = numberText(value, kpi.unit);
  if (!sign) return number;
  return ["%", "×"].includes(sign) ? number + sign : `${number}\u00a0${sign}`;
}

const reasonText = (reason) => (reason ? WORDS[lang].reasons[reason] ?? WORDS.en.reasons[reason] ?? reason : t("no_row"));

function changeText(kpi, change) {
  if (change === null || change === undefined) return "";
  const sign = change > 0 ? "+" : change < 0 ? "−" : "±", size = Math.abs(change);
  if (kpi.unit === "rate" || kpi.unit === "percent") return `${sign}${plainNumber(size * 100, 1)}\u00a0${t("points")}`;
  if (kpi.unit === "points") return `${sign}${plainNumber(size, 1)}`;
  return `${sign}${plainNumber(size * 100, 0)}%`;
}

// good, bad or neither: which way is good is the KPI's own
function mood(kpi, change) {
  if (!change || kpi.direction === "context") return "";
  return (change > 0) === (kpi.direction === "higher") ? "good" : "bad";
}

const dayText = (iso) => new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" })
  .format(new Date(`${iso.slice(0, 10)}T00:00:00Z`));
const momentText = (iso) => `${dayText(iso)} ${iso.slice(11, 16)}`;

function periodText(grain, [start, end]) {
  const day = new Date(`${start}T00:00:00Z`);
  if (grain === "month") return new Intl.DateTimeFormat(locale(), { month: "long", year: "numeric", timeZone: "UTC" }).format(day);
  if (grain === "year" && start.endsWith("-01-01")) return plainYear(day);
  if (grain === "quarter") return `${plainYear(day)} · ${dayText(start)} – ${dayText(end)}`;
  return `${dayText(start)} – ${dayText(end)}`;
}
const plainYear = (day) => new Intl.NumberFormat(locale(), { useGrouping: false }).format(day.getUTCFullYear());
const shortPeriod = (start) => start.slice(0, 10);

// the marks of a fact, as the command line has them; `used` collects those that need a legend
function marksOf(fact, used) {
  const flags = (fact.quality ?? "").split(";").map((flag) => flag.trim()).filter((flag) => flag && flag !== "ok");
  const marks = [];
  if (fact.is_running) marks.push("+");
  if (flags.includes("incomplete") || (!fact.is_running && !fact.is_complete)) marks.push("?");
  if (!fact.is_running && !fact.is_final) marks.push("*");
  if (fact.low_n) marks.push("~");
  if (!fact.is_mature) marks.push("^");
  marks.forEach((mark) => used.add(mark));
  const others = flags.filter((flag) => flag !== "incomplete");
  if (others.length) used.add("!");
  return { text: marks.join("") + (others.length ? "!" : ""), says: [...marks.map((mark) => WORDS[lang].marks[mark]), ...others].join("; ") };
}
const legendOf = (used) => [...used].map((mark) => `${mark} ${WORDS[lang].marks[mark]}`).join(" · ");
