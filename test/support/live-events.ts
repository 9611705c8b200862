import type { SchedulerEvent } from '../../dist/workload/index.js';

/** A request with a prompt of so many tokens comes; `more` are other fields of the event. */
export const arrive = (request: number, promptTokens: number, more: object = {}): SchedulerEvent => ({
  kind: 'arrive',
  request,
  promptTokens,
  ...more,
});
