// What happened, one sentence a row: filters, order, pages, and the evidence on demand.

import { ask } from "./asking.js";
import { add, h, unseen } from "./dom.js";
import { evidenceOf } from "./evidence.js";
import { trouble } from "./panel.js";
import { hashOf } from "./place.js";
import { sourceButtons } from "./source.js";
import { cause, channelName, moment, number, sentence, w } from "./words.js";

const PER_PAGE = 50;
const ORDERS = ["newest", "oldest", "minutes", "severity"];
const TYPING_PAUSE_MS = 350;

export function frictions(place, { signal, go }) {
  const { rule, team, channel, severity, text, order, page } = place.filters;
  const filter = { days: place.days, rule, team, channel, severity, text };
  const number_ = Math.max(1, Number(page) || 1);
  const change = (changes) => go({ ...place, filters: { ...place.filters, page: "", ...changes } });
  const said = h("p", { class: "note", role: "status" });
  const tools = h("div", { class: "panel-tools" });
  const list = h("div", { class: "panel-box" });
  const view = h(
    "section",
    { class: "panel wide", "aria-labelledby": "frictions-title", "aria-busy": "true", "data-question": "frictions" },
    filters(place, filter, change, signal),
    h("div", { class: "panel-head" }, h("h2", { id: "frictions-title" }, w("frictions.title")), tools),
    said,
    list,
  );
  const load = async () => {
    view.setAttribute("aria-busy", "true");
    try {
      const [sums, answer] = await Promise.all([
        ask("friction_sums", filter, signal),
        ask("frictions", { ...filter, order, limit: PER_PAGE, offset: (number_ - 1) * PER_PAGE }, signal),
      ]);
      const [all] = sums.records;
      said.textContent = w("frictions.sums", { n: all.frictions, persons: all.persons, minutes: all.minutes });
      tools.replaceChildren(sourceButtons(answer, w("frictions.title")));
      list.replaceChildren();
      add(list, all.frictions === 0
        ? h("p", { class: "muted" }, w("frictions.none"))
        : [rows(answer.records, place), pages(number_, all.frictions, place)]);
    } catch (error) {
      if (error.name === "AbortError") return;
      list.replaceChildren(trouble(error, load));
    }
    view.setAttribute("aria-busy", "false");
  };
  view.loaded = load();
  return view;
}

function filters(place, filter, change, signal) {
  let typing;
  const field = (name, control) => h("label", {}, h("span", {}, w(`filter.${name}`)), control);
  const choice = (name, options) =>
    h("select", { name, onchange: (event) => change({ [name]: event.target.value }) }, options);
  const text = h("input", {
    type: "search", name: "text", value: filter.text ?? "", autocomplete: "off", maxlength: "200",
    oninput: (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => change({ text: event.target.value.trim() }), TYPING_PAUSE_MS);
    },
  });
  const selects = { rule: choice("rule", []), team: choice("team", []), channel: choice("channel", []) };
  const names = { rule: cause, team: (value) => value, channel: channelName };
  for (const [name, select] of Object.entries(selects)) fill(select, [], filter[name], names[name]);
  ask("friction_words", { days: place.days }, signal).then(
    ({ records }) => {
      for (const [name, select] of Object.entries(selects)) {
        fill(select, records.filter((record) => record.column === name), filter[name], names[name]);
      }
    },
    () => undefined, // What is wrong is told where the frictions would be.
  );
  const severity = choice("severity", [1, 2, 3, 4, 5].map((least) =>
    h("option", { value: least === 1 ? "" : String(least), selected: String(least) === (filter.severity ?? "1") }, String(least))));
  const order = choice("order", ORDERS.map((each) =>
    h("option", { value: each === "newest" ? "" : each, selected: each === (place.filters.order ?? "newest") }, w(`order.${each}`))));
  return h(
    "form",
    { class: "filters", role: "search", "aria-label": w("filter"), onsubmit: (event) => {
      event.preventDefault();
      change({ text: text.value.trim() });
    } },
    field("text", text), field("rule", selects.rule), field("team", selects.team), field("channel", selects.channel),
    field("severity", severity), field("order", order),
    h("a", { class: "button", href: hashOf({ view: "frictions", days: place.days }) }, w("filter.clear")),
  );
}

function fill(select, records, chosen, name) {
  const values = records.map((record) => [record.value, `${name(record.value)} (${number(record.frictions)})`]);
  if (chosen && !values.some(([value]) => value === chosen)) values.push([chosen, name(chosen)]);
  select.replaceChildren(
    h("option", { value: "" }, w("filter.any")),
    ...values.map(([value, text]) => h("option", { value, selected: value === (chosen ?? "") }, text)),
  );
}

/** Severity as dots for the eye and as words for the ear. */
export function severityMark(severity) {
  return h(
    "span",
    { class: `severity s${severity}` },
    h("span", { "aria-hidden": "true" }, "●".repeat(severity), h("span", { class: "off" }, "●".repeat(5 - severity))),
    unseen(w("severity.of", { n: severity })),
  );
}

function rows(records, place) {
  const heads = ["when", "severity", "what", "team", "minutes", "person", "evidence"];
  // On a narrow screen rows become cards, and tables that are displayed otherwise lose their roles: they are given.
  return h(
    "table",
    { class: "frictions", role: "table" },
    h("caption", { class: "unseen" }, w("frictions.title")),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) =>
      h("th", { scope: "col", role: "columnheader", class: head === "minutes" && "number" }, w(head))))),
    h("tbody", { role: "rowgroup" }, records.map((record) => row(record, place))),
  );
}

function row(friction, place) {
  const told = sentence(friction);
  const where = [friction.from_channel, friction.to_channel].filter(Boolean).map(channelName);
  const about = [cause(friction.rule_id), [...new Set(where)].join(" → "), friction.topic].filter(Boolean).join(" · ");
  const id = `why-${friction.friction_id}`;
  const why = h("button", { type: "button", class: "small", "aria-expanded": "false", "aria-controls": id,
    "aria-label": w("evidence.of", { sentence: told }) }, w("evidence"));
  const cell = (name, ...content) => h("td", { role: "cell", class: name }, ...content);
  const line = h(
    "tr",
    { role: "row" },
    cell("when", h("time", { datetime: friction.anchor_at }, moment(friction.anchor_at))),
    cell("how", severityMark(friction.severity)),
    cell("what", h("p", {}, told), h("p", { class: "muted" }, about)),
    cell("team", friction.team || "–"),
    cell("number min", number(friction.minutes, 1), h("span", { class: "unit" }, " min")),
    cell("who", h("a", { href: hashOf({ view: "timeline", key: friction.person_key, days: place.days, filters: { friction: friction.friction_id } }),
      "aria-label": w("to-timeline.of", { person: friction.person_key }) }, friction.person_key.slice(0, 8))),
    cell("why", why),
  );
  const box = h("tr", { role: "row", class: "why-row", hidden: true, id }, h("td", { role: "cell", colspan: "7" }));
  why.addEventListener("click", () => {
    const opens = box.hidden;
    box.hidden = !opens;
    why.setAttribute("aria-expanded", String(opens));
    if (opens && !box.firstChild.childNodes.length) box.firstChild.append(evidenceOf(friction.friction_id));
  });
  return [line, box];
}

function pages(page, all, place) {
  const last = Math.max(1, Math.ceil(all / PER_PAGE));
  const link = (name, to, isThere) =>
    isThere
      ? h("a", { class: "button", "data-focus": `page-${name}`,
        href: hashOf({ ...place, filters: { ...place.filters, page: to > 1 ? to : "" } }) }, w(`page.${name}`))
      : h("span", { class: "button off", "aria-disabled": "true" }, w(`page.${name}`));
  return h(
    "nav",
    { class: "pages", "aria-label": w("pages") },
    link("before", page - 1, page > 1),
    h("span", {}, w("page.said", { first: Math.min((page - 1) * PER_PAGE + 1, all), last: Math.min(page * PER_PAGE, all), all })),
    link("after", page + 1, page < last),
  );
}
