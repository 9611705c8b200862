export {
  DecisionCounters,
  type DecisionCounts,
  type PaddingRatios,
  paddingRatio,
  paddingRatios,
  type TokenCounts,
} from './decision-counters.js';
export { PROGRESS_MS, progressOf, type RunProgress } from './progress.js';
export {
  type DecodeSize,
  type RankTimeline,
  StepTimeline,
  type TimelineDocument,
  type TimelineSpan,
} from './step-timeline.js';
