"use strict";
/* The number under the pointer in a chart that tells its axis (data-x, data-plot). */
function writtenNumber(value, unit) {
  const digits = (x) => Number(x.toPrecision(3)).toString();
  if (unit === "s") {
    if (value === 0) return "0 s";
    const size = Math.abs(value);
    if (size >= 1) return `${digits(value)} s`;
    return size >= 1e-3 ? `${digits(value * 1e3)} ms` : `${digits(value * 1e6)} µs`;
  }
  if (unit === "usd") return `$${Number(value.toPrecision(3))}`;
  if (unit === "share") return `${digits(value * 100)} %`;
  return [digits(value), unit].filter(Boolean).join(" ");
}

function setUpHover(holder) {
  const svg = holder.querySelector("svg[data-x][data-plot]");
  if (!svg || holder.dataset.unit === undefined) return;
  const [low, high, kind] = svg.dataset.x.split(" ").map((word, i) => (i < 2 ? Number(word) : word));
  const [left, top, width, height] = svg.dataset.plot.split(" ").map(Number);
  const space = "http://www.w3.org/2000/svg";
  const rule = document.createElementNS(space, "line");
  const words = document.createElementNS(space, "text");
  rule.setAttribute("class", "hover-rule");
  words.setAttribute("class", "hover-words");
  for (const mark of [rule, words]) {
    mark.setAttribute("visibility", "hidden");
    mark.setAttribute("aria-hidden", "true");
    svg.append(mark);
  }
  const hide = () => { for (const mark of [rule, words]) mark.setAttribute("visibility", "hidden"); };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    if (x < left || x > left + width) { hide(); return; }
    const share = (x - left) / width;
    const value = kind === "log" ? low * (high / low) ** share : low + share * (high - low);
    const late = x > left + width * 0.8;
    rule.setAttribute("x1", x); rule.setAttribute("x2", x);
    rule.setAttribute("y1", top); rule.setAttribute("y2", top + height);
    words.setAttribute("x", late ? x - 5 : x + 5);
    words.setAttribute("y", top + height - 6);
    words.setAttribute("text-anchor", late ? "end" : "start");
    words.textContent = writtenNumber(value, holder.dataset.unit);
    for (const mark of [rule, words]) mark.removeAttribute("visibility");
  });
  svg.addEventListener("pointerleave", hide);
}

document.querySelectorAll(".chart").forEach(setUpHover);
