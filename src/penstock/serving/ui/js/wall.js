// Images that a generator draws from noise, with the prediction of the first classifier of such images.

import { paintPixels } from "./heat.js";
import { imageSize } from "./kinds.js";
import { Newest } from "./newest.js";
import { byId, choice, element } from "./page.js";
import { normal } from "./random.js";
import { infer } from "./server.js";

const IMAGES = 40;

/** Returns a function that repeats the requests, for a server that was down. */
export function wallPanel(generators, readers, trouble) {
  const newest = new Newest(work, (error) => trouble.report(error));
  const seed = byId("wall-seed");
  let generator = generators[0];
  let shown = null;

  byId("wall-new").addEventListener("click", () => {
    seed.value = crypto.getRandomValues(new Uint32Array(1))[0];
    changed();
  });
  seed.addEventListener("input", changed);
  document.addEventListener("theme", () => shown && paint());
  choice(
    byId("wall-models"),
    generators,
    (model) => {
      generator = model;
      changed();
    },
    ({ name }) => name,
  );
  changed();
  return changed;

  function changed() {
    if (seed.validity.valid && seed.value !== "") newest.ask({ model: generator, seed: Number(seed.value) });
  }

  async function work({ model, seed }) {
    const image = model.outputs.find(({ name }) => name === "image");
    const noise = normal(seed, IMAGES * model.inputs[0].shape[1]);
    const { image: drawn } = await infer(model, IMAGES, { [model.inputs[0].name]: noise });
    const size = imageSize(model, image);
    const pixels = Uint8Array.from(drawn);
    const reader = readers.find((one) => imageSize(one).height === size.height && imageSize(one).width === size.width);
    const labels =
      reader &&
      (await infer(reader, IMAGES, { [reader.inputs[0].name]: pixels })).label.map((label) => reader.classes[label]);
    shown = { pixels, size, labels };
    paint();
    byId("wall-read").textContent =
      `${IMAGES} images of ${model.name} from seed ${seed}${reader ? `; below each, the prediction of ${reader.name}` : ""}.`;
    trouble.past();
  }

  function paint() {
    const { pixels, size, labels } = shown;
    const area = size.height * size.width;
    byId("wall-images").replaceChildren(
      ...Array.from({ length: IMAGES }, (_, at) => {
        const canvas = element("canvas", {
          role: "img",
          ariaLabel: labels ? `Read as ${labels[at]}` : `Image ${at + 1}`,
        });
        paintPixels(canvas, pixels.subarray(at * area, (at + 1) * area), size);
        const small = element("small", { ariaHidden: "true" }, labels ? labels[at] : "");
        return element("li", {}, canvas, small);
      }),
    );
  }
}
