"use strict";
/* The timeline of all requests on a canvas, and the table of them in pages. Both show what the
   selects leave over; both are drawn from columns of whole numbers. */
const PageSize = 50;

function setUpRequests() {
  const holder = document.getElementById("data");
  const figure = document.getElementById("timeline-figure");
  if (!holder || !figure) return;
  const data = JSON.parse(holder.textContent);
  const count = data.columns.seq.length;
  const column = (name, nothing) => data.columns[name] ?? new Array(count).fill(nothing);
  const phases = data.phases.map((name) => column(name, 0));
  const columns = {
    seq: column("seq", 0), at: column("at", 0), pair: column("pair", null),
    attempts: column("attempts", 0), failure: column("failure", 0),
    ttft: column("ttft", null), e2e: column("e2e", null), itl: column("itl", null),
    input_tokens: column("input_tokens", null), output_tokens: column("output_tokens", null),
    cost: column("cost", null),
  };
  for (const name of ["cell", "arm", "phase", "prompt", "status", "model"]) {
    columns[name] = column(name, 0);
  }
  columns.total = Array.from({ length: count }, (_, i) => phases.reduce((sum, own) => sum + own[i], 0));
  const state = { data, columns, phases, count, picked: null, shown: [] };
  const filters = setUpPicks(state);
  const timeline = setUpTimeline(state, figure);
  const list = setUpList(state, (index) => timeline.pick(index));
  timeline.onPick = (index) => list.reveal(index);
  filters.onChange = () => { timeline.reset(); list.reset(); };
  filters.apply();
}

function word(state, name, index) {
  return state.data.texts[name][state.columns[name][index]];
}

function seconds(state, value) {
  return value === null ? "–" : writtenNumber(value / state.data.ticks, "s");
}

/* --- which requests ------------------------------------------------------------------------- */

function setUpPicks(state) {
  const form = document.getElementById("request-filters");
  const told = document.getElementById("picked");
  const boxes = [...form.querySelectorAll("select")].map((box) => {
    const name = box.dataset.of === "case" ? "cell" : box.dataset.of;
    const words = state.data.texts[name];
    box.append(new Option("all", ""));
    words.forEach((text, place) => box.append(new Option(text.replaceAll("_", " "), place)));
    box.parentElement.hidden = words.length < 2;
    return [box, name];
  });
  const self = { onChange: () => {} };
  self.apply = () => {
    const wanted = boxes.filter(([box]) => box.value !== "")
      .map(([box, name]) => [state.columns[name], Number(box.value)]);
    state.shown = [];
    for (let i = 0; i < state.count; i += 1) {
      if (wanted.every(([own, value]) => own[i] === value)) state.shown.push(i);
    }
    told.textContent = `${state.shown.length} of ${state.count} requests`;
    self.onChange();
  };
  form.hidden = false;
  form.addEventListener("input", self.apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  return self;
}

/* --- the timeline --------------------------------------------------------------------------- */

function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(`--lens-${name}`).trim();
  return {
    parts: [0, 1, 2, 3, 4].map((place) => style.getPropertyValue(`--phase-${place}`).trim()),
    head: named("head"), control: named("control"), fail: named("fail"), ink: named("ink"),
    muted: named("muted"), grid: named("grid"), ground: named("ground"),
  };
}

/* Requests that overlap stand in lanes below each other, each in the first one that is free. */
function lanesOf(state) {
  const order = [...state.shown].sort((a, b) => state.columns.at[a] - state.columns.at[b]);
  const ends = [];
  const lanes = new Map();
  for (const index of order) {
    const start = state.columns.at[index];
    let lane = ends.findIndex((end) => end <= start);
    if (lane < 0) { lane = ends.length; ends.push(0); }
    ends[lane] = start + Math.max(1, state.columns.total[index]);
    lanes.set(index, lane);
  }
  return { lanes, count: Math.max(1, ends.length) };
}

function niceStep(span, most) {
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find((digit) => digit * power >= raw);
}

function setUpTimeline(state, figure) {
  figure.hidden = false;
  const canvas = document.getElementById("timeline");
  const view = document.getElementById("timeline-view");
  const said = document.getElementById("timeline-pick");
  const pen = canvas.getContext("2d");
  const self = { onPick: () => {} };
  const space = { left: 8, right: 8, top: 6, bottom: 24 };
  let packed = { lanes: new Map(), count: 1 };
  let whole = [0, 1];
  let seen = [0, 1];
  let top = 1;
  let drawn = [];
  let waiting = false;

  const ticks = state.data.ticks;
  const values = () => (view.value === "lanes" ? null : state.columns[view.value]);
  const factor = () => (view.value === "itl" ? 100 * ticks : ticks);

  function measure() {
    let [first, last] = [Infinity, -Infinity];
    for (const i of state.shown) {
      first = Math.min(first, state.columns.at[i]);
      last = Math.max(last, state.columns.at[i] + state.columns.total[i]);
    }
    whole = last > first ? [first, last] : [0, 1];
    top = 1;
    const own = values();
    if (own) for (const i of state.shown) if (own[i] !== null) top = Math.max(top, own[i]);
  }

  self.reset = () => {
    measure();
    seen = [...whole];
    packed = view.value === "lanes" ? lanesOf(state) : packed;
    state.picked = null;
    said.textContent = "";
    legend();
    resize();
  };

  function legend() {
    const holder = document.getElementById("timeline-legend");
    const paint = colours();
    const entries = view.value === "lanes"
      ? [...state.data.phases.map((name, i) => [name, paint.parts[i]]), ["failed", paint.fail]]
      : [["head", paint.head], ["control", paint.control]].filter(([name]) => state.data.texts.arm.includes(name));
    holder.replaceChildren(...entries.map(([name, colour]) => {
      const entry = document.createElement("span");
      const key = document.createElement("i");
      key.style.background = colour;
      entry.append(key, name);
      return entry;
    }));
  }

  function resize() {
    const width = figure.clientWidth;
    const lane = Math.max(3, Math.min(14, 420 / packed.count));
    const height = view.value === "lanes"
      ? Math.round(Math.min(520, Math.max(90, packed.count * lane)) + space.top + space.bottom)
      : 260;
    const ratio = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    ask();
  }

  const box = () => ({
    width: canvas.width / (window.devicePixelRatio || 1),
    height: canvas.height / (window.devicePixelRatio || 1),
  });
  const across = (at, width) =>
    space.left + (at - seen[0]) / (seen[1] - seen[0]) * (width - space.left - space.right);

  function ask() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  function draw() {
    const { width, height } = box();
    const paint = colours();
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    axis(paint, width, height);
    drawn = [];
    if (view.value === "lanes") bars(paint, width, height);
    else dots(paint, width, height);
    canvas.dataset.drawn = String(drawn.length);
  }

  function axis(paint, width, height) {
    const span = (seen[1] - seen[0]) / ticks;
    const step = niceStep(Math.max(span, 1e-6), Math.max(2, width / 110));
    pen.textAlign = "center";
    for (let at = Math.ceil(seen[0] / ticks / step) * step; at <= seen[1] / ticks + 1e-9; at += step) {
      const x = across(at * ticks, width);
      pen.fillStyle = paint.grid;
      pen.fillRect(x, space.top, 1, height - space.top - space.bottom);
      pen.fillStyle = paint.muted;
      const words = at >= 1 || at === 0 ? `${Number(at.toFixed(6))} s` : writtenNumber(at, "s");
      pen.fillText(words, Math.min(Math.max(x, 16), width - 16), height - 8);
    }
  }

  function bars(paint, width, height) {
    const lane = (height - space.top - space.bottom) / packed.count;
    const thick = Math.max(1, lane - (lane > 5 ? 2 : lane > 2.5 ? 0.5 : 0));
    for (const i of state.shown) {
      const start = state.columns.at[i];
      const total = Math.max(1, state.columns.total[i]);
      if (start > seen[1] || start + total < seen[0]) continue;
      const y = space.top + packed.lanes.get(i) * lane;
      const from = across(start, width);
      const wide = Math.max(1, across(start + total, width) - from);
      if (word(state, "status", i) !== "ok") {
        pen.fillStyle = paint.fail;
        pen.fillRect(from, y, wide, thick);
      } else {
        let at = start;
        state.phases.forEach((own, place) => {
          if (own[i] === 0) return;
          const x = across(at, width);
          pen.fillStyle = paint.parts[place];
          pen.fillRect(x, y, Math.max(0.5, across(at + own[i], width) - x), thick);
          at += own[i];
        });
      }
      if (thick >= 6 && word(state, "arm", i) === "control") {
        pen.fillStyle = paint.ground;
        pen.fillRect(from + 1, y + thick / 2 - 1, Math.min(6, wide - 1), 2);
      }
      if (i === state.picked) ring(paint, from - 1, y - 1, wide + 2, thick + 2);
      drawn.push([i, from, y, wide, thick]);
    }
  }

  function dots(paint, width, height) {
    const own = values();
    const room = height - space.top - space.bottom;
    const step = niceStep(top / factor(), 5);
    pen.textAlign = "left";
    for (let level = 0; level <= top / factor(); level += step) {
      const y = height - space.bottom - level * factor() / top * room;
      pen.fillStyle = paint.grid;
      pen.fillRect(space.left, y, width - space.left - space.right, 1);
      pen.fillStyle = paint.muted;
      pen.fillText(writtenNumber(level, "s"), space.left + 2, y - 3);
    }
    const many = state.shown.length > 4000;
    for (const i of state.shown) {
      const at = state.columns.at[i];
      if (own[i] === null || at < seen[0] || at > seen[1]) continue;
      const x = across(at, width);
      const y = height - space.bottom - own[i] / top * room;
      const size = many ? 2 : 4;
      pen.globalAlpha = many ? 0.5 : 0.8;
      pen.fillStyle = word(state, "arm", i) === "control" ? paint.control : paint.head;
      pen.fillRect(x - size / 2, y - size / 2, size, size);
      pen.globalAlpha = 1;
      if (i === state.picked) ring(paint, x - 5, y - 5, 10, 10);
      drawn.push([i, x - 3, y - 3, 6, 6]);
    }
  }

  function ring(paint, x, y, wide, high) {
    pen.strokeStyle = paint.ink;
    pen.lineWidth = 2;
    pen.strokeRect(x, y, wide, high);
  }

  function zoom(by, around = 0.5) {
    const least = 0.002 * ticks;
    const full = whole[1] - whole[0];
    const span = Math.min(full, Math.max(least, (seen[1] - seen[0]) * by));
    const centre = seen[0] + (seen[1] - seen[0]) * around;
    const start = Math.min(Math.max(whole[0], centre - span * around), whole[1] - span);
    seen = [start, start + span];
    ask();
  }

  function move(by) {
    const span = seen[1] - seen[0];
    const start = Math.min(Math.max(whole[0], seen[0] + by * span), whole[1] - span);
    seen = [start, start + span];
    ask();
  }

  self.pick = (index) => {
    state.picked = index;
    said.textContent = describe(state, index);
    const at = state.columns.at[index];
    if (at < seen[0] || at > seen[1]) move((at - (seen[0] + seen[1]) / 2) / (seen[1] - seen[0]));
    ask();
  };

  function under(event) {
    const frame = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let best = null;
    let least = Infinity;
    for (const [i, left, upper, wide, high] of drawn) {
      const aside = Math.max(left - x, 0, x - left - wide);
      const above = Math.max(upper - y, 0, y - upper - high);
      if (aside <= 4 && above <= 4 && aside + above < least) {
        least = aside + above;
        best = i;
      }
    }
    return best;
  }

  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = { x: event.clientX, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) {
      const index = under(event);
      canvas.title = index === null ? "" : describe(state, index);
      return;
    }
    const by = (held.x - event.clientX) / box().width;
    if (Math.abs(event.clientX - held.x) > 3 || held.moved) {
      held.moved = true;
      held.x = event.clientX;
      move(by);
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    const moved = held?.moved;
    held = null;
    if (moved) return;
    const index = under(event);
    if (index !== null) { self.pick(index); self.onPick(index); }
  });
  canvas.addEventListener("pointercancel", () => { held = null; });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const frame = canvas.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, (event.clientX - frame.left) / frame.width);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const does = {
      ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), "+": () => zoom(0.6), "=": () => zoom(0.6),
      "-": () => zoom(1 / 0.6), 0: () => zoom(Infinity), Home: () => zoom(Infinity),
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  });
  figure.querySelectorAll("button[data-zoom]").forEach((button) => {
    const by = { in: 0.6, out: 1 / 0.6, all: Infinity }[button.dataset.zoom];
    button.addEventListener("click", () => zoom(by));
  });
  view.addEventListener("change", self.reset);
  new ResizeObserver(resize).observe(figure);
  document.addEventListener("themechange", () => { legend(); ask(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { legend(); ask(); });
  return self;
}

function describe(state, index) {
  const spent = state.data.phases
    .map((name, place) => [name, state.phases[place][index]])
    .filter(([, value]) => value > 0)
    .map(([name, value]) => `${name} ${seconds(state, value)}`);
  const failure = state.data.texts.failure[state.columns.failure[index]];
  return [
    `Request ${state.columns.seq[index]} (${word(state, "cell", index)}, ${word(state, "arm", index)}, prompt ${word(state, "prompt", index)})`,
    `at ${seconds(state, state.columns.at[index])}`,
    ...spent,
    word(state, "status", index) === "ok" ? "" : `${word(state, "status", index).replaceAll("_", " ")}${failure ? `: ${failure}` : ""}`,
  ].filter(Boolean).join(" · ");
}

/* --- the table ------------------------------------------------------------------------------ */

function setUpList(state, onPick) {
  const holder = document.getElementById("request-table");
  const plain = (name) => (i) => state.columns[name][i];
  const number = (value) => (value === null ? "–" : String(value));
  const heads = [
    { title: "Request", num: true, key: plain("seq"), show: (i) => String(state.columns.seq[i]) },
    { title: "Case", key: (i) => word(state, "cell", i), show: (i) => word(state, "cell", i), of: "cell" },
    { title: "Arm", key: (i) => word(state, "arm", i), show: (i) => word(state, "arm", i), of: "arm" },
    { title: "Prompt", key: (i) => word(state, "prompt", i), show: (i) => word(state, "prompt", i) },
    { title: "Pair", num: true, key: plain("pair"), show: (i) => number(state.columns.pair[i]) },
    { title: "Status", key: (i) => word(state, "status", i), show: (i) => word(state, "status", i).replaceAll("_", " ") },
    { title: "At", num: true, key: plain("at"), show: (i) => seconds(state, state.columns.at[i]) },
    { title: "Time", key: plain("total"), draw: true },
    { title: "TTFT", num: true, key: plain("ttft"), show: (i) => seconds(state, state.columns.ttft[i]) },
    { title: "E2E", num: true, key: plain("e2e"), show: (i) => seconds(state, state.columns.e2e[i]) },
    { title: "ITL", num: true, key: plain("itl"), show: (i) => (state.columns.itl[i] === null ? "–" : writtenNumber(state.columns.itl[i] / state.data.ticks / 100, "s")) },
    { title: "Tokens out", num: true, key: plain("output_tokens"), show: (i) => number(state.columns.output_tokens[i]) },
    { title: "Cost", num: true, key: plain("cost"), show: (i) => (state.columns.cost[i] === null ? "–" : writtenNumber(state.columns.cost[i] / 1e9, "usd")) },
  ].filter((head) => {
    if (head.of) return state.data.texts[head.of].length > 1;
    return !head.key || head.title === "At" || state.columns.seq.some((_, i) => head.key(i) !== null);
  });
  let order = [];
  /* The slowest first: who comes here looks for them. */
  const slowest = heads.findIndex((head) => head.title === "E2E");
  let sorted = { place: Math.max(0, slowest), down: slowest >= 0 };
  let page = 0;

  const table = document.createElement("table");
  const caption = table.createCaption();
  caption.textContent = "All requests";
  const headRow = table.createTHead().insertRow();
  const body = table.createTBody();
  heads.forEach((head, place) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    if (head.num) cell.className = "num";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = head.title;
    button.addEventListener("click", () => {
      sorted = { place, down: sorted.place === place ? !sorted.down : head.num === true };
      page = 0;
      arrange();
    });
    cell.append(button);
    headRow.append(cell);
  });
  const frame = document.createElement("div");
  frame.className = "scroll";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "All requests");
  frame.append(table);
  const pager = document.createElement("nav");
  pager.className = "pager";
  pager.setAttribute("aria-label", "Pages of requests");
  const told = document.createElement("span");
  told.setAttribute("aria-live", "polite");
  const turn = (words, to) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.addEventListener("click", () => { page = to(); fill(); });
    return button;
  };
  const last = () => Math.max(0, Math.ceil(order.length / PageSize) - 1);
  const buttons = [
    turn("First", () => 0), turn("Previous", () => Math.max(0, page - 1)),
    turn("Next", () => Math.min(last(), page + 1)), turn("Last", last),
  ];
  pager.append(buttons[0], buttons[1], told, buttons[2], buttons[3]);
  const printed = document.createElement("div");
  printed.className = "print-only";
  printed.append(...holder.childNodes);
  const live = document.createElement("div");
  live.className = "no-print";
  live.append(frame, pager);
  holder.replaceChildren(live, printed);

  function arrange() {
    const { key } = heads[sorted.place];
    const sign = sorted.down ? -1 : 1;
    order = state.shown.map((i) => [key(i), i]);
    order.sort(([a, i], [b, j]) => {
      if (a === null || b === null) return (a === null) - (b === null) || i - j;
      if (typeof a === "number") return sign * (a - b) || i - j;
      return sign * a.localeCompare(b, "en", { numeric: true }) || i - j;
    });
    order = order.map((entry) => entry[1]);
    [...headRow.cells].forEach((cell, place) => {
      if (place === sorted.place) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    fill();
  }

  function fill() {
    const rows = order.slice(page * PageSize, (page + 1) * PageSize);
    const longest = rows.reduce((most, i) => Math.max(most, state.columns.total[i]), 1);
    body.replaceChildren(...rows.map((i) => row(i, longest)));
    told.textContent = order.length
      ? `${page * PageSize + 1} to ${page * PageSize + rows.length} of ${order.length}`
      : "none";
    [buttons[0], buttons[1]].forEach((button) => { button.disabled = page === 0; });
    [buttons[2], buttons[3]].forEach((button) => { button.disabled = page >= last(); });
  }

  function row(i, longest) {
    const line = document.createElement("tr");
    line.dataset.index = i;
    heads.forEach((head, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (head.num) cell.className = "num";
      if (!place) {
        cell.scope = "row";
        const button = document.createElement("button");
        button.type = "button";
        button.className = "link";
        button.textContent = head.show(i);
        button.setAttribute("aria-label", `Show request ${head.show(i)} in the timeline`);
        button.addEventListener("click", () => { onPick(i); mark(i); });
        cell.append(button);
      } else if (head.draw) cell.append(waterfall(i, longest));
      else cell.textContent = head.show(i);
      line.append(cell);
    });
    if (word(state, "status", i) !== "ok") line.classList.add("failed");
    if (i === state.picked) line.classList.add("picked");
    return line;
  }

  function waterfall(i, longest) {
    const bar = document.createElement("span");
    bar.className = "waterfall";
    bar.title = describe(state, i);
    state.phases.forEach((own, place) => {
      if (own[i] === 0) return;
      const piece = document.createElement("i");
      piece.className = `phase-${place}`;
      piece.style.width = `${100 * own[i] / longest}%`;
      bar.append(piece);
    });
    return bar;
  }

  function mark(i) {
    for (const line of body.rows) line.classList.toggle("picked", Number(line.dataset.index) === i);
  }

  return {
    reset: () => { page = 0; arrange(); },
    reveal: (i) => {
      const place = order.indexOf(i);
      if (place < 0) return;
      page = Math.floor(place / PageSize);
      fill();
      mark(i);
    },
  };
}

setUpRequests();
