// Where a number comes from: the query behind it, to read, to copy, to open in ClickHouse, or as a file.

import { add, h } from "./dom.js";
import { w } from "./words.js";

let place = { clickhouse_http: null, database: "journeys" };

/** Tell where ClickHouse is, for links. */
export function setPlace(found) {
  place = found;
}

/** The query as a client takes it: each parameter as `param_name`, then the query. */
export function queryText(answer) {
  const settings = answer.parameters.map(({ name, value }) => `SET param_${name} = ${literal(value)};`);
  return [`-- ${answer.comment}`, ...settings, `${answer.sql};`].join("\n");
}

/** A value as ClickHouse reads one of `param_`: what its text format escapes is escaped. */
function escaped(value) {
  const signs = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0" };
  return String(value).replaceAll(/[\\\t\n\r\0]/g, (sign) => signs[sign]);
}

/** The same in SQL, where a text in quotes is read once more. */
function literal(value) {
  return typeof value === "number" ? String(value) : `'${escaped(value).replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** Link that asks ClickHouse itself over HTTP, or `null` where its address is not known. */
export function queryLink(answer) {
  if (!place.clickhouse_http) return null;
  const link = new URL(place.clickhouse_http);
  link.searchParams.set("database", place.database);
  link.searchParams.set("default_format", "PrettyCompactMonoBlock");
  for (const { name, value } of answer.parameters) link.searchParams.set(`param_${name}`, escaped(value));
  link.searchParams.set("query", answer.sql);
  return link.href;
}

/** Buttons that show the query behind an answer and send it as CSV; `about` names what it is for screen readers. */
export function sourceButtons(answer, about) {
  return h(
    "span",
    { class: "source" },
    h("button", { type: "button", class: "small", "aria-label": `SQL: ${about}`, onclick: () => show(answer) }, "SQL"),
    h("a", { class: "small", href: answer.file, download: "", "aria-label": `CSV: ${about}` }, "CSV"),
  );
}

function show(answer) {
  const dialog = document.getElementById("source");
  const text = queryText(answer);
  const told = h("span", { role: "status", class: "muted" });
  const link = queryLink(answer);
  dialog.replaceChildren();
  add(dialog, [
    h("h2", { id: "source-title" }, w("source.title")),
    h("p", { class: "muted" }, w("source.note", { ms: answer.took_ms, rows: answer.rows.length })),
    h("pre", { tabindex: "0", "aria-label": "SQL" }, text),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", onclick: () => copy(text, told) }, w("source.copy")),
      link && h("a", { class: "button", href: link, target: "_blank", rel: "noopener noreferrer" }, w("source.open")),
      h("a", { class: "button", href: answer.file, download: "" }, w("source.csv")),
      told,
      h("button", { type: "button", class: "last", onclick: () => dialog.close() }, w("close")),
    ),
  ]);
  dialog.showModal();
}

async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = w("source.copied");
  } catch {
    told.textContent = w("source.not-copied");
  }
}
