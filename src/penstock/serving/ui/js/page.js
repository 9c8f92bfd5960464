// Helpers for the document.

export const byId = (id) => document.getElementById(id);

/** Creates an element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
}

/** The value of a colour of the style sheet, in the current theme. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export const percent = (share) => (share > 0.9995 ? "100 %" : `${(100 * share).toFixed(1)} %`);

/** A context in CSS pixels, for a canvas of the size that the style sheet says. */
export function sharp(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** A group of buttons of which one is pressed; no buttons for a single choice. */
export function choice(place, values, chosen, label = String) {
  place.hidden = values.length < 2;
  const buttons = values.map((value) => {
    const button = element("button", { type: "button", ariaPressed: "false" }, label(value));
    button.addEventListener("click", () => press(value));
    return button;
  });
  place.replaceChildren(...buttons);
  function press(value, quiet = false) {
    buttons.forEach((button, at) => (button.ariaPressed = String(values[at] === value)));
    if (!quiet) chosen(value);
  }
  if (values.length) press(values[0], true);
}

export const inside = (share) => Math.min(1, Math.max(0, share));

const STEP = 0.03;
const FAR = 3; // steps with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The target of an arrow key from a point of the unit square; undefined for other keys. */
export function steered(event, [x, y]) {
  const direction = ARROWS[event.key];
  if (!direction || event.ctrlKey || event.altKey || event.metaKey) return null;
  event.preventDefault();
  const step = STEP * (event.shiftKey ? FAR : 1);
  return [inside(x + direction[0] * step), inside(y + direction[1] * step)];
}
