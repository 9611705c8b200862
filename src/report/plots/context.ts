import type * as ObservablePlot from '@observablehq/plot';

/** The parts of Observable Plot that plots are drawn with. The whole module fits. */
export type PlotLibrary = Pick<
  typeof ObservablePlot,
  | 'areaY'
  | 'axisX'
  | 'axisY'
  | 'dot'
  | 'gridX'
  | 'gridY'
  | 'line'
  | 'link'
  | 'plot'
  | 'rect'
  | 'ruleX'
  | 'ruleY'
  | 'text'
  | 'tickX'
>;

/** An element of SVG, of a browser or of what stands in for one. */
export interface SvgElement {
  readonly outerHTML: string;
  readonly firstChild: unknown;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  querySelectorAll(selector: string): Iterable<SvgElement>;
  insertBefore(child: SvgElement, before: unknown): unknown;
  append(...children: (SvgElement | string)[]): void;
}

/** What makes elements: a browser's document, or one that stands in for it. */
export interface SvgDocument {
  createElementNS(namespace: string, name: string): SvgElement;
}

/** What a plot is drawn with, and how wide it is in CSS pixels. */
export interface PlotContext {
  readonly Plot: PlotLibrary;
  readonly width: number;
  /** Default: the browser's own. */
  readonly document?: SvgDocument;
}

/** The numbers of a plot, for those who rather read them, or hear them. */
export interface PlotTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** What was left out or put together, in a sentence; absent where the rows are all there is. */
  readonly note?: string;
}

/** One entry of a legend: what a class of marks stands for. `mark` is a class of `PLOT_CSS`. */
export interface LegendEntry {
  readonly mark: string;
  readonly label: string;
}

/** Below this width, in pixels, a plot has less room beside it for names. */
export const NARROW = 480;

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an element of SVG. */
export function svgElement(
  { document }: Pick<PlotContext, 'document'>,
  name: string,
  attributes: Readonly<Record<string, string | number>> = {},
): SvgElement {
  const made = (document ?? (globalThis as unknown as { document: SvgDocument }).document).createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, `${value}`);
  return made;
}

/** Names a drawing for those who do not see it: one image with a title and a description. */
export function described(context: PlotContext, drawn: unknown, title: string, description: string): SvgElement {
  const svg = drawn as SvgElement;
  // Plot names groups of marks after themselves, which says nothing to who hears it, and is not allowed without a role.
  for (const group of svg.querySelectorAll('g')) group.removeAttribute('aria-label');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `${title}. ${description}`);
  const desc = svgElement(context, 'desc');
  desc.append(description);
  svg.insertBefore(desc, svg.firstChild);
  return svg;
}

/** Options that every plot has: its size, its letters, and no HTML around it. */
export function frame(context: PlotContext, height: number): Record<string, unknown> {
  const { width, document } = context;
  return {
    ...(document === undefined ? {} : { document }),
    width,
    height,
    figure: false,
    style: { fontSize: '12px', overflow: 'visible', maxWidth: '100%' },
  };
}
