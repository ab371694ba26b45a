// Ways through the channels. A channel may come again, and a Sankey diagram cannot go back: each step is a node of its own.

import { s } from "./dom.js";
import { sankey, sankeyLinkHorizontal } from "./vendor/d3-sankey.js";
import { channelName, number, w } from "./words.js";

const ROW = 26;
const LEAST_HEIGHT = 220;
const MOST_HEIGHT = 520;
const NODE = 10;
const LEAST_STEP_WIDTH = 150;
/** What a character of a name takes at most, on average, and the number after it. */
const CHARACTER = 7.2;
const COUNT = 58;

/** Classes by kind of channel, so that the same channel looks the same everywhere. */
const FAMILIES = {
  web: "web", portal: "web", form: "web", app: "app", phone: "phone", ivr: "phone", email: "mail", letter: "mail",
  sms: "mail", push: "mail", chat: "chat", bot: "chat", messenger: "chat", social: "social", review: "social",
  store: "place", kiosk: "place", field: "place", partner: "place",
};

export function familyOf(channel) {
  return `ch-${FAMILIES[channel] ?? "other"}`;
}

function stepName(step, channel) {
  return `${channelName(channel)} ${step}`;
}

export function pathTable(records) {
  return [
    [
      { title: w("step"), cell: (record) => number(record.step) },
      { title: w("from"), cell: (record) => stepName(record.step, record.from_channel) },
      { title: w("to"), cell: (record) => stepName(record.step + 1, record.to_channel) },
      { title: w("journeys"), number: true, cell: (record) => number(record.journeys) },
      { title: w("minutes"), number: true, cell: (record) => number(record.minutes, 1) },
    ],
    records,
  ];
}

/** Nodes and links of the diagram; nodes are named by step and channel. */
export function unrolled(records) {
  const nodes = new Map();
  const node = (step, channel) => {
    const id = `${step} ${channel}`;
    if (!nodes.has(id)) nodes.set(id, { id, step, channel });
    return id;
  };
  const links = records.map((record) => ({
    source: node(record.step, record.from_channel),
    target: node(record.step + 1, record.to_channel),
    value: record.journeys,
    minutes: record.minutes,
  }));
  return { nodes: [...nodes.values()], links };
}

export function sankeyPicture(records, width) {
  const graph = unrolled(records);
  const steps = Math.max(...graph.nodes.map((node) => node.step));
  const tallest = Math.max(...Array.from({ length: steps }, (_, step) =>
    graph.nodes.filter((node) => node.step === step + 1).length));
  const height = Math.min(Math.max(tallest * ROW * 1.6, LEAST_HEIGHT), MOST_HEIGHT);
  // On a phone the steps do not fit beside each other: the picture is wider than its box, which scrolls.
  const wide = Math.max(width, steps * LEAST_STEP_WIDTH);
  const names = graph.nodes.filter((node) => node.step === steps).map((node) => stepName(node.step, node.channel));
  const room = Math.max(...names.map((name) => name.length)) * CHARACTER + COUNT;
  const { nodes, links } = sankey()
    .nodeId((node) => node.id)
    .nodeAlign((node) => node.step - 1)
    .nodeWidth(NODE)
    .nodePadding(14)
    .extent([[1, 6], [wide - room, height - 6]])({
      nodes: graph.nodes.map((node) => ({ ...node })), links: graph.links.map((link) => ({ ...link })),
    });
  const ribbon = sankeyLinkHorizontal();
  const first = links.filter((link) => link.source.step === 1);
  const journeys = first.reduce((sum, link) => sum + link.value, 0);
  const top = [...links].sort((a, b) => b.value - a.value).slice(0, 3).map(linkText).join("; ");
  return s(
    "svg",
    { width: wide, height, viewBox: `0 0 ${wide} ${height}`, role: "img", class: "sankey",
      "aria-label": w("paths.said", { n: journeys, top }) },
    links.map((link) =>
      s("path", { d: ribbon(link), class: `ribbon ${familyOf(link.source.channel)}`, "stroke-width": Math.max(1, link.width) },
        s("title", {}, linkText(link))),
    ),
    nodes.map((node) => [
      s("rect", { class: `node ${familyOf(node.channel)}`, x: node.x0, y: node.y0, width: node.x1 - node.x0,
        height: Math.max(node.y1 - node.y0, 1.5), rx: 2 }),
      s("text", { class: "node-name", x: node.x1 + 6, y: (node.y0 + node.y1) / 2 + 4 },
        stepName(node.step, node.channel), s("tspan", { class: "node-count", dx: 5 }, number(node.value))),
    ]),
  );
}

function linkText(link) {
  return w("paths.link", {
    from: stepName(link.source.step, link.source.channel), to: stepName(link.target.step, link.target.channel),
    n: link.value, minutes: link.minutes,
  });
}

