// Where customers lose time: numbers, causes, days, redirects, paths.

import { ask } from "./asking.js";
import { causeBars } from "./causes.js";
import { h } from "./dom.js";
import { asTable, panel, drawn } from "./panel.js";
import { pathTable, sankeyPicture } from "./paths.js";
import { redirectMatrix } from "./redirects.js";
import { dayTable, trendPicture } from "./trend.js";
import { number, share, w } from "./words.js";

/** The view for a place; `signal` ends its questions, `span` promises how far the data reaches. */
export function overview(place, { signal, span }) {
  const given = { days: place.days };
  const view = h("div", { class: "grid" });
  view.append(
    numbers(given, signal),
    panel({ title: w("causes.title"), note: w("causes.note"), question: "causes", given, signal }, (answer) =>
      answer.records.length ? causeBars(answer.records, place) : nothing(),
    ),
    panel({ title: w("trend.title"), note: w("trend.hint"), question: "trend", given, signal }, async (answer) => {
      if (!answer.records.length) return nothing();
      const { newest_event_at: newest } = await span;
      return [trendPicture(answer.records, place.days, newest), asTable(w("trend.title"), ...dayTable(answer.records))];
    }),
    panel(
      { title: w("redirects.title"), note: w("redirects.note"), question: "redirects", given, wide: true, signal },
      (answer) => (answer.records.length ? redirectMatrix(answer.records, place) : h("p", { class: "muted" }, w("redirects.none"))),
    ),
    panel({ title: w("paths.title"), note: w("paths.note"), question: "paths", given, wide: true, signal }, (answer) => {
      if (!answer.records.length) return h("p", { class: "muted" }, w("paths.none"));
      const links = answer.records;
      return [drawn((width) => sankeyPicture(links, width)), asTable(w("paths.title"), ...pathTable(links))];
    }),
  );
  return view;
}

function nothing() {
  return h("p", { class: "muted" }, w("empty.period"));
}

function numbers(given, signal) {
  const list = h("dl", { class: "numbers", "aria-busy": "true" });
  const show = async () => {
    try {
      const [totals] = (await ask("totals", given, signal)).records;
      const fact = (value, name, kind = "") =>
        h("div", { class: `fact ${kind}` }, h("dt", {}, name), h("dd", {}, value));
      list.replaceChildren(
        fact(number(totals.minutes), w("number.minutes"), "main"),
        fact(number(totals.journeys), w("number.journeys")),
        fact(number(totals.persons), w("number.persons")),
        fact(share(totals.with_friction, totals.journeys), w("number.with-friction")),
        fact(share(totals.across_channels, totals.journeys), w("number.across")),
        fact(number(totals.over_budget), w("number.over")),
      );
    } catch (error) {
      // The panels below say what is wrong; five times the same message would hide it.
      if (error.name !== "AbortError") list.remove();
    } finally {
      list.setAttribute("aria-busy", "false");
    }
  };
  list.loaded = show();
  return list;
}
