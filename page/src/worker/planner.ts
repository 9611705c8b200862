import { playStory } from 'lockstep/check';
import { LockstepError } from 'lockstep/planner';
import type { Asked, JobFault, JobName, JobProgress, Jobs, Told } from './messages.js';
import { PlanJob } from './plan-job.js';
import { identify } from './source.js';
import { explainStep } from './step-job.js';

type Job<N extends JobName> = (
  ask: Jobs[N]['ask'],
  signal: AbortSignal,
  show: (progress: JobProgress) => void,
) => Promise<Jobs[N]['answer']>;

const plans = new PlanJob();

const JOBS: { readonly [N in JobName]: Job<N> } = {
  identify,
  plan: (ask, signal, show) => plans.run(ask, signal, show),
  step: (ask) => explainStep(ask),
  story: (ask) => playStory(ask),
};

const running = new Map<number, AbortController>();
const tell = (told: Told): void => self.postMessage(told);

self.addEventListener('message', ({ data }: MessageEvent<Asked>) => {
  if ('abort' in data) running.get(data.id)?.abort();
  else void answer(data);
});

async function answer({ id, job, ask }: Exclude<Asked, { abort: true }>): Promise<void> {
  const ends = new AbortController();
  running.set(id, ends);
  try {
    const run = JOBS[job] as Job<JobName>;
    tell({ id, answer: await run(ask, ends.signal, (progress) => tell({ id, progress })) });
  } catch (error) {
    tell({ id, fault: faultOf(error) });
  } finally {
    running.delete(id);
  }
}

/** Sources have no name here: the page says which file it was. */
function faultOf(error: unknown): JobFault {
  if (error instanceof LockstepError)
    return { code: error.code, message: error.message.replace(/\bthe stream\b/g, 'the file') };
  return { code: 'ERR_INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
