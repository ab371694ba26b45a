// Minutes lost by day, as columns that can be read one by one with the pointer and with arrow keys.

import { h, s } from "./dom.js";
import { drawn } from "./panel.js";
import { day, number, shortDay, w } from "./words.js";

const DAY = 86_400_000;
const LEFT = 44;
const BOTTOM = 24;
const TOP = 10;
/** More columns than that are drawn as weeks or months would be; they get too thin to point at. */
const MOST_COLUMNS = 400;

export function trendPicture(records, days, newest) {
  const columns = filled(records, days, newest);
  const most = columns.reduce((top, column) => (column.minutes > top.minutes ? column : top));
  const told = h("p", { class: "readout", role: "status" }, text(most));
  const picture = drawn((width, height) => picturing(columns, most, { width, height }, told), { fills: true });
  return h("div", { class: "tall" }, picture, told);
}

export function dayTable(records) {
  return [
    [
      { title: w("day"), cell: (record) => day(record.day) },
      { title: w("minutes"), number: true, cell: (record) => number(record.minutes, 1) },
      { title: w("postings"), number: true, cell: (record) => number(record.postings) },
    ],
    records,
  ];
}

/** A column for each day of the period, those without anything too. */
function filled(records, days, newest) {
  const byDay = new Map(records.map((record) => [record.day, record]));
  const last = Date.parse(newest.slice(0, 10));
  const first = days ? last - (days - 1) * DAY : Date.parse(records[0].day);
  const columns = [];
  for (let at = Math.max(first, last - MOST_COLUMNS * DAY); at <= last; at += DAY) {
    const key = new Date(at).toISOString().slice(0, 10);
    const { minutes = 0, postings = 0 } = byDay.get(key) ?? {};
    columns.push({ key, minutes, postings });
  }
  return columns;
}

function text(column) {
  return w("trend.day", { day: day(column.key), minutes: column.minutes, postings: column.postings });
}

/** A round number not below `most`, and the lines below it. */
function scale(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  const step = [0.5, 1, 2, 2.5, 5, 10].map((factor) => (factor * size) / 2).find((each) => each * 4 >= most) ?? size * 5;
  const lines = Math.max(1, Math.ceil(most / step));
  return { top: step * lines, lines: Array.from({ length: lines + 1 }, (_, index) => index * step) };
}

function picturing(columns, most, { width, height }, told) {
  const { top, lines } = scale(most.minutes);
  const plot = { width: width - LEFT, height: height - TOP - BOTTOM };
  const each = plot.width / columns.length;
  const y = (minutes) => TOP + plot.height * (1 - minutes / top);
  const x = (index) => LEFT + index * each;
  const said = w("trend.said", {
    from: day(columns[0].key), until: day(columns.at(-1).key), most: w("min", { n: most.minutes }), day: day(most.key),
  });
  const cursor = s("rect", { class: "cursor", y: TOP, height: plot.height, width: each, visibility: "hidden" });
  const labels = Math.max(1, Math.ceil(columns.length / Math.max(2, Math.floor(plot.width / 80))));
  const picture = s(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said, tabindex: "0", class: "trend" },
    lines.map((line) => [
      s("line", { class: "grid-line", x1: LEFT, x2: width, y1: y(line), y2: y(line) }),
      s("text", { class: "tick", x: LEFT - 8, y: y(line) + 4, "text-anchor": "end" }, number(line, 1)),
    ]),
    cursor,
    columns.map((column, index) =>
      column.minutes > 0 &&
      s("rect", {
        class: "column", x: x(index) + each * 0.14, width: Math.max(each * 0.72, 1), y: y(column.minutes),
        height: Math.max(TOP + plot.height - y(column.minutes), 1), rx: Math.min(2, each / 4),
      }),
    ),
    columns.map((column, index) =>
      index % labels === 0 &&
      s("text", { class: "tick", x: x(index) + each / 2, y: height - 6, "text-anchor": "middle" }, shortDay(column.key)),
    ),
  );
  let at = columns.indexOf(most);
  const tell = (index) => {
    at = Math.min(Math.max(index, 0), columns.length - 1);
    cursor.setAttribute("x", x(at));
    cursor.setAttribute("visibility", "visible");
    told.textContent = text(columns[at]);
  };
  picture.addEventListener("pointermove", (event) => {
    tell(Math.floor((event.clientX - picture.getBoundingClientRect().left - LEFT) / each));
  });
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: columns.length - 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    tell(step);
  });
  return picture;
}
