// One person across channels: their journeys to scale, with frictions and why; or whom to begin with.

import { ask } from "./asking.js";
import { add, h } from "./dom.js";
import { evidenceOf } from "./evidence.js";
import { severityMark } from "./frictions.js";
import { gapsOf, lanePicture } from "./lanes.js";
import { drawn, panel, table, trouble } from "./panel.js";
import { hashOf } from "./place.js";
import { sourceButtons } from "./source.js";
import { stepTable } from "./steps.js";
import { cause, channelName, duration, nearestMiss, number, sentence, status, w } from "./words.js";

const KEY = /^[0-9a-f]{32}$/;
/** Journeys without friction are folded away once there are more than so many journeys. */
const FEW = 3;
const DAY = 86_400_000;

export function timeline(place, { signal, go, span }) {
  return place.key ? person(place, signal, span) : persons(place, signal, go);
}

function persons(place, signal, go) {
  const link = (key) => hashOf({ view: "timeline", key, days: place.days });
  return h(
    "div",
    { class: "grid" },
    h("div", { class: "panel wide" }, search((key) => go({ ...place, key, filters: {} }))),
    panel(
      { title: w("person.most"), note: w("person.most.note"), question: "persons", given: { days: place.days }, wide: true, signal },
      (answer) => answer.records.length ? table(
        w("person.most"),
        [
          { title: w("person"), cell: (row) => h("a", { href: link(row.person_key) }, h("code", {}, row.person_key)) },
          { title: w("minutes"), number: true, cell: (row) => number(row.minutes, 1) },
          { title: w("journeys"), number: true, cell: (row) => number(row.journeys) },
          { title: w("journey.frictions"), number: true, cell: (row) => number(row.frictions) },
        ],
        answer.records,
      ) : h("p", { class: "muted" }, w("empty.period")),
    ),
  );
}

function search(open) {
  const told = h("p", { class: "muted", id: "person-hint", role: "status" }, w("person.hint"));
  const input = h("input", { type: "search", name: "person", id: "person-key", autocomplete: "off", spellcheck: "false",
    "aria-describedby": "person-hint", size: "36" });
  return h(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => {
      event.preventDefault();
      const key = input.value.trim().toLowerCase();
      const isKey = KEY.test(key);
      input.setAttribute("aria-invalid", String(!isKey));
      if (isKey) open(key);
      else told.textContent = w("person.bad", { n: key.length });
    } },
    h("label", { for: "person-key" }, h("span", {}, w("person.search")), input),
    h("button", { type: "submit" }, w("person.open")),
    told,
  );
}

function person(place, signal, span) {
  const view = h("div", { class: "person", "aria-busy": "true", "data-question": "person" });
  const load = async () => {
    view.setAttribute("aria-busy", "true");
    try {
      const key = { person: place.key };
      const [reach, numbers, touchpoints, journeys, frictions] = await Promise.all([
        span,
        ...["person", "person_touchpoints", "person_journeys", "person_frictions"].map((name) => ask(name, key, signal)),
      ]);
      view.replaceChildren();
      add(view, story(place, reach, { numbers, touchpoints, journeys, frictions }));
    } catch (error) {
      if (error.name === "AbortError") return;
      view.replaceChildren(trouble(error, load));
    }
    view.setAttribute("aria-busy", "false");
  };
  view.loaded = load();
  return view;
}

function story(place, span, answers) {
  const back = h("p", {}, h("a", { href: hashOf({ view: "timeline", days: place.days }) }, `← ${w("person.back")}`));
  const touchpoints = answers.touchpoints.records.map((touchpoint) => ({
    ...touchpoint, at: Date.parse(touchpoint.event_time), until: Date.parse(touchpoint.end_time),
  }));
  if (!touchpoints.length) return [back, h("section", { class: "panel wide" }, h("p", {}, w("person.nobody")))];
  const frictions = answers.frictions.records.map((friction, index) => ({
    ...friction, number: index + 1, at: Date.parse(friction.anchor_at),
  }));
  const [numbers] = answers.numbers.records;
  const byKey = new Map(touchpoints.map((touchpoint) => [touchpoint.touchpoint_key, touchpoint]));
  const told = new Set();
  const parts = answers.journeys.records.map((journey, index) => {
    journey.touchpoint_keys.forEach((key) => told.add(key));
    return {
      number: index + 1,
      journey,
      touchpoints: journey.touchpoint_keys.map((key) => byKey.get(key)).filter(Boolean),
      frictions: frictions.filter((friction) => friction.journey_id === journey.journey_id),
    };
  });
  const rest = touchpoints.filter((touchpoint) => !told.has(touchpoint.touchpoint_key));
  if (rest.length) parts.push({ number: 0, journey: null, touchpoints: rest, frictions: [] });
  const since = place.days ? Date.parse(span.newest_event_at) - place.days * DAY : -Infinity;
  const isAsked = (part) => part.frictions.some((friction) => friction.friction_id === place.filters.friction);
  const outside = parts.filter((part) => (part.touchpoints.at(-1)?.at ?? since) < since && !isAsked(part));
  // What hurt comes first; what went well is a click away.
  const quiet = parts.filter((part) => parts.length > FEW && !part.frictions.length && !outside.includes(part));
  return [
    back,
    h(
      "section",
      { class: "panel wide", "aria-labelledby": "person-title" },
      h("div", { class: "panel-head" },
        h("h2", { id: "person-title" }, `${w("person")} `, h("code", {}, place.key)),
        h("div", { class: "panel-tools" }, sourceButtons(answers.touchpoints, w("touchpoints")))),
      numbers && h("p", { class: "note" }, w("person.sums", {
        touchpoints: numbers.touchpoints, journeys: numbers.journeys, frictions: numbers.frictions, minutes: Math.round(numbers.effort_minutes),
      })),
      answers.touchpoints.records.length >= 5000 && h("p", { class: "note" }, w("person.cut", { n: 5000 })),
      h("div", { class: "below" }, legend(), scales(place)),
    ),
    parts.filter((part) => !outside.includes(part) && !quiet.includes(part)).map((part) => journeyPanel(part, place, answers)),
    folded("journey.more", quiet, place, answers),
    folded("journey.outside", outside, place, answers),
  ];
}

function folded(words, parts, place, answers) {
  if (!parts.length) return null;
  const box = h("details", { class: "quiet" }, h("summary", {}, w(words, { n: parts.length })));
  // Drawn when it is looked at: somebody may have hundreds of journeys.
  box.addEventListener("toggle", () => {
    if (box.open && box.childElementCount === 1) add(box, parts.map((part) => journeyPanel(part, place, answers)));
  });
  return box;
}

function scales(place) {
  const link = (scale) => h("a", {
    "data-focus": `scale-${scale}`, "aria-current": (place.filters.scale ?? "true") === scale ? "true" : null,
    href: hashOf({ ...place, filters: { ...place.filters, scale: scale === "even" ? scale : "" } }),
  }, w(`scale.${scale}`));
  return h("div", { class: "periods", role: "group", "aria-label": w("scale") }, link("true"), link("even"));
}

function legend() {
  const entry = (kind, text) => h("li", {}, h("span", { class: `sign ${kind}`, "aria-hidden": "true" }), text);
  return h("ul", { class: "legend" },
    entry("inbound", w("legend.inbound")), entry("outbound", w("legend.outbound")), entry("internal", w("legend.internal")),
    entry("gap", w("legend.gap")), entry("friction", w("legend.friction")));
}

function journeyPanel({ number: index, journey, touchpoints, frictions }, place, answers) {
  const id = `journey-${index}`;
  const title = journey ? w("journey.title", { n: index, topic: journey.topic || w("journey.no-topic") }) : w("journey.none");
  const box = h("section", { class: "panel wide journey", "aria-labelledby": id });
  const facts = journey && w("journey.facts", {
    channels: journey.channels.map(channelName).join(" → "), status: status(journey.status),
    duration: duration(Date.parse(journey.last_event_at) - Date.parse(journey.opened_at)),
    minutes: Math.round(journey.effort_minutes),
  });
  add(box, [
    h("div", { class: "panel-head" }, h("h2", { id }, title),
      h("div", { class: "panel-tools" }, journey && sourceButtons(answers.journeys, title))),
    facts && h("p", { class: "note" }, facts),
    touchpoints.length > 0 && drawn((width) => lanePicture(touchpoints, frictions, width, {
      said: spoken(touchpoints, frictions), isEven: place.filters.scale === "even",
    })),
    frictions.length > 0 && frictionList(frictions, place, answers),
    touchpoints.length > 0 && stepTable(touchpoints),
  ]);
  return box;
}

function spoken(touchpoints, frictions) {
  const gaps = gapsOf(touchpoints);
  const longest = gaps.reduce((most, gap) => Math.max(most, gap.until - gap.from), 0);
  const channels = [...new Set(touchpoints.map((touchpoint) => channelName(touchpoint.channel)))].join(", ");
  return w("journey.said", { n: touchpoints.length, channels, gaps: gaps.length, longest: duration(longest), frictions: frictions.length });
}

function frictionList(frictions, place, answers) {
  return h(
    "div",
    { class: "found" },
    h("h3", {}, w("journey.frictions"), " ", sourceButtons(answers.frictions, w("journey.frictions"))),
    h("ol", {}, frictions.map((friction) => {
      const details = h("details", { open: place.filters.friction === friction.friction_id },
        h("summary", {}, h("span", { class: "flag" }, String(friction.number)), severityMark(friction.severity), " ",
          sentence(friction)));
      const more = () => {
        if (details.open && details.childElementCount === 1) details.append(evidenceOf(friction.friction_id));
      };
      details.addEventListener("toggle", more);
      more();
      const about = [cause(friction.rule_id), friction.team, w("min", { n: Math.round(friction.minutes) }), nearestMiss(friction)];
      return h("li", {}, details, h("p", { class: "muted" }, about.filter(Boolean).join(" · ")));
    })),
  );
}
