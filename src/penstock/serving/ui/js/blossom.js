// The flower to scale, from above: three sepals and, between them, three petals.

const SVG = "http://www.w3.org/2000/svg";
const PARTS = { sepal: [0, 120, 240], petal: [60, 180, 300] };
// In cm. The longest sepal has 7.9; a sepal points upwards, a petal downwards.
const SIDE = 8.2;
const DEPTH = 7.2;

/** Shows the flower if the features are lengths and widths of sepals and petals. */
export class Blossom {
  #leaves;
  #names;

  constructor(picture, names) {
    this.#names = names;
    picture.replaceChildren();
    const known = Object.keys(PARTS).every(
      (part) => names.includes(`${part} length`) && names.includes(`${part} width`),
    );
    picture.toggleAttribute("hidden", !known);
    if (!known) return;
    picture.setAttribute("viewBox", `${-SIDE} ${-SIDE} ${2 * SIDE} ${SIDE + DEPTH}`);
    this.#leaves = Object.entries(PARTS).map(([part, angles]) => [part, angles.map((angle) => leaf(part, angle))]);
    picture.append(...this.#leaves.flatMap(([, paths]) => paths), made("circle", { r: 0.45, class: "heart" }));
  }

  show(values) {
    for (const [part, paths] of this.#leaves ?? []) {
      const [length, width] = ["length", "width"].map((side) => values[this.#names.indexOf(`${part} ${side}`)]);
      paths.forEach((path) => path.setAttribute("d", outline(length, width)));
    }
  }
}

const leaf = (part, angle) => made("path", { class: part, transform: `rotate(${angle})` });

/** A leaf from the centre upwards; it has its full width at two thirds of its height. */
function outline(length, width) {
  const side = (sign) => `${sign * 0.42 * width} ${-0.3 * length}, ${sign * 0.95 * width} ${-length}`;
  return `M0 0 C${side(-1)}, 0 ${-length} C${0.95 * width} ${-length}, ${0.42 * width} ${-0.3 * length}, 0 0 Z`;
}

function made(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
