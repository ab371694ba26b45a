// A journey as text: each touchpoint, and what lies before it.

import { h } from "./dom.js";
import { asTable } from "./panel.js";
import { channelName, duration, moment, w } from "./words.js";

/** A pause that is told; shorter ones are how people act. */
export const GAP_MS = 30 * 60_000;
/** So many steps are shown without being asked for. */
const FEW = 12;

/** A journey touchpoint by touchpoint. */
export function stepTable(touchpoints) {
  let until = null;
  const rows = touchpoints.map((touchpoint) => {
    const gap = until === null ? 0 : touchpoint.at - until;
    until = Math.max(until ?? 0, touchpoint.until);
    return { ...touchpoint, gap };
  });
  return asTable(
    w("journey.steps"),
    [
      { title: w("when"), cell: (row) => h("time", { datetime: row.event_time }, moment(row.event_time)) },
      { title: w("before"), cell: (row) => (row.gap >= GAP_MS ? duration(row.gap) : "") },
      { title: w("channel"), cell: (row) => channelName(row.channel) + (row.channel_detail ? ` (${row.channel_detail})` : "") },
      { title: w("what"), cell: stepText },
      { title: w("team"), cell: (row) => row.team },
    ],
    rows,
    { summary: w("journey.steps"), open: rows.length <= FEW },
  );
}

/** What a touchpoint is, in the producers' own words. */
export function stepText(touchpoint) {
  const facts = [
    touchpoint.kind, touchpoint.redirect_to && `→ ${channelName(touchpoint.redirect_to)}`, touchpoint.touchpoint,
    touchpoint.topic, touchpoint.reason, touchpoint.outcome,
    touchpoint.wait_minutes ? w("journey.waited", { duration: duration(touchpoint.wait_minutes * 60_000) }) : "",
  ];
  return facts.filter(Boolean).join(", ");
}
