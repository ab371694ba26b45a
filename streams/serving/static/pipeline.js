// How the pipeline is doing, as ClickHouse knows it.

import { h } from "./dom.js";
import { panel, table } from "./panel.js";
import { duration, moment, number, share, w } from "./words.js";

const MINUTE = 60_000;

export function pipeline(place, { signal }) {
  const given = { days: place.days };
  const view = h("div", { class: "grid" });
  view.append(
    panel({ title: w("span.title"), question: "span", wide: true, signal }, ({ records: [found] }) =>
      h("p", { class: "large" }, w("span.said", {
        n: found.touchpoints, from: moment(found.oldest_event_at), until: moment(found.newest_event_at),
      })),
    ),
    listing("checkpoints", { signal }, [
      { title: w("group"), cell: (row) => row.consumer_group },
      { title: w("topic"), cell: (row) => row.topic },
      { title: w("partition"), number: true, cell: (row) => String(row.partition) },
      { title: w("offset"), number: true, cell: (row) => number(row.next_offset) },
      { title: w("watermark"), cell: (row) => moment(row.watermark) },
      { title: w("behind"), number: true, cell: (row) => behind(row) },
      { title: w("written"), cell: (row) => moment(row.last_written_at) },
    ]),
    listing("producers", { signal, given }, [
      { title: w("source"), cell: (row) => (row.tenant === "default" ? row.source : `${row.tenant}/${row.source}`) },
      { title: w("touchpoints"), number: true, cell: (row) => number(row.touchpoints) },
      { title: w("late"), number: true, cell: (row) => `${number(row.late)} (${share(row.late, row.live)})` },
      { title: w("very-late"), number: true, cell: (row) => number(row.very_late) },
      { title: w("corrected"), number: true, cell: (row) => share(row.corrected, row.touchpoints) },
      { title: w("last-event"), cell: (row) => moment(row.last_event_at) },
    ]),
    listing("dead_letters", { signal, given }, [
      { title: w("reason"), cell: (row) => h("span", { title: row.example }, row.reason) },
      { title: w("stage"), cell: (row) => row.stage },
      { title: w("field"), cell: (row) => row.field || "–" },
      { title: w("topic"), cell: (row) => row.topic },
      { title: w("state"), cell: (row) => row.state },
      { title: w("records"), number: true, cell: (row) => number(row.records) },
      { title: w("last"), cell: (row) => moment(row.last_at) },
    ], "dead"),
  );
  return view;
}

function behind(row) {
  return row.minutes_behind_newest_event === null ? "–" : duration(row.minutes_behind_newest_event * MINUTE);
}

function listing(question, context, columns, words = question) {
  const title = w(`${words}.title`);
  return panel({ title, note: w(`${words}.note`), question, wide: true, ...context }, (answer) =>
    answer.records.length ? table(title, columns, answer.records) : h("p", { class: "muted" }, w(`${words}.none`)),
  );
}
