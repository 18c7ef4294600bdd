"use strict";
(() => {
  const SIDE = 28, BOX = 20, FINE = 10; // pixels of an image, of the box that the ink is scaled to, and samples per pixel
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);

  function element(kind, className, text) {
    const made = document.createElement(kind);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  const largest = (outputs) => outputs.indexOf(Math.max(...outputs));

  function showOutputs(place, outputs, { empty = false } = {}) {
    const top = empty ? -1 : largest(outputs);
    place.replaceChildren(...outputs.map((output, digit) => {
      const row = element("div", digit === top ? "row top" : "row");
      const bar = element("div");
      const ink = element("i");
      ink.style.display = "block";
      ink.style.setProperty("--v", output);
      bar.append(ink);
      row.append(element("b", "", digit), bar, element("span", "", empty ? "–" : output.toFixed(4)));
      return row;
    }));
  }

  /* ---- the gallery ---- */

  const outputsOf = (picture) => data.pictures[picture][2].map((output) => output / 10000);

  function nameOf(picture) {
    const [image, label] = data.pictures[picture];
    if (label < 0) return `${data.id} ${image}`;
    return `image ${image}, labeled ${label}, read as ${largest(outputsOf(picture))}`;
  }

  function digitButton(picture) {
    const button = element("button", "digit");
    button.type = "button";
    button.dataset.picture = picture;
    button.style.setProperty("--column", picture % data.columns);
    button.style.setProperty("--row", Math.floor(picture / data.columns));
    button.setAttribute("aria-label", nameOf(picture));
    return button;
  }

  const card = byId("card");
  let shown = null;

  function showCard(button) {
    hideCard();
    shown = button;
    const picture = Number(button.dataset.picture);
    const rows = element("div");
    showOutputs(rows, outputsOf(picture));
    card.replaceChildren(element("p", "", nameOf(picture)), rows);
    card.hidden = false;
    button.setAttribute("aria-describedby", "card");
    const at = button.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left), document.documentElement.clientWidth - card.offsetWidth - 8);
    const below = at.bottom + 8 + card.offsetHeight <= window.innerHeight;
    card.style.left = `${left + window.scrollX}px`;
    card.style.top = `${(below ? at.bottom + 8 : at.top - 8 - card.offsetHeight) + window.scrollY}px`;
  }

  function hideCard() {
    if (shown) shown.removeAttribute("aria-describedby");
    shown = null;
    card.hidden = true;
  }

  const digitAt = (event) => (event.target instanceof Element ? event.target.closest(".digit") : null);
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "mouse" && digitAt(event)) showCard(digitAt(event));
  });
  document.addEventListener("pointerout", (event) => {
    if (event.pointerType === "mouse" && digitAt(event)) hideCard();
  });
  document.addEventListener("focusin", (event) => (digitAt(event) ? showCard(digitAt(event)) : hideCard()));
  document.addEventListener("click", (event) => (digitAt(event) ? showCard(digitAt(event)) : hideCard()));
  document.addEventListener("scroll", hideCard, { passive: true, capture: true });

  /* ---- the confusion matrix ---- */

  const panel = byId("cell");
  let opened = null;

  function openCell(button) {
    closeCell();
    opened = button;
    const cell = Number(button.dataset.cell), images = Number(button.dataset.images);
    const truth = Math.floor(cell / 10), read = cell % 10;
    const [start, end] = data.cells[cell];
    const all = end - start === images;
    const which = truth === read ? "from most to least certain" : "most confident first";
    panel.querySelector("h3").textContent = `${truth} read as ${read}: ${images.toLocaleString("en")}`;
    panel.querySelector(".note").textContent = `${all ? "All" : `${end - start} of them`}, ${which}.`;
    const pictures = Array.from({ length: end - start }, (_, i) => digitButton(start + i));
    panel.querySelector(".gallery").replaceChildren(...pictures);
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
  }

  function closeCell() {
    if (!opened) return;
    opened.setAttribute("aria-expanded", "false");
    if (panel.contains(document.activeElement)) opened.focus();
    opened = null;
    panel.hidden = true;
    hideCard();
  }

  const cells = [...document.querySelectorAll("[data-cell]")];
  const tabStop = (button) => cells.forEach((other) => { other.tabIndex = other === button ? 0 : -1; });
  for (const button of cells) {
    button.addEventListener("focus", () => tabStop(button));
    button.addEventListener("click", () => {
      if (opened === button) return closeCell();
      openCell(button);
      panel.focus({ preventScroll: true });
      panel.scrollIntoView({ block: "nearest" });
    });
  }
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  document.querySelector(".heat").addEventListener("keydown", (event) => {
    const step = STEPS[event.key], cell = Number(event.target.dataset.cell);
    if (!step) return;
    event.preventDefault();
    for (let row = Math.floor(cell / 10) + step[0], column = (cell % 10) + step[1];
      row >= 0 && row < 10 && column >= 0 && column < 10; row += step[0], column += step[1]) { // past empty cells
      const next = cells.find((button) => Number(button.dataset.cell) === row * 10 + column);
      if (next) return next.focus();
    }
  });
  panel.querySelector("[data-close]").addEventListener("click", closeCell);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (shown) hideCard();
    else closeCell();
  });

  const size = (button) => Number(button.dataset.images);
  const [worst] = cells.filter((button) => !button.classList.contains("right")).sort((a, b) => size(b) - size(a));
  tabStop(worst ?? cells[0]);
  if (worst) openCell(worst);

  /* ---- the network ---- */

  if (!data.network) return;
  const outputsFor = readerOf(data.network, byId("weights").textContent);

  /* ---- drawing ---- */

  const pad = byId("pad"), ink = pad.getContext("2d"), seen = byId("seen").getContext("2d");
  const sampled = document.createElement("canvas");
  sampled.width = sampled.height = BOX * FINE;
  const samples = sampled.getContext("2d", { willReadFrequently: true });
  const PEN = 0.08, THINNEST = 0.01, SMALLEST = 0.1; // fractions of the pad; a dot is not enlarged to fill the box
  let strokes = []; // each a list of points, from 0 to 1
  let waiting = false;

  function trace(context, width) {
    context.lineWidth = width;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke) context.lineTo(...point);
      context.stroke();
    }
  }

  function drawnBox() { // the ink scaled to 20 x 20, aspect ratio kept, from 0 to 1; the pen as thick as in MNIST at any size
    const xs = strokes.flat().map(([x]) => x), ys = strokes.flat().map(([, y]) => y);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const size = Math.max(right - left, bottom - top);
    const pen = Math.max(size * 0.12, THINNEST);
    const scale = (BOX * FINE) / Math.max(size + pen, SMALLEST);
    const middle = (BOX * FINE) / 2;
    samples.resetTransform();
    samples.clearRect(0, 0, BOX * FINE, BOX * FINE);
    samples.setTransform(scale, 0, 0, scale, middle - (scale * (left + right)) / 2, middle - (scale * (top + bottom)) / 2);
    trace(samples, pen);
    const alpha = samples.getImageData(0, 0, BOX * FINE, BOX * FINE).data;
    const box = new Float64Array(BOX * BOX);
    for (let y = 0; y < BOX * FINE; y++) {
      for (let x = 0; x < BOX * FINE; x++) {
        const pixel = Math.floor(y / FINE) * BOX + Math.floor(x / FINE);
        box[pixel] += alpha[(y * BOX * FINE + x) * 4 + 3] / (255 * FINE * FINE);
      }
    }
    return box;
  }

  function pixels() { // 784 integers from 0 to 255, the centre of mass at row 14, column 14
    const image = new Array(SIDE * SIDE).fill(0);
    if (!strokes.length) return image;
    const box = drawnBox();
    let mass = 0, down = 0, right = 0;
    box.forEach((value, i) => { mass += value; down += value * Math.floor(i / BOX); right += value * (i % BOX); });
    const offset = (moment) => Math.min(Math.max(Math.round(SIDE / 2 - moment / mass), 0), SIDE - BOX);
    const [y, x] = [offset(down), offset(right)];
    box.forEach((value, i) => {
      image[(y + Math.floor(i / BOX)) * SIDE + x + (i % BOX)] = Math.round(value * 255);
    });
    return image;
  }

  function refresh() {
    waiting = false;
    const image = pixels(), empty = !strokes.length;
    const picture = seen.createImageData(SIDE, SIDE);
    image.forEach((value, i) => { picture.data[i * 4 + 3] = value; });
    seen.putImageData(picture, 0, 0);
    const outputs = empty ? new Array(10).fill(0) : outputsFor(image);
    showOutputs(byId("outputs"), outputs, { empty });
    const digit = largest(outputs);
    byId("reading").textContent = empty ? "Draw a digit." : `Read as ${digit}, output ${outputs[digit].toFixed(3)}`;
  }

  function redraw() {
    ink.resetTransform();
    ink.clearRect(0, 0, pad.width, pad.height);
    ink.scale(pad.width, pad.height);
    trace(ink, PEN);
    if (!waiting) requestAnimationFrame(refresh);
    waiting = true;
  }

  function pointOf(event) {
    const at = pad.getBoundingClientRect();
    return [(event.clientX - at.left) / at.width, (event.clientY - at.top) / at.height];
  }

  let drawing = null; // the pointer that draws; a second finger is ignored
  pad.addEventListener("pointerdown", (event) => {
    if (drawing !== null || event.button !== 0) return;
    event.preventDefault();
    drawing = event.pointerId;
    pad.setPointerCapture(drawing);
    strokes.push([pointOf(event)]);
    redraw();
  });
  pad.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawing) return;
    strokes.at(-1).push(pointOf(event));
    redraw();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    pad.addEventListener(end, (event) => { if (event.pointerId === drawing) drawing = null; });
  }
  byId("clear").addEventListener("click", () => { strokes = []; redraw(); });
  refresh();

  window.kaggleMnist = { pixels, outputs: () => outputsFor(pixels()) };
})();
