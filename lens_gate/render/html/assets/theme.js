"use strict";
/* Before anything is drawn: the theme that this reader chose, so that nothing flashes. */
(() => {
  try {
    const chosen = localStorage.getItem("lens-gate-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* a page without storage follows the system */ }
  document.documentElement.classList.add("js");
})();
