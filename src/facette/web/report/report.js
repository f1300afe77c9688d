"use strict";
// Draws each picture when it comes near the window, and all of them before printing.
(() => {
  const separators = document.documentElement.lang === "fr" ? ",\u202f" : ".,";
  const common = {
    separators,
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 13, color: "#333b47" },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: "#1c2430", font: { color: "#fff" }, align: "left" },
    dragmode: false,
  };
  const axis = { gridcolor: "#e6eaf0", linecolor: "#c9d1dc", zerolinecolor: "#c9d1dc", fixedrange: true, automargin: true };
  const config = { displayModeBar: false, responsive: true, doubleClick: false };

  const isNarrow = window.matchMedia("screen and (max-width: 40rem)"); // as in report.css
  const pictures = [...document.querySelectorAll(".picture")];
  const PRINTED = { width: 660, height: 780 }; // what A4 and Letter leave, at most; as in report.css

  function whole(picture) {
    const { data, layout, narrow } = JSON.parse(picture.closest("figure").querySelector("script").textContent);
    const chosen = isNarrow.matches ? { ...layout, ...narrow } : layout;
    const own = { ...common, ...chosen, margin: { l: 60, r: 20, t: 16, b: 48, ...chosen.margin } };
    for (const name of Object.keys(chosen)) {
      if (/^[xy]axis\d*$/.test(name)) own[name] = { ...axis, ...chosen[name] };
    }
    return [data, own];
  }

  function draw(picture) {
    if (picture.dataset.state) return;
    picture.dataset.state = "drawing";
    Plotly.newPlot(picture, ...whole(picture), config).then(() => { picture.dataset.state = "drawn"; });
  }

  // What is near the window first, then the others one by one, so that all are there when somebody prints.
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }),
    { rootMargin: "600px" },
  );
  pictures.forEach((picture) => watcher.observe(picture));
  const later = window.requestIdleCallback ?? ((work) => window.setTimeout(work, 50));
  function drawNext() {
    const next = pictures.find((picture) => !picture.dataset.state);
    if (!next) return;
    draw(next);
    later(drawNext);
  }
  later(drawNext);

  isNarrow.addEventListener("change", () => pictures.forEach((picture) => {
    if (picture.dataset.state) Plotly.newPlot(picture, ...whole(picture), config);
  }));
  window.addEventListener("beforeprint", () => pictures.forEach((picture) => {
    draw(picture);
    const height = Math.min(picture.clientHeight, PRINTED.height);
    Plotly.relayout(picture, { autosize: false, width: PRINTED.width, height });
  }));
  window.addEventListener("afterprint", () => pictures.forEach((picture) => {
    Plotly.relayout(picture, { autosize: true, width: null, height: null });
  }));

  // The entry of the section that is being read stands out in the navigation.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const reader = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }),
    { rootMargin: "-20% 0px -70% 0px" },
  );
  document.querySelectorAll("main > section").forEach((section) => links.has(section.id) && reader.observe(section));
})();
