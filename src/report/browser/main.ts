import type { PlotLibrary } from '../plots/context.js';
import { PLOT } from './plot-library.js';
import { startZoom } from './zoom.js';

/** What a page is drawn with, both when it is written and when it is looked at. */
export const Plot: PlotLibrary = PLOT;

/** Lets the figures of the open page be zoomed, and opens what is folded before it is printed. */
export function start(): void {
  for (const figure of document.querySelectorAll<HTMLElement>('figure[data-zoom]')) startZoom(figure, Plot);
  addEventListener('beforeprint', () => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
}
