// The dimensions of a latent vector as bars to drag; for the Tab key they are one stop.

import { element } from "./page.js";

const HEADROOM = 1.25; // above the largest number of the corners' latents

export class LatentBars {
  #place;
  #changed;
  #bars = [];

  /** @param changed is called with the index of a dimension and its new value */
  constructor(place, changed) {
    this.#place = place;
    this.#changed = changed;
    place.addEventListener("keydown", (event) => this.#key(event));
  }

  show(latent, highest) {
    if (this.#bars.length !== latent.length) this.#make(latent.length);
    this.#bars.forEach((bar, at) => {
      bar.max = (HEADROOM * highest).toFixed(2);
      bar.value = latent[at];
      bar.style.setProperty("--share", latent[at] / (HEADROOM * highest));
    });
  }

  #make(count) {
    this.#bars = Array.from({ length: count }, (_, at) => {
      const bar = element("input", {
        type: "range",
        min: 0,
        step: 0.01,
        tabIndex: at ? -1 : 0,
        ariaLabel: `Dimension ${at + 1} of the latent vector`,
      });
      bar.addEventListener("input", () => this.#changed(at, Number(bar.value)));
      bar.addEventListener("focus", () => this.#bars.forEach((other) => (other.tabIndex = other === bar ? 0 : -1)));
      return bar;
    });
    this.#place.replaceChildren(...this.#bars);
  }

  /** Left and right select a dimension, up and down change its value. */
  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    this.#bars[this.#bars.indexOf(document.activeElement) + step]?.focus();
    event.preventDefault();
  }
}
