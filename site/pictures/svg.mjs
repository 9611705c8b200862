// Pictures as text: elements, lines that wrap, and the colours of light and dark.

/** Okabe and Ito's colours, which colour-blind people can tell apart. Text never lies on them at full strength. */
export const COLOURS = {
  blue: '#0072b2',
  sky: '#56b4e9',
  green: '#009e73',
  orange: '#e69f00',
  red: '#d55e00',
  purple: '#cc79a7',
};

/** Ink and paper: the system's choice where a picture stands alone; in the site `.dark` of the page decides. */
const STYLE = `
.ls{--ls-ink:#1f2328;--ls-soft:#59636e;--ls-rule:#8b949e;--ls-paper:#fff;font:14px system-ui,sans-serif}
.ls text{fill:var(--ls-ink)}.ls .soft{fill:var(--ls-soft)}.ls .strong{font-weight:600}.ls .mono{font-family:ui-monospace,monospace}
.ls .rule{stroke:var(--ls-rule)}.ls .paper{fill:var(--ls-paper)}
@media (prefers-color-scheme:dark){.ls:root{--ls-ink:#e6edf3;--ls-soft:#a8b1bb;--ls-rule:#6e7681;--ls-paper:#1b1b1f}}
.dark .ls{--ls-ink:#e6edf3;--ls-soft:#a8b1bb;--ls-rule:#6e7681;--ls-paper:#1b1b1f}`
  .trim()
  .replaceAll('\n', '');

/** @param {unknown} text */
const escaped = (text) => `${text}`.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/**
 * An element with its attributes; `content` is markup.
 * @param {string} name
 * @param {Record<string, string | number | undefined>} attributes
 * @param {string} [content]
 */
export function element(name, attributes, content = '') {
  const said = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escaped(value).replaceAll('"', '&quot;')}"`);
  return `<${name}${said.join('')}>${content}</${name}>`;
}

/**
 * Text, a line below the other. `y` is the first line's baseline.
 * @param {number} x
 * @param {number} y
 * @param {readonly string[]} lines
 * @param {Record<string, string>} [attributes]
 */
export function textLines(x, y, lines, attributes = {}) {
  const spans = lines.map((line, index) => element('tspan', { x, y: y + index * LINE }, escaped(line)));
  return element('text', attributes, spans.join(''));
}

/** Height of a line. */
export const LINE = 18;

/**
 * Wraps a text to a width in pixels, by the width of an average letter.
 * @param {string} text
 * @param {number} width
 */
export function wrap(text, width, letter = 7) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== '' && (last.length + 1 + word.length) * letter > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

/**
 * A whole picture: what it is called and says to those who do not see it, and its markup.
 * @param {{ width: number, height: number, title: string, text: string }} about
 * @param {readonly string[]} parts
 */
export function picture({ width, height, title, text }, parts) {
  const head = element('title', {}, escaped(title)) + element('desc', {}, escaped(text)) + element('style', {}, STYLE);
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    class: 'ls',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
  };
  return `${element('svg', attributes, `${head}\n${parts.join('\n')}\n`)}\n`;
}

/**
 * A box: faint inside, its colour at the edge.
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @param {keyof typeof COLOURS} colour
 * @param {Record<string, string | number | undefined>} [attributes]
 */
export function box(x, y, width, height, colour, attributes = {}) {
  const faint = { fill: COLOURS[colour], 'fill-opacity': 0.16, stroke: COLOURS[colour], 'stroke-width': 1.5 };
  return element('rect', { x, y, width, height, rx: 5, ...faint, ...attributes });
}
