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
import type { PlotLibrary } from '../../../dist/report/plots/index.js';

/** What the plots are drawn with, and no more of Plot than that. */
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
