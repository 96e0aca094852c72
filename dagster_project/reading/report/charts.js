// Elements and charts: every chart has a table behind it, and none is drawn before it is needed.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  // text stays text: whatever a name holds, it is never read as markup
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// columns: {head, cell(row) -> text or element, number?}
function table(columns, rows, caption = null, id = null) {
  const head = element("tr", {}, ...columns.map((column) => element("th", { scope: "col", class: column.number ? "number" : "" }, column.head)));
  const body = rows.map((row) => element("tr", {}, ...columns.map((column) => {
    const cell = element("td", { class: column.number ? "number" : "text", ...(column.data?.(row) ?? {}) });
    const shown = column.cell(row);
    cell.append(shown ?? "");
    return cell;
  })));
  return element("table", id ? { id } : {}, caption ? element("caption", {}, caption) : null, element("thead", {}, head), element("tbody", {}, ...body));
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let drawn = [];

function draw(figure, spec, label, columns, rows) {
  figure.replaceChildren();
  const place = element("div", { role: "img", "aria-label": label });
  figure.append(place, element("details", {}, element("summary", {}, t("as_table")), element("div", { class: "table" }, table(columns, rows, label))));
  const config = {
    background: null, font: "system-ui, sans-serif", view: { stroke: null },
    axis: { labelColor: css("--dim"), titleColor: css("--dim"), gridColor: css("--rule"), domainColor: css("--rule"), tickColor: css("--rule"), labelFontSize: 11 },
    legend: { labelColor: css("--dim"), titleColor: css("--dim"), orient: "top" },
  };
  const options = { actions: false, renderer: "svg", config, tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" } };
  const made = vegaEmbed(place, { $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", autosize: { type: "fit", contains: "padding" }, ...spec }, options);
  drawn.push(made.then((result) => result.finalize).catch((error) => place.append(String(error))));
}

// what was drawn for the last look is let go before the next
function forgetCharts() {
  drawn.forEach((made) => made.then((finalize) => finalize?.()));
  drawn = [];
}

// twelve periods in a card: a line where there are values, a gap where there are none
function sparkline(facts) {
  const values = facts.map((fact) => fact?.value ?? null), known = values.filter((value) => value !== null);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  if (known.length < 2) return svg;
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const at = (value, place) => `${(place * 100) / (values.length - 1)} ${27 - ((value - low) * 24) / span}`;
  let path = "", open = false;
  values.forEach((value, place) => {
    if (value === null) { open = false; return; }
    path += `${open ? "L" : "M"}${at(value, place)}`;
    open = true;
  });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
