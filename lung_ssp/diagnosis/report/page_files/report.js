"use strict";
// The slices of the scan: one after the other in a canvas, in two windows, with outlines.

const scan = JSON.parse(document.getElementById("scan").textContent);
const part = (id) => document.getElementById(id);
const viewer = part("viewer"), canvas = part("picture"), slider = part("slider");
const screen = canvas.getContext("2d");
const pixels = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const KEPT = 24; // decoded slices
const AHEAD = 3; // slices decoded before they are asked for
const NOTCH = 40; // least way of a wheel, in pixels, for one slice
const FINDING = "#ff7a50", FINDING_AT = "#ffd23f", LUNGS = "#4cb8ff";

const last = scan.slices.length - 1;
const state = { slice: 0, window: "lung", outlines: true, finding: -1 };
const decoded = new Map();

// The level of a pixel as a shade of grey in either window.
function shades([black, white]) {
  const table = new Uint8ClampedArray(256), knots = scan.hu_of_levels;
  for (let level = 0; level < 256; level++) {
    const k = knots.findIndex(([at], i) => i > 0 && level <= at);
    const [from, low] = knots[k - 1], [to, high] = knots[k];
    const hu = low + ((level - from) / (to - from)) * (high - low);
    table[level] = Math.round((255 * (hu - black)) / (white - black));
  }
  return table;
}
const SHADES = Object.fromEntries(Object.entries(scan.windows_hu).map(([name, hu]) => [name, shades(hu)]));

// Borders come as a first point and steps, in half pixels; a pixel's middle is half a pixel from its edge.
function path(borders) {
  const lines = new Path2D();
  for (const steps of borders || []) {
    let x = 1, y = 1;
    for (let i = 0; i < steps.length; i += 2) {
      x += steps[i];
      y += steps[i + 1];
      if (i) lines.lineTo(x / 2, y / 2);
      else lines.moveTo(x / 2, y / 2);
    }
    lines.closePath();
  }
  return lines;
}

async function slice(index) {
  if (!decoded.has(index)) {
    const image = new Image();
    image.src = "data:image/jpeg;base64," + scan.slices[index];
    decoded.set(index, image.decode().then(() => image));
  }
  const wanted = decoded.get(index);
  decoded.delete(index); // the one used last stands last
  decoded.set(index, wanted);
  for (const old of decoded.keys()) {
    if (decoded.size <= KEPT) break;
    decoded.delete(old);
  }
  return wanted;
}

async function draw() {
  const at = state.slice;
  const image = await slice(at);
  if (at !== state.slice) return; // another one has been asked for
  pixels.canvas.width = scan.columns;
  pixels.canvas.height = scan.rows;
  pixels.drawImage(image, 0, 0);
  const data = pixels.getImageData(0, 0, scan.columns, scan.rows), bytes = data.data, table = SHADES[state.window];
  for (let i = 0; i < bytes.length; i += 4) bytes[i] = bytes[i + 1] = bytes[i + 2] = table[bytes[i]];
  pixels.putImageData(data, 0, 0);
  paint();
  Object.assign(canvas.dataset, { slice: at + 1, window: state.window, outlines: state.outlines }); // on the screen
  for (let next = at - AHEAD; next <= at + AHEAD; next++) if (next >= 0 && next <= last) slice(next);
}

function paint() {
  const width_mm = scan.columns * scan.column_mm, height_mm = scan.rows * scan.row_mm;
  const ratio = window.devicePixelRatio || 1, side = canvas.clientWidth * ratio;
  canvas.width = canvas.height = Math.max(1, Math.round(side));
  const scale = canvas.width / Math.max(width_mm, height_mm); // pixels of the screen for a mm
  const left = (canvas.width - width_mm * scale) / 2, top = (canvas.height - height_mm * scale) / 2;
  screen.imageSmoothingQuality = "high";
  screen.drawImage(pixels.canvas, left, top, width_mm * scale, height_mm * scale);
  if (state.outlines) {
    const place = new DOMMatrix([scan.column_mm * scale, 0, 0, scan.row_mm * scale, left, top]);
    const stroke = (borders, colour, width) => {
      const placed = new Path2D();
      placed.addPath(path(borders), place);
      screen.strokeStyle = colour;
      screen.lineWidth = width * ratio;
      screen.stroke(placed);
    };
    stroke(scan.lungs[state.slice], LUNGS, 0.8);
    scan.findings.forEach((finding, i) => {
      const borders = finding.borders[state.slice];
      if (!borders) return;
      const colour = i === state.finding ? FINDING_AT : FINDING;
      stroke(borders, colour, i === state.finding ? 2 : 1.4);
      name(finding.number, borders, place, colour, ratio);
    });
  }
  scale_bar(scale, ratio);
}

// The number of a finding, right above its border.
function name(number, borders, place, colour, ratio) {
  let x = 0, y = 0, right = 0, high = Infinity;
  for (const steps of borders) {
    x = y = 1;
    for (let i = 0; i < steps.length; i += 2) {
      x += steps[i];
      y += steps[i + 1];
      right = Math.max(right, x);
      high = Math.min(high, y);
    }
  }
  const point = place.transformPoint({ x: right / 2, y: high / 2 });
  text(String(number), point.x + 3 * ratio, point.y, colour, ratio);
}

function text(words, x, y, colour, ratio) {
  screen.font = `600 ${13 * ratio}px system-ui, sans-serif`;
  screen.lineWidth = 3 * ratio;
  screen.strokeStyle = "#000";
  screen.lineJoin = "round";
  screen.strokeText(words, x, y);
  screen.fillStyle = colour;
  screen.fillText(words, x, y);
}

function scale_bar(scale, ratio) {
  const mm = canvas.width > 300 * ratio ? 50 : 100, length = mm * scale;
  const x = canvas.width - length - 12 * ratio, y = canvas.height - 14 * ratio;
  screen.fillStyle = "#000";
  screen.fillRect(x - ratio, y - ratio, length + 2 * ratio, 5 * ratio);
  screen.fillStyle = "#fff";
  screen.fillRect(x, y, length, 3 * ratio);
  screen.textAlign = "right";
  text(`${mm} mm`, x + length, y - 6 * ratio, "#fff", ratio);
  screen.textAlign = "left";
}

function show() {
  const here = scan.findings.filter((finding) => finding.borders[state.slice]).map((finding) => finding.number);
  const place = `slice ${state.slice + 1} of ${last + 1}`, mm = `${scan.positions_mm[state.slice].toFixed(1)} mm`;
  part("place").textContent = `${place}\n${mm.replace("-", "−")}`;
  const [black, white] = scan.windows_hu[state.window];
  part("shown").textContent = `${state.window} window\n${black} to ${white} HU`.replace(/-/g, "−");
  canvas.setAttribute(
    "aria-label",
    `Axial ${place} at ${mm}, ${state.window} window, ${here.length ? `findings ${here.join(", ")}` : "no findings"}`,
  );
  slider.value = state.slice;
  slider.setAttribute("aria-valuetext", `${place}, ${mm}`);
  for (const window of Object.keys(SHADES)) part(window).setAttribute("aria-pressed", String(window === state.window));
  part("outlines").setAttribute("aria-pressed", String(state.outlines));
  document.body.classList.toggle("plain", !state.outlines);
  for (const row of document.querySelectorAll("tr[data-finding]")) {
    const finding = Number(row.dataset.finding);
    row.classList.toggle("at", finding === state.finding);
    row.classList.toggle("here", here.includes(scan.findings[finding].number));
  }
  draw();
}

function go(index) {
  state.slice = Math.min(last, Math.max(0, index));
  show();
}

function jump(finding) {
  if (!scan.findings.length) return;
  state.finding = (finding + scan.findings.length) % scan.findings.length;
  const list = document.querySelector(".list"), row = list.querySelector(`tr[data-finding="${state.finding}"]`);
  const above = row.offsetTop - list.scrollTop - 40, below = row.offsetTop + row.offsetHeight - list.scrollTop;
  if (above < 0) list.scrollTop += above;
  else if (below > list.clientHeight) list.scrollTop += below - list.clientHeight;
  go(scan.findings[state.finding].slice);
}

function set(changes) {
  Object.assign(state, changes);
  show();
}

const KEYS = {
  ArrowUp: () => go(state.slice + 1),
  ArrowRight: () => go(state.slice + 1),
  ArrowDown: () => go(state.slice - 1),
  ArrowLeft: () => go(state.slice - 1),
  PageUp: () => go(state.slice + 10),
  PageDown: () => go(state.slice - 10),
  Home: () => go(0),
  End: () => go(last),
  l: () => set({ window: "lung" }),
  m: () => set({ window: "mediastinal" }),
  o: () => set({ outlines: !state.outlines }),
  n: () => jump(state.finding + 1),
  p: () => jump(state.finding < 0 ? -1 : state.finding - 1),
};

viewer.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

let way = 0;
canvas.addEventListener(
  "wheel",
  (event) => {
    if (event.ctrlKey) return; // the browser's own zoom
    event.preventDefault();
    way += event.deltaMode ? NOTCH * Math.sign(event.deltaY) : event.deltaY;
    if (Math.abs(way) < NOTCH) return;
    go(state.slice - Math.sign(way));
    way = 0;
  },
  { passive: false },
);
canvas.addEventListener("click", () => viewer.focus({ preventScroll: true }));
slider.addEventListener("input", () => go(Number(slider.value)));
part("lung").addEventListener("click", () => set({ window: "lung" }));
part("mediastinal").addEventListener("click", () => set({ window: "mediastinal" }));
part("outlines").addEventListener("click", () => set({ outlines: !state.outlines }));
part("next")?.addEventListener("click", KEYS.n);
part("previous")?.addEventListener("click", KEYS.p);
document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-finding]");
  if (!chosen) return;
  jump(Number(chosen.dataset.finding));
  viewer.focus({ preventScroll: true });
  viewer.scrollIntoView({ block: "nearest" });
});
new ResizeObserver(() => canvas.dataset.slice && paint()).observe(canvas);

function begin() {
  slider.max = last;
  for (const [side, letter] of Object.entries(scan.letters)) part(side).textContent = letter;
  const ticks = part("ticks");
  ticks.setAttribute("viewBox", `0 0 ${last + 1} 1`);
  for (const finding of scan.findings) {
    const tick = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const sizes = { x: finding.slice, y: 0, width: 1, height: 1 };
    for (const [key, value] of Object.entries(sizes)) tick.setAttribute(key, value);
    ticks.append(tick);
  }
  if (scan.findings.length) jump(0);
  else go(Math.floor(last / 2));
  viewer.focus({ preventScroll: true });
}
begin();
