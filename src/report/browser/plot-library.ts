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
import type { PlotLibrary } from '../plots/index.js';

/** What the plots of reports and of the page are drawn with, and no more of Observable Plot than that. */
export const PLOT: PlotLibrary = {
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
