// Minutes lost by cause, as ranked bars that are a table.

import { h } from "./dom.js";
import { hashOf } from "./place.js";
import { CAUSES, cause, number, w } from "./words.js";

/** So many causes are shown at once; what follows costs little, and is a click away. */
const FEW = 8;

export function causeBars(records, place) {
  const most = Math.max(...records.map((record) => record.minutes), 1);
  const rest = records.slice(FEW);
  return [
    bars(records.slice(0, FEW), most, place),
    rest.length > 0 && h("details", { class: "more" },
      h("summary", {}, w("causes.more", { n: rest.length })), bars(rest, most, place)),
  ];
}

function bars(records, most, place) {
  return h(
    "table",
    { class: "bars" },
    h("caption", { class: "unseen" }, w("causes.title")),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, w("cause")),
        h("th", { scope: "col", class: "number" }, w("minutes")),
        h("th", { scope: "col", class: "number" }, w("persons")),
      ),
    ),
    h("tbody", {}, records.map((record) => row(record, most, place))),
  );
}

function row(record, most, place) {
  const bar = h("span", { class: `bar ${record.cause in CAUSES && record.cause !== "wait" ? "" : "plain"}`, "aria-hidden": "true" });
  bar.style.inlineSize = `${Math.max((record.minutes / most) * 100, 0.5)}%`;
  const hasFrictions = record.cause !== "wait" && record.cause !== "unknown";
  const name = cause(record.cause);
  const link = hashOf({ view: "frictions", days: place.days, filters: { rule: record.cause } });
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, hasFrictions ? h("a", { href: link }, name) : name, h("span", { class: "track" }, bar)),
    h("td", { class: "number strong" }, number(record.minutes)),
    h("td", { class: "number muted" }, number(record.persons)),
  );
}
