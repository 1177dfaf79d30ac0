// What an accessibility checker would complain of, as lists of sentences; empty lists are good news.
(() => {
  const shown = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && !node.closest(".hidden, dialog:not([open])");
  const what = (node) => `${node.tagName.toLowerCase()}${node.id && `#${node.id}`}.${node.getAttribute("class")}`;

  // -- contrast, as WCAG 2 computes it, of each text on what is painted behind its middle ----------------------------

  /** [r, g, b, alpha], 0..255 and 0..1, of a computed colour. */
  function colour(said) {
    const parts = said.match(/[\d.]+/g).map(Number);
    if (said.startsWith("color(srgb")) return [...parts.slice(0, 3).map((part) => part * 255), parts[3] ?? 1];
    if (said.startsWith("rgb")) return [...parts.slice(0, 3), parts[3] ?? 1];
    throw new Error(`what colour is ${said}?`);
  }

  const over = ([r, g, b, alpha], ground) =>
    [r, g, b].map((part, i) => part * alpha + ground[i] * (1 - alpha)).concat(1);

  function luminance(rgb) {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function groundOf(node) {
    const layers = [];
    for (let at = node; at instanceof HTMLElement || at instanceof SVGElement; at = at.parentElement) {
      layers.push(colour(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((ground, layer) => over(layer, ground), [255, 255, 255, 1]);
  }

  function contrast() {
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let checked = 0;
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      const node = text.parentElement;
      if (!text.data.trim() || !shown(node) || node.closest("noscript")) continue;
      const style = getComputedStyle(node);
      const ink = colour(node instanceof SVGElement ? style.fill : style.color);
      const ground = groundOf(node);
      const [light, dark] = [luminance(over(ink, ground)), luminance(ground)].sort((a, b) => b - a);
      const ratio = (light + 0.05) / (dark + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      checked += 1;
      if (ratio < (large ? 3 : 4.5)) found.push(`${what(node)} "${text.data.trim()}": ${ratio.toFixed(2)}`);
    }
    return { found, checked };
  }

  // -- names, headings, landmarks ------------------------------------------------------------------------------------

  function name(node) {
    const by = node.getAttribute("aria-labelledby");
    if (by) return by.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
    return (node.getAttribute("aria-label") ?? (node.labels?.[0] ?? node).textContent).trim();
  }

  const CONTROLS = "a[href], button, input, select, summary, [role=img], [role=group], article, section, nav, dialog[open]";

  const nameless = () => [...document.querySelectorAll(CONTROLS)].filter((node) => shown(node) && !name(node)).map(what);

  function headings() {
    const found = [];
    let before = 0;
    for (const node of document.querySelectorAll("h1, h2, h3, h4")) {
      if (!node.checkVisibility()) continue;
      const level = Number(node.tagName[1]);
      if (level > before + 1) found.push(`h${level} "${node.textContent}" after h${before}`);
      before = level;
    }
    return found;
  }

  function twice() {
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    return ids.filter((id, i) => ids.indexOf(id) !== i);
  }

  return { contrast: contrast(), nameless: nameless(), headings: headings(), twice: twice() };
})();
