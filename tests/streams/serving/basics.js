// What a reader with a keyboard, a screen reader or tired eyes would stumble over, as a list of sentences.
(() => {
  const found = [];
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && element.getClientRects().length > 0;
  const told = (element) => `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""} ${element.textContent.trim().slice(0, 40)}`;

  for (const [landmark, count] of [["header", 1], ["nav", 1], ["main", 1], ["footer", 1], ["h1", 1]]) {
    const there = [...document.querySelectorAll(landmark)].length;
    if (there < count) found.push(`no ${landmark}`);
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("not exactly one h1");
  if (!document.documentElement.lang) found.push("no language");
  if (!document.title) found.push("no title");

  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((each) => each === id).length > 1) found.push(`id ${id} twice`);

  const nameOf = (element) =>
    element.getAttribute("aria-label") || element.labels?.[0]?.textContent.trim() || element.textContent.trim();
  for (const control of document.querySelectorAll("a[href], button, input, select, textarea, summary")) {
    if (isShown(control) && (!nameOf(control) || (control.tagName === "SELECT" && !control.labels.length))) found.push(`no name: ${control.outerHTML.slice(0, 80)}`);
    if (control.tabIndex > 0) found.push(`tabindex above 0: ${told(control)}`);
  }
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) found.push("image without alt");
  for (const picture of document.querySelectorAll("svg")) {
    if (picture.getAttribute("role") !== "img" || !picture.getAttribute("aria-label")) found.push(`picture without words: ${told(picture)}`);
  }
  for (const region of document.querySelectorAll("section, [role=region], nav, [role=group]")) {
    const label = region.getAttribute("aria-label") || document.getElementById(region.getAttribute("aria-labelledby"))?.textContent;
    if (!label) found.push(`region without a name: ${told(region)}`);
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent) found.push(`table without caption: ${told(table)}`);
    if (![...table.querySelectorAll("thead th")].every((head) => head.scope === "col")) found.push("column header without scope");
    if (!table.querySelector("thead th")) found.push(`table without headers: ${told(table)}`);
  }
  let level = 0;
  for (const heading of document.querySelectorAll("main h1, main h2, main h3, main h4")) {
    const now = Number(heading.tagName[1]);
    if (level && now > level + 1) found.push(`heading skips a level: ${told(heading)}`);
    level = now;
  }
  for (const reference of ["aria-labelledby", "aria-describedby", "aria-controls"]) {
    for (const element of document.querySelectorAll(`[${reference}]`)) {
      if (!document.getElementById(element.getAttribute(reference)) && isShown(element)) found.push(`${reference} leads nowhere: ${told(element)}`);
    }
  }

  // Contrast, with the colours as they are painted; texts in pictures stand on what is behind the picture.
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  const mixed = (colours) => {
    paint.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      paint.fillStyle = colour;
      paint.fillRect(0, 0, 1, 1);
    }
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const colours = [];
    for (let at = element; at; at = at.parentElement) colours.unshift(getComputedStyle(at).backgroundColor);
    return colours;
  };
  const dialog = document.querySelector("dialog[open]");
  const walker = document.createTreeWalker(dialog ?? document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !isShown(element) || element.closest(".unseen, [aria-hidden=true], title, noscript, option, .friction-flag")) continue;
    const style = getComputedStyle(element);
    const isDrawn = element instanceof SVGElement;
    const ground = behind(element);
    const [a, b] = [light(mixed(ground)), light(mixed([...ground, isDrawn ? style.fill : style.color]))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (isLarge ? 3 : 4.5)) found.push(`contrast ${contrast.toFixed(2)}: ${told(element)}`);
  }
  return [...new Set(found)];
})()
