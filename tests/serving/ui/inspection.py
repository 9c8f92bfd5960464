"""JavaScript functions that inspect a page: contrast, focus, overflow."""

# The contrast of each text with what is behind it (WCAG 2.2, 1.4.3), which is the first ground that is not transparent.
CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (level) => level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  const bright = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) {
    const words = texts.currentNode.data.trim(), element = texts.currentNode.parentElement;
    if (!words || !element.checkVisibility() || element.closest(".mirror, .skip, noscript, .hint, :disabled")) continue;
    const colours = [rgba(getComputedStyle(element).color), ground(element)];
    const [dark, light] = colours.map(bright).sort((a, b) => a - b);
    found.push([(light + 0.05) / (dark + 0.05), words.slice(0, 40)]);
  }
  return found;
}"""

# The element that has the focus: its tag, what it is called, and whether it shows that it has it.
FOCUSED = """() => {
  const at = document.activeElement, shown = getComputedStyle(at.closest(".answer, .paper") ?? at);
  const visible = shown.outlineStyle !== "none" && parseFloat(shown.outlineWidth) > 1;
  return [at.tagName, at.id || at.ariaLabel || at.textContent.trim(), visible];
}"""

# What reaches over the right edge of the screen.
# Not innerWidth: on a phone that is as wide as whatever is too wide.
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && !one.closest(".unseen"))
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((one) => one.outerHTML.slice(0, 90))"""
