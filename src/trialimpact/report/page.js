"use strict";
// Everything can be read without this: it shows what a point of a picture says, and one group at a time.
for (const figure of document.querySelectorAll("figure[data-readings]")) {
  const readings = JSON.parse(figure.dataset.readings);
  const svg = figure.querySelector("svg");
  if (!readings.length || !svg) continue;
  const tip = figure.appendChild(document.createElement("div"));
  const mark = figure.appendChild(document.createElement("div"));
  tip.className = "tip"; mark.className = "mark";
  tip.hidden = mark.hidden = true;
  svg.addEventListener("mousemove", (event) => {
    const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    const x = (event.clientX - box.left) * view.width / box.width;
    let near = readings[0];
    for (const each of readings) if (Math.abs(each[0] - x) < Math.abs(near[0] - x)) near = each;
    const left = near[0] * box.width / view.width;
    tip.textContent = near[2];
    tip.hidden = mark.hidden = false;
    tip.style.left = Math.max(0, Math.min(left + 8, box.width - 330)) + "px";
    tip.style.top = "40px";
    mark.style.left = left + "px"; mark.style.top = "10%"; mark.style.height = box.height * 0.8 + "px";
  });
  svg.addEventListener("mouseleave", () => { tip.hidden = mark.hidden = true; });
}
for (const section of document.querySelectorAll("section.outcome")) {
  const choice = section.querySelector(".switch select");
  if (!choice) continue;
  const panels = [...section.querySelectorAll(".panel")];
  choice.parentElement.hidden = false;
  const show = () => panels.forEach((panel, place) => {
    panel.hidden = String(place) !== choice.value;
    if (panel.tagName === "DETAILS") panel.open = true;
  });
  choice.addEventListener("change", show);
  show();
  window.addEventListener("beforeprint", () => panels.forEach((panel) => { panel.hidden = false; }));
  window.addEventListener("afterprint", show);
}
