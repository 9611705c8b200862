import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { PlotContext, SvgDocument } from '../../../dist/report/index.js';

/** A context whose document is not a browser's. */
export function contextOf(width = 720): PlotContext {
  const { document } = parseHTML('<html><body></body></html>');
  return { Plot, width, document: document as unknown as SvgDocument };
}

/** The elements of a drawing, by a selector. */
export function found(svg: unknown, selector: string): Element[] {
  return [...(svg as Element).querySelectorAll(selector)];
}
