// Pictures of a page: an SVG of docs/pictures/ is put into the page as text, so that it follows the page's light and dark.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { docs } from './paths.mjs';

/**
 * A plugin of markdown-it: an image that is an SVG becomes a figure with its text below it.
 * @param {import('markdown-it').default} markdown
 */
export function figures(markdown) {
  const plain = markdown.renderer.rules.image;
  markdown.renderer.rules.image = (tokens, index, options, env, self) => {
    const token = tokens[index];
    const source = token.attrGet('src') ?? '';
    if (!/^(?:\.\/)?pictures\/[\w-]+\.svg$/.test(source)) return plain(tokens, index, options, env, self);
    const svg = readFileSync(path.join(docs, source), 'utf8').trim();
    const [, width] = /viewBox="0 0 (\d+)/.exec(svg) ?? [];
    const text = markdown.utils.escapeHtml(token.content);
    // A role and a place in the order of the Tab key: a wide picture is scrolled with the arrow keys.
    return `<span class="figure" role="group" tabindex="0" aria-label="${text}" v-pre style="--width: ${Math.round(Number(width) * 0.75)}px">${svg}</span>`;
  };
}
