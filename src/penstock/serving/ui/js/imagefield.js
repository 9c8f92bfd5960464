// A field for an image: a file that is chosen or dropped, and what it looks like.

import { element } from "./page.js";

const SENT_AS_IT_IS = ["image/png", "image/jpeg"];
const PREVIEW = 512;

/** A field; `file` is the image as the server takes it alone, `value` its pixels in a row with other columns. */
export function imageField(column, id, changed) {
  let chosen = null;
  const input = element("input", { type: "file", id, accept: "image/*" });
  const preview = element("canvas", { hidden: true, role: "img", ariaLabel: "The chosen image" });
  const drop = element("div", { className: "drop" }, input, preview);
  const light = element("input", { type: "checkbox", id: `${id}-light` });
  light.addEventListener("change", changed);
  input.addEventListener("change", () => take(input.files[0]));
  drop.addEventListener("dragover", (event) => over(event, true));
  drop.addEventListener("dragleave", (event) => over(event, false));
  drop.addEventListener("drop", (event) => {
    over(event, false);
    take(event.dataTransfer.files[0]);
  });
  const isGrey = (column.shape?.length ?? 0) === 3;
  const hint = element("span", { className: "told", id: `${id}-hint` }, "Choose an image, or drop one here.");
  input.setAttribute("aria-describedby", hint.id);
  const place = element(
    "div",
    { className: "field broad" },
    element("label", { htmlFor: id }, column.name),
    drop,
    hint,
    ...(isGrey ? [element("div", { className: "field switch" }, inverted(light.id), light)] : []),
  );
  return {
    place,
    isFilled: () => chosen !== null,
    file: async () => (SENT_AS_IT_IS.includes(chosen.file.type) ? chosen.file : asPng(chosen.bitmap)),
    value: () => pixels(chosen.bitmap, column.shape),
    background: () => (light.checked ? "light" : "dark"),
  };

  function over(event, isOver) {
    event.preventDefault();
    drop.classList.toggle("over", isOver);
  }

  async function take(file) {
    if (!file) return;
    try {
      chosen = { file, bitmap: await createImageBitmap(file) };
      hint.textContent = `${file.name}, ${chosen.bitmap.width} × ${chosen.bitmap.height} pixels`;
      paint(preview, chosen.bitmap, PREVIEW);
    } catch {
      chosen = null;
      hint.textContent = `${file.name} is not an image that this browser can read.`;
    }
    hint.classList.toggle("outside", !chosen);
    preview.hidden = !chosen;
    changed();
  }
}

const inverted = (id) => element("label", { htmlFor: id }, "Dark on a light background");

function paint(canvas, bitmap, most) {
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
}

function asPng(bitmap) {
  const canvas = element("canvas");
  paint(canvas, bitmap, Infinity);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Nested lists [height][width], or [height][width][3] in colour, of a model's size. */
function pixels(bitmap, [, height, width, channels]) {
  const canvas = element("canvas");
  [canvas.width, canvas.height] = [width > 0 ? width : bitmap.width, height > 0 ? height : bitmap.height];
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const colours = (at) => Array.from(data.subarray(at, at + 3));
  const grey = (at) => Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
  return Array.from({ length: canvas.height }, (_, y) =>
    Array.from({ length: canvas.width }, (_, x) => (channels ? colours : grey)(4 * (y * canvas.width + x))),
  );
}
