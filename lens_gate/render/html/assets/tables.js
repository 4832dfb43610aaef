"use strict";
/* The button for the theme; tables that sort; filters. Without scripts all of it is still there. */
const Themes = ["system", "light", "dark"];

function setUpTheme() {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const show = () => { button.textContent = `Theme: ${root.dataset.theme ?? "system"}`; };
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    const next = Themes[(Themes.indexOf(root.dataset.theme ?? "system") + 1) % Themes.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === "system") localStorage.removeItem("lens-gate-theme");
      else localStorage.setItem("lens-gate-theme", next);
    } catch { /* kept for this page alone */ }
    show();
    document.dispatchEvent(new CustomEvent("themechange"));
  });
}

/* A cell sorts by its data-sort where it has one: numbers as numbers, words as words. */
function sortKey(row, column) {
  const cell = row.cells[column];
  if (!cell) return "";
  return cell.dataset.sort ?? cell.textContent.trim();
}

function compareKeys(a, b) {
  if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;
  const x = Number(a);
  const y = Number(b);
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b, "en", { numeric: true, sensitivity: "base" });
}

function sortTable(table, column, direction) {
  const body = table.tBodies[0];
  const sign = direction === "descending" ? -1 : 1;
  const keyed = [...body.rows].map((row, place) => [sortKey(row, column), place, row]);
  keyed.sort((a, b) => {
    /* What has no value stands last in either direction. */
    const sided = a[0] === "" || b[0] === "" ? 1 : sign;
    return sided * compareKeys(a[0], b[0]) || a[1] - b[1];
  });
  body.append(...keyed.map((entry) => entry[2]));
}

function setUpSorting(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.dataset.nosort !== undefined) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", next);
      sortTable(table, column, next);
    });
  });
}

/* A form.filters[data-for] hides rows of the table of that id: a search box looks at the whole
   text, a select with data-key at the row's data attribute of that name. */
function setUpFilter(form) {
  const table = document.getElementById(form.dataset.for);
  const told = form.querySelector("output");
  const rows = [...table.tBodies[0].rows];
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const apply = () => {
    const wanted = [...form.querySelectorAll("select[data-key]")].filter((box) => box.value !== "");
    const search = form.querySelector("input[type=search]")?.value.trim().toLowerCase() ?? "";
    let shown = 0;
    for (const row of rows) {
      const fits = words.get(row).includes(search)
        && wanted.every((box) => row.dataset[box.dataset.key] === box.value);
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    told.textContent = `${shown} of ${rows.length}`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}

/* A link to something inside a folded part opens it. */
function openTarget() {
  const name = decodeURIComponent(location.hash.slice(1));
  const target = name ? document.getElementById(name) : null;
  if (!target) return;
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  const own = target.querySelector(":scope > details");
  if (own) own.open = true;
  target.scrollIntoView();
}

setUpTheme();
document.querySelectorAll("table.sortable").forEach(setUpSorting);
document.querySelectorAll("form.filters[data-for]").forEach(setUpFilter);
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not([open])").forEach((part) => {
    part.open = true;
    part.dataset.printed = "";
  });
});
addEventListener("afterprint", () => {
  document.querySelectorAll("details[data-printed]").forEach((part) => {
    part.open = false;
    delete part.dataset.printed;
  });
});
openTarget();
