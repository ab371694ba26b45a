// Who is sent where: a table of channels whose cells are the darker the more customers were sent.

import { h } from "./dom.js";
import { hashOf } from "./place.js";
import { channelName, number, share, w } from "./words.js";

export function redirectMatrix(records, place) {
  const rows = ranked(records, "from_channel");
  const columns = ranked(records, "to_channel");
  const most = Math.max(...records.map((record) => record.redirects));
  const cells = new Map(records.map((record) => [`${record.from_channel} ${record.to_channel}`, record]));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": w("redirects.title") },
    h(
      "table",
      { class: "matrix" },
      h("caption", { class: "unseen" }, w("redirects.title")),
      h(
        "thead",
        {},
        h("tr", {}, h("th", { scope: "col", class: "corner" }, w("redirects.corner")),
          columns.map((channel) => h("th", { scope: "col" }, channelName(channel)))),
      ),
      h(
        "tbody",
        {},
        rows.map((from) =>
          h("tr", {}, h("th", { scope: "row" }, channelName(from)),
            columns.map((to) => cell(cells.get(`${from} ${to}`), most, place))),
        ),
      ),
    ),
  );
}

function ranked(records, column) {
  const sums = new Map();
  for (const record of records) sums.set(record[column], (sums.get(record[column]) ?? 0) + record.redirects);
  return [...sums].sort((a, b) => b[1] - a[1]).map(([channel]) => channel);
}

function cell(record, most, place) {
  if (!record) return h("td", { class: "nobody" }, "·");
  const said = w("redirects.cell", {
    n: record.redirects, from: channelName(record.from_channel), to: channelName(record.to_channel),
    arrived: record.arrived, lost: record.lost, solved: record.solved, minutes: record.minutes,
  });
  const filters = { rule: "channel_redirect", channel: record.from_channel };
  const found = h(
    "td",
    {},
    h(
      "a",
      { href: hashOf({ view: "frictions", days: place.days, filters }), title: said, "aria-label": said },
      h("strong", {}, number(record.redirects)),
      h("small", {}, w("redirects.arrived", { share: share(record.arrived, record.redirects) })),
    ),
  );
  found.style.setProperty("--share", `${Math.round(8 + 40 * (record.redirects / most))}%`);
  return found;
}
