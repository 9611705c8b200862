import {
  areaY,
  axisX,
  axisY,
  dot,
  gridX,
  gridY,
  line,
  link,
  plot,
  rect,
  ruleX,
  ruleY,
  text,
  tickX,
} from '@observablehq/plot';
import type { PlotLibrary } from '../plots/context.js';
import { startZoom } from './zoom.js';

/** What of Observable Plot a page is drawn with, both when it is written and when it is looked at. */
export const Plot: PlotLibrary = {
  areaY,
  axisX,
  axisY,
  dot,
  gridX,
  gridY,
  line,
  link,
  plot,
  rect,
  ruleX,
  ruleY,
  text,
  tickX,
};

/** Lets the figures of the open page be zoomed, and opens what is folded before it is printed. */
export function start(): void {
  for (const figure of document.querySelectorAll<HTMLElement>('figure[data-zoom]')) startZoom(figure, Plot);
  addEventListener('beforeprint', () => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
}
