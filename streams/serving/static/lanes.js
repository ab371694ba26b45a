// A journey to scale: a lane for each channel, time from left to right, what lies between as bars as long as it took.

import { s } from "./dom.js";
import { familyOf } from "./paths.js";
import { GAP_MS, stepText } from "./steps.js";
import { channelName, clock, duration, moment, number, sentence, shortDay, w } from "./words.js";

const LABELS = 104;
const RIGHT = 16;
const LANE = 34;
const AXIS = 30;
const FLAGS = 24;
const TICK = 84;
const DAY = 86_400_000;
const LEAST_STEP = 26;
const DOT = 5.5;
/** Touchpoints nearer than that are drawn as one mark with their number. */
const NEAR = 15;
const LEAST_WIDTH = 560;
const NICE_STEPS = [1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880, 7200, 10080, 20160, 43200].map((minutes) => minutes * 60_000);
/** A label such as `3 d 20 h` fits into a bar of this width. */
const LABEL_WIDTH = 62;

/** Pauses between touchpoints, from the end of what was before to the beginning of what comes next. */
export function gapsOf(touchpoints) {
  const gaps = [];
  let until = null;
  for (const touchpoint of touchpoints) {
    if (until !== null && touchpoint.at - until >= GAP_MS) gaps.push({ from: until, until: touchpoint.at });
    until = Math.max(until ?? 0, touchpoint.until);
  }
  return gaps;
}

/** Where times lie: to scale, or each moment at which something happens as far from the last as every other. */
function placing(touchpoints, isEven, from, to) {
  const moments = [...new Set(touchpoints.map((touchpoint) => touchpoint.at))].sort((a, b) => a - b);
  const end = Math.max(...touchpoints.map((touchpoint) => touchpoint.until), moments[0] + 60_000);
  if (end > moments.at(-1)) moments.push(end);
  if (!isEven) return (at) => from + ((at - moments[0]) / (end - moments[0])) * (to - from);
  const step = (to - from) / (moments.length - 1);
  return (at) => {
    const next = moments.findIndex((each) => each > at);
    if (next === -1) return to;
    if (next === 0) return from;
    return from + step * (next - 1 + (at - moments[next - 1]) / (moments[next] - moments[next - 1]));
  };
}

/** The picture of a journey in `available` pixels; `isEven` gives every step the same room. */
export function lanePicture(touchpoints, frictions, available, { said, isEven }) {
  const width = Math.max(available, LEAST_WIDTH, isEven ? LABELS + touchpoints.length * LEAST_STEP : 0);
  const channels = [...new Set(touchpoints.map((touchpoint) => touchpoint.channel))];
  const first = touchpoints[0].at;
  const last = Math.max(...touchpoints.map((touchpoint) => touchpoint.until), first + 60_000);
  const x = placing(touchpoints, isEven, LABELS + 12, width - RIGHT - 12);
  const top = frictions.length ? FLAGS : 6;
  const y = (channel) => top + LANE * (channels.indexOf(channel) + 0.5);
  const bottom = top + LANE * channels.length;
  const gaps = gapsOf(touchpoints);
  const gapRow = gaps.length ? LANE - 6 : 0;
  const height = bottom + gapRow + AXIS;
  return s(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", class: "lanes", "aria-label": said },
    channels.map((channel, index) => [
      s("rect", { class: index % 2 ? "lane odd" : "lane", x: LABELS, y: top + LANE * index, width: width - LABELS, height: LANE }),
      s("text", { class: "lane-name", x: LABELS - 10, y: y(channel) + 4, "text-anchor": "end" }, channelName(channel)),
    ]),
    axis(isEven ? evenTicks(touchpoints, x) : trueTicks(first, last, x), x, bottom + gapRow, top, height),
    gaps.map((gap) => gapBar(gap, x, bottom + 3, gapRow - 6)),
    gaps.length > 0 && s("text", { class: "lane-name quiet", x: LABELS - 10, y: bottom + gapRow / 2 + 4, "text-anchor": "end" }, w("journey.between")),
    way(touchpoints, x, y),
    touchpoints.map((touchpoint) => spans(touchpoint, x, y)),
    marks(touchpoints, x, y),
    flags(frictions, touchpoints, x, y, top),
  );
}

/** Times at round steps, as many as have room. */
function trueTicks(first, last, x) {
  const step = NICE_STEPS.find((each) => (each / (last - first)) * (x(last) - x(first)) >= TICK) ?? NICE_STEPS.at(-1);
  const ticks = [];
  for (let at = Math.ceil(first / step) * step; at <= last; at += step) ticks.push(at);
  return ticks.length ? ticks : [first];
}

/** Times of touchpoints, as many as have room. */
function evenTicks(touchpoints, x) {
  const ticks = [];
  for (const { at } of touchpoints) if (!ticks.length || x(at) - x(ticks.at(-1)) >= TICK + 20) ticks.push(at);
  return ticks;
}

function axis(ticks, x, base, top, height) {
  const isDaily = ticks.length > 1 && ticks.every((at) => at % DAY === 0);
  let before = "";
  return ticks.map((at) => {
    const onDay = shortDay(at);
    const text = isDaily ? onDay : onDay === before ? clock(at) : `${onDay} ${clock(at)}`;
    before = onDay;
    return [
      s("line", { class: "grid-line", x1: x(at), x2: x(at), y1: top, y2: base }),
      s("text", { class: "tick", x: x(at), y: height - 8, "text-anchor": x(at) < 150 ? "start" : "middle" }, text),
    ];
  });
}

function gapBar(gap, x, y, height) {
  const [from, width] = [x(gap.from), Math.max(x(gap.until) - x(gap.from), 1)];
  const text = duration(gap.until - gap.from);
  return s("g", { class: "gap" },
    s("title", {}, w("journey.gap", { duration: text })),
    s("rect", { x: from, y, width, height, rx: 3 }),
    width >= LABEL_WIDTH && s("text", { x: from + width / 2, y: y + height / 2 + 4, "text-anchor": "middle" }, text));
}

/** The line that the customer's way draws over the lanes. */
function way(touchpoints, x, y) {
  const points = touchpoints.map((touchpoint) => `${x(touchpoint.at).toFixed(1)},${y(touchpoint.channel)}`);
  return s("polyline", { class: "way", points: points.join(" ") });
}

/** What lasts, and what was waited before it, as bars in the lane. */
function spans(touchpoint, x, y) {
  const middle = y(touchpoint.channel);
  const lasts = x(touchpoint.until) - x(touchpoint.at);
  const waited = (touchpoint.wait_minutes ?? 0) * 60_000;
  const since = Math.max(x(touchpoint.at - waited), LABELS);
  return [
    lasts > 1 && s("rect", { class: `lasts ${familyOf(touchpoint.channel)}`, x: x(touchpoint.at), y: middle - 4, width: lasts, height: 8, rx: 4 }),
    waited > 0 && s("line", { class: "waited", x1: since, x2: x(touchpoint.at), y1: middle, y2: middle }),
  ];
}

function marks(touchpoints, x, y) {
  const groups = [];
  const open = new Map();
  for (const touchpoint of touchpoints) {
    const group = open.get(touchpoint.channel);
    if (group && x(touchpoint.at) - x(group[0].at) < NEAR) group.push(touchpoint);
    else {
      const fresh = [touchpoint];
      open.set(touchpoint.channel, fresh);
      groups.push(fresh);
    }
  }
  return groups.map((group) => (group.length === 1 ? mark(group[0], x, y) : crowd(group, x, y)));
}

function told(touchpoint) {
  return `${moment(touchpoint.event_time)} ${stepText(touchpoint)}`;
}

/** Who speaks to whom is told by the shape: a disc, a ring, a square. */
function mark(touchpoint, x, y) {
  const [cx, cy] = [x(touchpoint.at), y(touchpoint.channel)];
  const kind = `mark ${familyOf(touchpoint.channel)}`;
  const title = s("title", {}, told(touchpoint));
  if (touchpoint.direction === "internal") {
    return s("rect", { class: kind, x: cx - DOT + 1, y: cy - DOT + 1, width: 2 * DOT - 2, height: 2 * DOT - 2 }, title);
  }
  return s("circle", { class: touchpoint.direction === "outbound" ? `${kind} ring` : kind, cx, cy, r: DOT }, title);
}

function crowd(group, x, y) {
  const cy = y(group[0].channel);
  const [from, to] = [x(group[0].at), x(group.at(-1).at)];
  const width = Math.max(to - from, 6) + 16;
  return s("g", { class: `crowd ${familyOf(group[0].channel)}` },
    s("title", {}, `${w("touchpoints.n", { n: group.length })}\n${group.slice(0, 12).map(told).join("\n")}`),
    s("rect", { x: (from + to) / 2 - width / 2, y: cy - 9, width, height: 18, rx: 9 }),
    s("text", { x: (from + to) / 2, y: cy + 4, "text-anchor": "middle" }, number(group.length)));
}

/** Frictions as numbered flags above the touchpoint that they hang on; those at one place share a flag. */
function flags(frictions, touchpoints, x, y, top) {
  const places = [];
  for (const friction of frictions) {
    const near = places.find((place) => Math.abs(place.at - x(friction.at)) < 24);
    if (near) near.frictions.push(friction);
    else places.push({ at: x(friction.at), frictions: [friction] });
  }
  return places.map(({ at, frictions: here }) => {
    const keys = new Set(here[0].evidence_touchpoints);
    const anchor = touchpoints.find((touchpoint) => touchpoint.at === here[0].at && keys.has(touchpoint.touchpoint_key));
    const text = here.map((friction) => friction.number).join(" ");
    const width = Math.max(18, 9 + text.length * 7);
    return s("g", { class: "friction-flag" },
      s("title", {}, here.map((friction) => sentence(friction)).join("\n")),
      s("line", { x1: at, x2: at, y1: top - 5, y2: anchor ? y(anchor.channel) - DOT - 2 : top + 8 }),
      s("rect", { x: at - width / 2, y: top - 22, width, height: 17, rx: 4 }),
      s("text", { x: at, y: top - 9.5, "text-anchor": "middle" }, text));
  });
}
