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

  function draw(picture) {
    if (picture.dataset.state) return;
    picture.dataset.state = "drawing";
    const { data, layout } = JSON.parse(picture.nextElementSibling.textContent);
    const whole = { ...common, ...layout, margin: { l: 60, r: 20, t: 16, b: 48, ...layout.margin } };
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(name)) whole[name] = { ...axis, ...layout[name] };
    }
    Plotly.newPlot(picture, data, whole, config).then(() => { picture.dataset.state = "drawn"; });
  }

  const pictures = [...document.querySelectorAll(".picture")];
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }),
    { rootMargin: "600px" },
  );
  pictures.forEach((picture) => watcher.observe(picture));
  window.addEventListener("beforeprint", () => pictures.forEach(draw));

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
